# The README's two commands: `make demo` and `make test`. Both set up .venv on first use only.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
OUT ?= out/demo

.PHONY: demo test lint types coverage clean

demo: $(READY)
	$(BIN)/omnizip-cost demo --out $(OUT) $(if $(CLIP),--clip "$(CLIP)")

test: $(READY)
	$(BIN)/python -m pytest

coverage: $(READY)
	$(BIN)/python -m pytest --cov --cov-report=term-missing:skip-covered

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy -p omnizip_cost

clean:
	rm -rf $(VENV) out build *.egg-info

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $(READY)
