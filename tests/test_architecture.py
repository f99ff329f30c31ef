"""Imports point one way, modules stay short, and the documents say what the code says."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pytest

import flask_celeriac
from flask_celeriac import errors
from flask_celeriac.settings.own import OWN_NAMES

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "flask_celeriac"
NAME = "flask_celeriac"

#: Each part may import from itself and from the rows above its own: the parts of one row, so also
#: the doors, do not know each other.
ROWS = (
    ("errors", "kombu_json", "native_thread", "wake", "access"),
    ("settings", "embedded", "health"),
    ("transport",),
    ("record",),
    ("enqueue",),
    ("declare",),
    ("execute",),
    ("observe",),
    ("cli", "api", "dashboard", "testing"),
    ("extension",),
    ("__init__",),
)
#: What a plain Celery app, a probe or a script can use.
WITHOUT_FLASK = (
    *("errors", "kombu_json", "native_thread", "wake", "access"),
    *("settings", "embedded", "health", "transport", "record"),
)
LONGEST_MODULE = 400

DOCUMENTS = sorted(
    [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")]
    + list((ROOT / "docs").rglob("*.md"))
)


@dataclass(frozen=True)
class Import:
    """One import statement, wherever it stands: at the top, in a function, for types only."""

    importer: str
    imported: str
    place: str

    def __str__(self) -> str:
        return f"{self.place}: {self.importer} imports {self.imported}"


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        words = [NAME, *path.relative_to(PACKAGE).with_suffix("").parts]
        yield ".".join(words[:-1] if words[-1] == "__init__" else words), path


def imports_of(module: str, path: Path) -> Iterator[Import]:
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        for imported in imported_by(node, package):
            place = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
            yield Import(module, imported, place)


def imported_by(node: ast.AST, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = absolute("." * node.level + (node.module or ""), package)
        # `from flask_celeriac import settings` names a module as much as a value.
        yield from (f"{base}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Call) and called_name(node) in ("import_module", "__import__"):
        named = [word.value for word in node.args[:1] if isinstance(word, ast.Constant)]
        yield from (absolute(str(name), package) for name in named)


def called_name(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def absolute(name: str, package: str) -> str:
    bare = name.lstrip(".")
    level = len(name) - len(bare)
    if level == 0:
        return bare
    words = package.split(".")
    return ".".join([*words[: len(words) - level + 1], *([bare] if bare else [])])


def part_of(module: str) -> str:
    """`cli` for `flask_celeriac.cli.up`; `__init__` for the package itself and its public names."""
    words = module.split(".")
    part = words[1] if len(words) > 1 else "__init__"
    is_part = (PACKAGE / part).is_dir() or (PACKAGE / f"{part}.py").is_file()
    return part if is_part else "__init__"


def row_of(part: str) -> int:
    return next(number for number, row in enumerate(ROWS) if part in row)


ALL_IMPORTS = [found for name, path in modules() for found in imports_of(name, path)]
OWN_IMPORTS = [found for found in ALL_IMPORTS if found.imported.split(".")[0] == NAME]


def test_every_part_of_the_package_has_its_place_in_the_order() -> None:
    known = {part for row in ROWS for part in row}
    assert {part_of(name) for name, _ in modules()} <= known


def test_the_parser_sees_lazy_relative_and_typing_imports() -> None:
    seen = {(found.importer, found.imported) for found in OWN_IMPORTS}
    assert (f"{NAME}.extension", f"{NAME}.cli.celery_group") in seen
    assert (f"{NAME}.declare.carry", f"{NAME}.declare.state.AppState") in seen
    assert (f"{NAME}.settings.read", f"{NAME}.errors.BrokerMissing") in seen


def test_imports_point_one_way() -> None:
    wrong = [
        str(found)
        for found in OWN_IMPORTS
        if (importer := part_of(found.importer)) != (imported := part_of(found.imported))
        and row_of(imported) >= row_of(importer)
    ]
    assert wrong == []


def test_nothing_below_the_doors_loads_a_door_by_its_name() -> None:
    doors = next(row for row in ROWS if "cli" in row)
    pattern = re.compile(rf"{NAME}\.({'|'.join(doors)})\b")
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for name, path in modules()
        if row_of(part_of(name)) < row_of("cli")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and pattern.match(node.value)
    ]
    assert wrong == []


def test_the_lower_parts_know_no_flask() -> None:
    wrong = [
        str(found)
        for found in ALL_IMPORTS
        if part_of(found.importer) in WITHOUT_FLASK and found.imported.split(".")[0] == "flask"
    ]
    assert wrong == []


def test_a_probe_and_the_embedded_server_import_no_celery() -> None:
    wrong = [
        str(found)
        for found in ALL_IMPORTS
        if part_of(found.importer) in ("health", "embedded")
        and found.imported.split(".")[0] in ("celery", "kombu", "redis")
    ]
    assert wrong == []


def test_a_web_process_loads_no_transport_before_it_sends() -> None:
    program = "import flask_celeriac; flask_celeriac.Celeriac; import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    loaded = set(done.stdout.split())
    assert "flask_celeriac.declare.celery_app" in loaded, done.stderr
    assert not loaded & {"redis", "kombu.transport.redis", "flask_celeriac.transport.redis.channel"}


def test_no_module_is_longer_than_it_may_be() -> None:
    lengths = {path: len(path.read_text().splitlines()) for _, path in modules()}
    assert {p.name: n for p, n in lengths.items() if n > LONGEST_MODULE} == {}


def headings(path: Path, level: int) -> list[str]:
    """The names in backticks of a document's headings of one level."""
    return re.findall(rf"^{'#' * level} `(\w+)", path.read_text(), re.MULTILINE)


