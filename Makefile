# The README's two commands: `make demo` and `make test`. Both set up .venv on first use only.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
OUT ?= out/demo
OLDEST := .venv-oldest
OLDEST_TRANSFORMERS := transformers==5.17.0
# One process a core, one thread a process: more threads than cores take nearly twice as long.
ALL_CORES := --numprocesses auto --dist loadfile
test oldest rehearse: export OMP_NUM_THREADS := 1

.PHONY: demo test oldest rehearse lint types coverage clean

demo: $(READY)
	$(BIN)/omnizip-cost demo --out $(OUT) $(if $(CLIP),--clip "$(CLIP)")

test: $(READY)
	$(BIN)/python -m pytest $(ALL_CORES)

# The oldest transformers release supported, which lays the thinker out differently.
oldest: $(OLDEST)/.ready
	$(OLDEST)/bin/python -m pytest $(ALL_CORES) tests/witnesses tests/golden \
		tests/examples/test_build.py tests/examples/test_compressed_errors.py

# Every step of the GPU campaign in small, under the transformers release of the GPU machines.
rehearse: $(OLDEST)/.ready
	rm -rf out/rehearsal
	$(OLDEST)/bin/python analysis/campaign.py --device cuda --grid cuda --rehearse \
		--out out/rehearsal --pack out/rehearsal.tar.gz

coverage: $(READY)
	$(BIN)/python -m pytest --cov --cov-report=term-missing:skip-covered

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy -p omnizip_cost

clean:
	rm -rf $(VENV) $(OLDEST) out build *.egg-info

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $(READY)

$(OLDEST)/.ready: pyproject.toml constraints.txt
	test -x $(OLDEST)/bin/python || $(PYTHON) -m venv $(OLDEST)
	grep -vE '^(transformers|huggingface_hub)==' constraints.txt > $(OLDEST)/constraints.txt
	$(OLDEST)/bin/python -m pip install --quiet --constraint $(OLDEST)/constraints.txt \
		$(OLDEST_TRANSFORMERS) --editable ".[dev]"
	touch $(OLDEST)/.ready
