# Everything lands in this folder: .venv (Python) and .demo (the local Slack). Delete both to start over.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test bench lock format

demo: $(STAMP)
	@$(BIN)/prompt-redis-bot demo $(ARGS)

test: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder $(ARGS)

bench: $(STAMP)
	@$(BIN)/python -m tests.benchmarks $(ARGS)

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Locks hold hashes and versions; a registry's address is nobody's business but the machine's.
UV_LOCK := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
	--no-annotate --no-header --python-version 3.11
lock:
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(UV_LOCK) $(ARGS) pyproject.toml --output-file requirements.lock
	$(UV_LOCK) $(ARGS) pyproject.toml --extra demo --group dev --output-file requirements-dev.lock

$(STAMP): requirements-dev.lock pyproject.toml
	@echo "Installing into $(VENV) (once) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
