# `make demo` on a clean machine: an environment in .venv, then a real search. Every target makes what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# Two OpenMP threads in each of two processes on two cores are many times slower than one.
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
WORKERS ?= 2

.PHONY: help demo test lint format clean

help:
	@echo "make demo    install and run a search on generated street scenes (minutes on a CPU)"
	@echo "make test    install and run the tests, WORKERS=2 processes"
	@echo "make lint    format, style, types and layers"
	@echo "make format  let ruff rewrite the code"
	@echo "make clean   remove the environment and all caches; runs/ and data/ stay"

demo: $(VENV)/core.stamp
	$(BIN)/python search.py

test: $(VENV)/dev.stamp
	$(ONE_THREAD) $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

lint: $(VENV)/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/dev.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# Bytecode is compiled here because PYTHONDONTWRITEBYTECODE would make every start compile it anew.
$(VENV)/core.stamp: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing into $(VENV) (once, a minute or two)"
	$(PIP) -e .
	$(BIN)/python -m compileall -q squeezenas
	@touch $@

$(VENV)/dev.stamp: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing into $(VENV) with the development tools (once, a minute or two)"
	$(PIP) -e ".[dev]"
	$(BIN)/python -m compileall -q squeezenas
	@touch $@ $(VENV)/core.stamp
