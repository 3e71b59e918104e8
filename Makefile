# Every target builds .venv by itself, and again when pyproject.toml changes. ARGS goes to the program behind the target.
PYTHON ?= python3
BIN := .venv/bin

# What the page is built of.
PAGE := hatch_build.py $(filter-out ui/node_modules,$(wildcard ui/*)) $(shell find ui/src ui/public -type f 2>/dev/null)
BUILT := src/foedus/surfaces/web/files/index.html

.PHONY: help demo test check bench soak page
help:
	@echo 'make demo | test | check | bench | soak | page     [ARGS=...]'
	@echo '  test ARGS=tests/crypto    runs one folder'
	@echo '  demo ARGS=--keep          stays up, and signs you in at its pages'

.venv/.stamp: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@FOEDUS_SKIP_UI=1 $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

# An editable installation serves what is built here, in the checkout.
page: $(BUILT)
$(BUILT): .venv/.stamp $(PAGE)
	@$(BIN)/python hatch_build.py

demo: .venv/.stamp $(BUILT)
	@$(BIN)/foedus demo $(ARGS)

# loadfile keeps a file's tests in one process: its node is started once. Real nodes are started a hundred times:
# where the environment forbids compiled modules, each start would compile all of them. Homes are made in memory where
# there is room, as no test cuts the power: there, writes are as safe from a process that is killed as on a disk.
test: export PYTHONDONTWRITEBYTECODE =
test: export TMPDIR := $(or $(shell df -Pm /dev/shm 2>/dev/null | awk 'NR == 2 && $$4 > 2000 { print $$6 }'),$(TMPDIR),/tmp)
test: .venv/.stamp $(BUILT)
	$(BIN)/pytest -n 2 --dist loadfile $(or $(ARGS),tests)

check: .venv/.stamp $(BUILT)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python hatch_build.py check

bench: .venv/.stamp
	@$(BIN)/python -m bench $(ARGS)

# The hang guard of the short tests would end these.
soak: .venv/.stamp
	$(BIN)/pytest -m soak -o faulthandler_timeout=0 $(or $(ARGS),tests)
	$(BIN)/python -m bench --soak
