# Everything comes from the package index that pip is configured for; nothing else is downloaded.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
PINS := requirements/build.txt requirements/runtime.txt requirements/dev.txt

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install dev check layout lint types floors format test demo bench pins clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and "pgrecast needs Python 3.11 or newer, and $(PYTHON) is %d.%d; name another: make PYTHON=python3.12 ..." % v[:2])'
	$(PYTHON) -m venv --clear $(VENV)

$(VENV)/.installed: requirements/build.txt requirements/runtime.txt pyproject.toml | $(BIN)/python
	$(PIP) install --quiet --require-hashes -r requirements/build.txt -r requirements/runtime.txt
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-dev: requirements/dev.txt $(VENV)/.installed
	$(PIP) install --quiet --require-hashes -r requirements/dev.txt
	@touch $@

install: $(VENV)/.installed ## .venv with pgrecast and its pinned dependencies
dev: $(VENV)/.installed-dev ## install, and the tools for tests and checks

check: layout lint types floors ## format, lint, types, and the floors of the architecture

layout: dev
	$(BIN)/ruff format --check .

lint: dev
	$(BIN)/ruff check .

types: dev
	$(BIN)/basedpyright

floors: dev
	$(BIN)/lint-imports

format: dev ## format the code and sort the imports
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: dev ## all tests, against PGHOST if set, else against an embedded server
	$(BIN)/pytest --numprocesses 4 --dist loadfile $(ARGS)

demo: install ## the incident on an embedded server, and the console on it
	$(BIN)/pgrecast demo $(ARGS)

bench: dev ## figures, not assertions
	@set -e; for script in tests/benchmarks/bench_*.py; do echo "== $$script"; $(BIN)/python "$$script"; done

# Universal pins: every platform and every Python from 3.11 on, resolved by a tool that lives in a venv of its own.
COMPILE = build/pins/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
	--no-header --no-annotate --no-emit-index-url

build/pins/bin/uv:
	$(PYTHON) -m venv --clear build/pins
	build/pins/bin/python -m pip install --quiet --disable-pip-version-check uv

pins: build/pins/bin/uv ## compile requirements/*.txt again, at the newest versions
	$(COMPILE) -o requirements/runtime.txt pyproject.toml
	$(COMPILE) -o requirements/build.txt -c requirements/runtime.txt requirements/build.in
	$(COMPILE) -o requirements/dev.txt -c requirements/runtime.txt -c requirements/build.txt --extra dev pyproject.toml

clean: ## remove .venv and everything that can be made again
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