def test_the_public_names_are_those_of_the_reference() -> None:
    documented = headings(ROOT / "docs" / "reference" / "api.md", 2)
    assert sorted(flask_celeriac.__all__) == sorted(documented)
    assert all(hasattr(flask_celeriac, name) for name in documented)


def test_the_reference_names_every_error() -> None:
    text = (ROOT / "docs" / "reference" / "api.md").read_text()
    named = set(re.findall(r"^\| `([A-Z]\w+)` \|", text, re.MULTILINE))
    tree = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type)
        and issubclass(value, errors.CeleriacError)
        and value is not errors.CeleriacError
    }
    assert named == tree


def test_the_reference_names_every_key_of_the_configuration() -> None:
    text = (ROOT / "docs" / "reference" / "configuration.md").read_text()
    assert tuple(sorted(set(re.findall(r"^\| `(CELERIAC_\w+)`", text, re.MULTILINE)))) == OWN_NAMES


def test_the_reference_names_every_safe_default() -> None:
    from flask_celeriac.settings import read_settings

    redis = "redis://localhost/0"
    profiles = (
        read_settings(
            {
                "CELERY_BROKER_URL": url,
                "CELERY_RESULT_BACKEND": redis,
                "CELERIAC_TRANSPORT": transport,
            },
            is_production=False,
            environ={},
        ).profile
        for url in (redis, "amqp://localhost//")
        for transport in ("celeriac", "kombu")
    )
    keys = {applied.key for profile in profiles for applied in profile}
    text = (ROOT / "docs" / "reference" / "configuration.md").read_text()
    documented = {
        key
        for line in text.partition("## The safe profile")[2].splitlines()
        if line.startswith("| `")
        for key in re.findall(r"`([a-z_.]+)`", line.split("|")[1])
    }
    assert documented == keys


def test_the_reference_names_every_key_in_redis_and_every_option_of_the_transport() -> None:
    from flask_celeriac.record.journal import on_redis
    from flask_celeriac.transport.redis import keys
    from flask_celeriac.transport.redis.placed import KombuChannel, PlacedChannel

    documents = f"{keys.__doc__}{on_redis.__doc__}"
    named = re.findall(
        r"^    (\S+) +(?:list|hash|zset|set|string|stream) ", documents, re.MULTILINE
    )
    text = (ROOT / "docs" / "reference" / "keys.md").read_text()
    assert re.findall(r"^\| `(\S+)` \|", text, re.MULTILINE) == named
    own = [o for o in PlacedChannel.from_transport_options if not hasattr(KombuChannel, o)]
    text = (ROOT / "docs" / "reference" / "configuration.md").read_text()
    assert set(own) <= set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
    assert own


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_document_names_no_place_of_one_machine(path: Path) -> None:
    local = re.compile(r"(?<![\w.$-])(/work|/tmp|/home|/root|/Users|/var/folders)(/|\b)|[A-Z]:\\")
    assert [line for line in path.read_text().splitlines() if local.search(line)] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_document_links_to_what_exists(path: Path) -> None:
    links = re.findall(r"(?:\]\(|src=\")([^)\"\s]+)[)\"]", path.read_text())
    own = [link for link in links if not re.match(r"[a-z]+:", link)]
    assert [link for link in own if not leads_somewhere(path, link)] == []


def leads_somewhere(document: Path, link: str) -> bool:
    file, _, anchor = link.partition("#")
    target = document.parent / unquote(file) if file else document
    if not target.exists():
        return False
    return not anchor or anchor in anchors(target)


def anchors(path: Path) -> set[str]:
    """What GitHub makes of the headings of a document."""
    titles = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
