# `make run` starts Pyloto on this machine; `make test` proves that it works. Both need Python 3.11 or newer, no more.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: run test test-conversations test-others lint check smoke smoke-firestore chaos bench

# Ctrl-C ends it in order. ARGS go to `manage.py dev`, for example ARGS="--port 9000".
run: .venv/installed
	@$(BIN)/python -m pyloto.bootstrap
	@exec $(BIN)/python manage.py dev $(ARGS)

# Two at a time, with stores and servers of their own, the longest first: two cores are busy to the end.
test: .venv/installed-dev
	$(MAKE) --no-print-directory -j2 lint test-conversations test-others chaos check smoke smoke-firestore \
	    ARGS="--backend firestore --seconds 75"

# Two halves of about the same length.
test-conversations: .venv/installed-dev
	$(BIN)/python -m pytest -q tests/conversations \
	    --ignore=tests/conversations/simulator --ignore=tests/conversations/whatsapp

test-others: .venv/installed-dev
	$(BIN)/python -m pytest -q --ignore-glob='*/conversations/test_*.py'

lint: .venv/installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

check: export DJANGO_SETTINGS_MODULE = tests.settings
check: .venv/installed-dev
	$(BIN)/python manage.py check --fail-level WARNING
	$(BIN)/python manage.py makemigrations --check --dry-run

smoke: .venv/installed-dev
	$(BIN)/python -m tests.smoke

smoke-firestore: .venv/installed-dev
	DOCUMENTS_BACKEND=firestore $(BIN)/python -m tests.smoke

# Everything breaks, at random, and nothing may be lost: docs/chaos.md. A seed takes some minutes; ARGS="--only B5" is short.
SEEDS ?= 1
chaos: .venv/installed-dev
	$(BIN)/python -m tests.chaos --seeds $(SEEDS) $(ARGS)

# How fast the audit trail is verified. Fails where it takes more than a quarter of the naive way, or memory grows.
bench: export DJANGO_SETTINGS_MODULE = tests.settings
bench: .venv/installed-dev
	$(BIN)/python -m tests.bench

# Installed again only where the requirements changed.
.venv/installed: requirements.txt | .venv
	@echo "Instalando as dependências (só quando mudam)…"
	@$(PIP) -r requirements.txt
	@touch $@

.venv/installed-dev: requirements.txt requirements-dev.txt | .venv
	$(PIP) -r requirements-dev.txt
	@touch .venv/installed $@

.venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "Pyloto needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "Debian and Ubuntu: apt install python3-venv"; exit 1; }
