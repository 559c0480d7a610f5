# Two commands on a fresh machine: `make run` and `make test`. Windows: see README.md.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What `make test` installs beside the program: its tools, and the extras whose tests would skip.
TEST_EXTRAS ?= dev,postgres,executorch

.PHONY: run test check long clean

run: $(VENV)/.run
	$(BIN)/python -m search.run --study kd_lora_q

test: $(VENV)/.test check
	$(BIN)/python -m pytest -m "not long" -n 2 --dist loadfile

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The tests that train, kill and resume at length; run before an issue is called resolved.
long: $(VENV)/.test
	$(BIN)/python -m pytest -m long

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=…")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml | $(VENV)/bin/python
	@echo "Installing into $(VENV): a few minutes and about 6 GB, once."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/python
	@echo "Installing into $(VENV): a few minutes and about 7 GB, once."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[$(TEST_EXTRAS)]"
	@touch $(VENV)/.run $@

clean:
	rm -rf $(VENV)
