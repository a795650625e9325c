# The commands of the project; each works on a fresh clone.
PYTHON ?= python3
BIN := .venv/bin
EXTRAS := boosting,cluster,configspace,distributed,mnist,postgresql

.PHONY: install demo test test-oldest test-wheel lint check docs clean

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

# The fast tests, or those in TESTS, with the oldest versions that setup.cfg allows.
# What newer versions saved (tests/old) is not theirs to read.
test-oldest: .venv-oldest/installed
	.venv-oldest/bin/pytest -m "not slow" -n 2 --dist worksteal --ignore tests/old $(TESTS)

.venv-oldest/installed: setup.cfg pyproject.toml constraints-oldest.txt
	test -x .venv-oldest/bin/python || $(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/python -m pip install --quiet --disable-pip-version-check \
		-c constraints-oldest.txt -e ".[test,$(EXTRAS)]"
	touch $@

# The fast tests, or those in TESTS, of the sdist against the wheel, outside this clone.
test-wheel: install
	tools/test_wheel.sh $(PYTHON) "test,$(EXTRAS)" -m "not slow" $(TESTS)

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
	rm -rf .venv .venv-oldest .linktree build dist docs/_build docs/jupyter_execute docs/reference/api docs/reference/generated *.egg-info .pytest_cache .mypy_cache .ruff_cache
