# Everything happens in .venv; nothing needs to be activated or installed by hand.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# One thread for each test process: two of them share two cores.
ONE_THREAD := OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 LOWRANK_LA_THREADS=1
JOBS ?= 2

.PHONY: demo test test-fast lint docs bench clean

demo: $(VENV)/all.stamp  ## race the solvers on a generated problem
	$(BIN)/lowrank-la race

test: $(VENV)/test.stamp  ## all tests
	$(ONE_THREAD) $(BIN)/python -m pytest -n $(JOBS)

test-fast: $(VENV)/test.stamp  ## without the slow ones
	$(ONE_THREAD) $(BIN)/python -m pytest -n $(JOBS) -m "not slow"

lint: $(VENV)/lint.stamp  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/docs.stamp  ## HTML pages in docs/_build/html, and the code shown in them
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html
	$(BIN)/sphinx-build -W --keep-going -q -b doctest docs docs/_build/doctest

bench: $(VENV)/test.stamp  ## against the packages of the extra `peers` that are installed, and floors; rewrites docs/performance.md
	$(BIN)/python -m benchmarks run
	$(BIN)/python -m benchmarks report

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "lowrank_la needs Python 3.11 or newer; name one with: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# One stamp for each extra: installed again only if the metadata change.
$(VENV)/%.stamp: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[$*]"
	@touch $@

clean:
	rm -rf $(VENV) build docs/_build docs/_generated .pytest_cache .mypy_cache .ruff_cache
