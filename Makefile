# The two commands of the README are `make demo` and `make test`; each installs what it needs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export OMP_NUM_THREADS ?= 2

.PHONY: demo test lint types arrows check lock clean

demo: $(VENV)/.runtime
	$(BIN)/nearfar demo --out demo

# Tests of programs in real time, which wait more than they work, run beside all others. One that fails
# is tried once more, since a machine that stalls for seconds fails them too; the log says "rerun".
WAITING := tests/live tests/console tests/pipeline/test_cluster.py tests/pipeline/test_holding.py

test: export OMP_NUM_THREADS := 1
test: $(VENV)/.dev
	@$(BIN)/python -m pytest --durations 15 --reruns 1 $(WAITING) > waiting.log 2>&1 & beside=$$!; \
	$(BIN)/python -m pytest --durations 15 $(WAITING:%=--ignore %); failed=$$?; \
	wait $$beside || failed=$$?; cat waiting.log; rm waiting.log; exit $$failed

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

arrows: $(VENV)/.dev
	$(BIN)/lint-imports

check: lint types arrows test

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# The light runtime: no torch.
$(VENV)/.runtime: requirements/runtime.txt pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --no-compile -r requirements/runtime.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

# Everything: training, tests, linters.
$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	$(BIN)/python -m pip install --quiet -r requirements/dev.txt
	touch $@

# Writes the lock files anew from pyproject.toml.
lock: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --upgrade --strip-extras --no-header --no-annotate --no-emit-index-url \
		--no-emit-find-links --output-file requirements/runtime.txt pyproject.toml
	$(BIN)/pip-compile --quiet --upgrade --strip-extras --no-header --no-annotate --no-emit-index-url \
		--no-emit-find-links --extra train --extra mqtt --extra postgres --extra ray --extra dev --constraint requirements/runtime.txt \
		--constraint requirements/torch.in --output-file requirements/dev.txt pyproject.toml

clean:
	rm -rf $(VENV) demo out
