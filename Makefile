# Every target works alone on a machine that has Python 3.11+, git and make: it first installs into .venv what it needs.
# Another interpreter: make PYTHON=python3.12 demo

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= demo

# The stamp carries what was installed in its name, so that a file that merely looks newer installs nothing again.
STAMP := $(VENV)/installed-$(shell cat pyproject.toml constraints.txt | cksum | cut -d ' ' -f 1)

.PHONY: help demo test coverage check format docs build pins install clean

help:
	@echo 'make demo     the whole flow on the embedded benchmark and judges, into $(OUT)/'
	@echo 'make test     the test suite'
	@echo 'make coverage how often 95 % intervals cover the truth, on simulated data; ten minutes; writes docs/coverage.md'
	@echo 'make check    lint, format, types, generated docs: what must be clean before a commit'
	@echo 'make format   mend what can be mended by itself'
	@echo 'make docs     write docs/cli.md anew'
	@echo 'make build    wheel and source archive, into dist/'
	@echo 'make pins     add new dependencies to constraints.txt'
	@echo 'make install  only install, into $(VENV)/'
	@echo 'make clean    remove $(VENV)/, caches and builds'

demo: $(STAMP)
	$(BIN)/alignbench demo --out $(OUT)

# A process a core, each with one thread: more would only wait for one another. A file stays in one process, which
# makes the models of its fixtures once; in the order of names the longest do not come last.
test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

coverage: $(STAMP)
	$(BIN)/python benchmarks/coverage.py --jobs 2 --write docs/coverage.md

check: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m alignbench.cli.reference --check docs/cli.md

format: $(STAMP)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(STAMP)
	$(BIN)/python -m alignbench.cli.reference docs/cli.md

build: $(STAMP)
	rm -rf dist
	$(BIN)/python -m build --no-isolation

# Without markers: a constraint binds only what is installed anyway.
pins: $(STAMP)
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 \
	  --constraints constraints.txt --no-annotate --no-header --quiet --output-file $(VENV)/pins.txt
	{ head -n 1 constraints.txt; \
	  { sed 's/ *;.*//' $(VENV)/pins.txt; grep '^uv==' constraints.txt; } | LC_ALL=C sort -u; } > $(VENV)/pins.new
	mv $(VENV)/pins.new constraints.txt

install: $(STAMP)

$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'alignbench needs Python 3.11 or newer; say which: make PYTHON=python3.12 ...' >&2; exit 2; }
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraints constraints.txt --editable '.[all,dev]'
	@rm -f $(VENV)/installed-*
	@touch $@

clean:
	rm -rf $(VENV) dist build .mypy_cache .pytest_cache .ruff_cache .hypothesis
