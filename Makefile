# The commands of the project; each works on a fresh clone.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: install demo test lint check docs clean

install: .venv/installed

.venv/installed: setup.cfg pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[check]"
	touch $@

# Compare, search and validate on the tables that come with the packages.
demo: install
	$(BIN)/nasurge demo

test: install
	$(BIN)/pytest -n 2 --dist worksteal

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python tools/linktree.py
	$(BIN)/mypy

check: lint
	$(BIN)/pytest -n 2 -k "not doctests" tests/package/test_layout.py
	$(MAKE) docs

docs: install
	$(BIN)/python -m sphinx -W --keep-going -q -j auto -b html docs docs/_build

clean:
	rm -rf .venv .linktree build dist docs/_build docs/reference/api docs/reference/generated *.egg-info .pytest_cache .mypy_cache .ruff_cache
