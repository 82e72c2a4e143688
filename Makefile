# Two commands need nothing prepared but Python 3.11 or newer: `make run` and `make test`.
# A stamp file in .venv remembers what was installed, so a second call starts at once.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
SOURCES := src tests bench examples

# One thread for each linear algebra call: two test workers already fill two cores.
QUIET := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false

DATA ?= ../shared/data
FIGURES ?= core

.PHONY: run test lint doc bench clean help

help:
	@echo "make run    set up $(VENV) and run the built-in problem 'huskies'"
	@echo "make test   set up $(VENV) and run the tests (SLOW=1: the slow ones too)"
	@echo "make lint   ruff and mypy --strict"
	@echo "make doc    write docs/cli.md from the program's own help"
	@echo "make bench  measure the figures (DATA=$(DATA) FIGURES=$(FIGURES))"
	@echo "make clean  remove $(VENV) and every cache"

run: $(VENV)/.installed
	$(BIN)/imitative run huskies

test: $(VENV)/.installed-dev
	$(QUIET) $(BIN)/python -m pytest -n 2 --dist worksteal $(PYTEST)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy $(SOURCES)

doc: docs/cli.md

docs/cli.md: $(VENV)/.installed-dev FORCE
	$(BIN)/python -m typer imitative.cli utils docs --name imitative --title "The command line" --output $@

bench: $(VENV)/.installed-bench
	$(BIN)/python -m bench $(FIGURES) --data $(DATA)

# torch comes first and alone: the pinned version keeps pip from taking the newest build for another package's sake.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." \
	    "Name another: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
	  echo "The folder $(VENV) could not be made: is the venv module installed (Debian: apt-get install python3-venv)?" >&2; exit 2; }
	@echo "Installing into $(VENV), once; this takes a few minutes."
	$(PIP) install -c constraints.txt torch
	$(PIP) install -c constraints.txt -e '.[offline,people]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) install -c constraints.txt -e '.[offline,people,test,dev]'
	@touch $@

$(VENV)/.installed-bench: $(VENV)/.installed
	$(PIP) install -c constraints.txt -e '.[offline,people,bench]'
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +

FORCE:
