.PHONY: check test lint types contracts
PYTHON ?= python

check: lint types contracts test

test:
	$(PYTHON) -m pytest -q

lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m oomdoc rules check

types:
	$(PYTHON) -m mypy

contracts:
	lint-imports
