# Every target builds .venv by itself, and again when pyproject.toml changes. ARGS goes to the program behind the target.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo test check bench soak
help:
	@echo 'make demo | test | check | bench | soak     [ARGS=...]'
	@echo '  test ARGS=tests/crypto    runs one folder'

.venv/.stamp: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

demo: .venv/.stamp
	@$(BIN)/foedus demo $(ARGS)

# loadfile keeps a file's tests in one process: its node is started once. Real nodes are started a hundred times:
# where the environment forbids compiled modules, each start would compile all of them.
test: export PYTHONDONTWRITEBYTECODE =
test: .venv/.stamp
	$(BIN)/pytest -n 2 --dist loadfile $(or $(ARGS),tests)

check: .venv/.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/.stamp
	@$(BIN)/python -m bench $(ARGS)

# The hang guard of the short tests would end these.
soak: .venv/.stamp
	$(BIN)/pytest -m soak -o faulthandler_timeout=0 $(or $(ARGS),tests)
	$(BIN)/python -m bench --soak
