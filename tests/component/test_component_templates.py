"""`celeriac_progress` and `celeriac_script` in templates."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask, render_template_string

from flask_celeriac import Celeriac
from flask_celeriac.errors import ConfigurationError

TASK_ID = "0b1c6c1e-8a4e-4c39-9f0e-0e5b4d1f7a11"


def application(**options: Any) -> Flask:
    """An application with the blueprint, unless `is_registered=False`; *options* as registered."""
    app = Flask(__name__)
    app.config.update(
        CELERY_BROKER_URL="redis://127.0.0.1:1/0", CELERY_RESULT_BACKEND="redis://127.0.0.1:1/0"
    )
    celeriac = Celeriac(app)
    if options.pop("is_registered", True):
        app.register_blueprint(celeriac.api, **{"url_prefix": "/api/v1/tasks", **options})
    return app


def rendered(app: Flask, template: str, **values: Any) -> str:
    with app.test_request_context():
        return render_template_string(template, **values)


def test_the_element_names_the_task_and_has_a_link_inside() -> None:
    html = rendered(application(), "{{ celeriac_progress(task, label='Report') }}", task=TASK_ID)
    src = f"/api/v1/tasks/{TASK_ID}"
    assert html == (
        '<script type="module" src="/api/v1/tasks/static/celeriac-progress.js"></script>'
        f'<celeriac-progress task="{TASK_ID}" src="{src}" events="{src}/events" label="Report"'
        f' cancellable><a href="{src}">Report</a></celeriac-progress>'
    )


def test_it_takes_a_result_and_leaves_out_what_is_not_wanted() -> None:
    app = application()
    result = app.extensions["celery"].AsyncResult(TASK_ID)
    html = rendered(app, "{{ celeriac_progress(result, cancellable=False) }}", result=result)
    assert f'task="{TASK_ID}"' in html
    assert "label=" not in html
    assert "cancellable" not in html
    assert ">Status of the task</a>" in html


def test_the_script_comes_once_a_page() -> None:
    app = application()
    template = "{{ celeriac_script() }}{{ celeriac_progress(task) }}{{ celeriac_progress(task) }}"
    assert rendered(app, template, task=TASK_ID).count("<script") == 1
    assert rendered(app, template, task=TASK_ID).count("<script") == 1


@pytest.mark.parametrize("text", ['"><script>alert(1)</script>', "' onclick='x", "&amp;"])
def test_what_comes_from_outside_is_escaped(text: str) -> None:
    html = rendered(application(), "{{ celeriac_progress(text, label=text) }}", text=text)
    assert len(re.findall(r"<(?!/)", html)) == 3  # script, element, link
    assert text not in html.replace("&amp;amp;", "")


def test_the_links_follow_the_blueprint_to_where_it_is_registered() -> None:
    app = application(name="jobs", url_prefix="/elsewhere")
    html = rendered(app, "{{ celeriac_progress(task) }}", task=TASK_ID)
    assert f'src="/elsewhere/{TASK_ID}" events="/elsewhere/{TASK_ID}/events"' in html
    assert 'src="/elsewhere/static/celeriac-progress.js"' in html


def test_without_the_blueprint_the_error_says_what_to_write() -> None:
    app = application(is_registered=False)
    with pytest.raises(ConfigurationError, match="register_blueprint"):
        rendered(app, "{{ celeriac_progress(task) }}", task=TASK_ID)


def test_the_script_is_served_as_a_module() -> None:
    url = "/api/v1/tasks/static/celeriac-progress.js"
    with application().test_client().get(url) as answer:
        assert answer.status_code == 200
        assert answer.mimetype == "text/javascript"
        assert "customElements.define" in answer.get_data(as_text=True)
