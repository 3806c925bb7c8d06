# On a fresh machine with only Python 3.11+: `make demo` sets up and runs, `make test` sets up and
# tests; `make test-real` tests with real models, which it downloads once. The same by hand:
#   python3 -m venv .venv && .venv/bin/pip install -e '.[dev]' && .venv/bin/glov demo
PYTHON ?= python3
VENV ?= .venv
# Of two cores three workers keep both busy, since some tests wait for what they started; each takes
# about 2 GB with its processes.
WORKERS ?= 3
BIN := $(VENV)/bin

.PHONY: demo test test-real chromium models lint check ready clean

demo: $(VENV)/.installed
	$(BIN)/glov demo

test: $(VENV)/.installed-dev
	$(BIN)/pytest -n $(WORKERS) --dist worksteal

test-real: $(VENV)/.installed-dev
	$(BIN)/pytest -n 2 --dist loadfile -rs --durations=5 tests/real tests/browser

# The browser that tests/browser opens; without it they are skipped.
chromium:
	@test -x /usr/bin/chromium || test "$$(id -u)" != 0 || ! command -v apt-get >/dev/null || \
		{ apt-get -qq update && apt-get -qq install -y --no-install-recommends chromium >/dev/null; }

# The models that tests/real asks for, in the user's cache.
models: $(VENV)/.installed-dev
	$(BIN)/python tests/support/real_models.py

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test

ready: $(VENV)/.installed-dev

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "glov needs Python 3.11 or later")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -e .
	touch $@

$(VENV)/.installed-dev: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "glov needs Python 3.11 or later")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
