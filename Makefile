# Lakehouse Workbench: `make` alone says what there is. GNU make 3.81 and a POSIX shell are enough.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.NOTPARALLEL:
.SUFFIXES:

BIN       := .venv/bin
DEMO_LAKE ?= .lake/demo
SMOKES    := d1 d2 d3 d4 d5 d6 g1 g1p g2
PIP       := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input

# A folder that was moved or copied has an environment whose scripts point to the old place: make it anew.
MOVED := $(shell test -L .venv || test ! -f .venv/.place || test "$$(cat .venv/.place)" = "$(CURDIR)" || echo yes)

TARGETS := help demo lab test lint fmt notebooks bench doctor verify smoke install-hooks
.PHONY: $(TARGETS) $(SMOKES)

UNKNOWN := $(if $(filter smoke,$(MAKECMDGOALS)),$(filter-out $(TARGETS) $(SMOKES),$(MAKECMDGOALS)))
$(if $(UNKNOWN),$(error No smoke is named $(UNKNOWN). There are: $(SMOKES)))

help: ## this list
	@echo "Lakehouse Workbench. The environment is .venv; every target makes it when it is missing."
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r name text; do \
		printf '  make %-14s %s\n' "$$name" "$$text"; done
	@echo "More words for a command: make test ARGS='-k ingest -x'"

demo: .venv/.runtime ## a lake of 20,000 workers (WORKERS=n): CSV, tables, SQL, search; in .lake/demo, never in yours
	@env -u LH_LAKE $(BIN)/lh demo --lake '$(DEMO_LAKE)' $(if $(WORKERS),--workers $(WORKERS)) $(ARGS)

test: .venv/.dev ## all tests
	@$(BIN)/python -m pytest $(or $(ARGS),-n auto --dist worksteal)

lint: .venv/.dev ## style, types, layers
	@failed=; for tool in 'ruff check .' 'ruff format --check .' 'mypy' 'lint-imports --no-logo'; do \
		$(BIN)/$$tool || failed="$$failed, $$tool"; done; \
	[ -z "$$failed" ] || { echo "failed: $${failed#, }" >&2; exit 1; }

fmt: .venv/.dev ## put the style right
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lab: .venv/.notebook ## JupyterLab on the demo lake, open at the tour
	@test -d '$(DEMO_LAKE)' || env -u LH_LAKE $(BIN)/lh demo --lake '$(DEMO_LAKE)' >/dev/null
	@LH_LAKE="$${LH_LAKE:-$(CURDIR)/$(DEMO_LAKE)}" $(BIN)/jupyter lab $(or $(ARGS),notebooks/tour.ipynb)

notebooks: .venv/.dev ## run every notebook from top to bottom, each in a kernel of its own
	@mkdir -p .lake/notebooks && failed=; for notebook in notebooks/*.ipynb; do \
		$(BIN)/lh run "$$notebook" --out ".lake/notebooks/$${notebook##*/}" --no-keep $(ARGS) || failed="$$failed $$notebook"; done; \
	[ -z "$$failed" ] || { echo "failed:$$failed" >&2; exit 1; }

bench: .venv/.bench ## every benchmark, in its quick form
	@set -- benchmarks/[!_]*.py; if [ ! -e "$$1" ]; then echo "no benchmarks yet"; exit 0; fi; failed=; \
	for script; do echo "== $$script"; $(BIN)/python "$$script" --quick $(ARGS) || failed="$$failed $$script"; done; \
	[ -z "$$failed" ] || { echo "failed:$$failed" >&2; exit 1; }

doctor: .venv/.runtime ## what is missing on this machine, and the command that mends it
	@$(BIN)/lh doctor $(ARGS)

verify: lint test smoke ## lint, tests and all smokes: what `git push` waits for

smoke: .venv/.dev ## all gates of the predecessors by name, or the named ones: make smoke d2
	@$(BIN)/lh smoke $(filter $(SMOKES),$(MAKECMDGOALS)) $(ARGS)

$(SMOKES):
	@$(if $(filter smoke,$(MAKECMDGOALS)),:,echo "make smoke $@" >&2; exit 2)

install-hooks: ## let `git push` wait for `make verify`
	@hooks=$$(git rev-parse --git-path hooks) && hook="$$hooks/pre-push" && mkdir -p "$$hooks" || exit 1; \
	if [ -e "$$hook" ] && ! grep -q 'make install-hooks' "$$hook"; then \
		echo "$$hook is there already and is not ours: add the line 'make verify' to it." >&2; exit 1; fi; \
	printf '%s\n' '#!/bin/sh' '# Written by make install-hooks. Skip it once with: git push --no-verify' \
		'cd "$$(git rev-parse --show-toplevel)" || exit 1' \
		'grep -q "^verify:" Makefile 2>/dev/null || exit 0' \
		'unset $$(git rev-parse --local-env-vars)' \
		'exec make verify </dev/null' > "$$hook" && chmod +x "$$hook" && echo "$$hook runs make verify"

# --- the environment -------------------------------------------------------------------------------------------------

ifeq ($(MOVED),yes)
.PHONY: $(BIN)/python
endif

# The first of the tested versions that can make environments, else any newer one.
$(BIN)/python:
	@c++ --version >/dev/null 2>&1 || g++ --version >/dev/null 2>&1 || clang++ --version >/dev/null 2>&1 || \
		case $$(uname) in \
		Darwin) echo "No C++ compiler (the vector index will need one): xcode-select --install" >&2 ;; \
		*) echo "No C++ compiler (the vector index will need one): apt-get install g++" >&2 ;; esac
	@found=; bare=; for top in 14 99; do for python in $(PYTHON) python3 python3.13 python3.12 python3.11 python3.14; do \
		"$$python" -c "import sys; sys.exit(not (3, 11) <= sys.version_info < (3, $$top))" 2>/dev/null || continue; \
		if "$$python" -c 'import ensurepip, venv' 2>/dev/null; then found=$$python; break 2; fi; \
		bare=$${bare:-$$python}; done; done; \
	if [ -z "$$found" ] && [ -n "$$bare" ]; then \
		version=$$("$$bare" -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
		echo "$$bare cannot make environments: apt-get install python$$version-venv" >&2; exit 1; fi; \
	if [ -z "$$found" ]; then \
		echo "No Python 3.11 or newer on the path. Install one, or name it: make PYTHON=/path/to/python3.12" >&2; exit 1; fi; \
	"$$found" -m venv --clear .venv

# What builds this project is in .venv too, at an exact version: a renewal needs the network only for what is new.
REQUIREMENTS := import sys, tomllib; project = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
	print(*project["dependencies"], *(line for extra in sys.argv[1:] for line in project["optional-dependencies"][extra]), sep="\n")

# $(1) what it is called, $(2) extras, $(3) more for pip
define install
@start=$$(date +%s); printf 'Installing %s into .venv ... ' '$(1)'; \
	if { $(PIP) install -c constraints.txt pip setuptools && \
		$(BIN)/python -c '$(REQUIREMENTS)' $(2) > .venv/requirements.txt && \
		$(PIP) install -c constraints.txt -r .venv/requirements.txt $(3) && \
		$(PIP) install --no-build-isolation --no-deps -e .; } >.venv/install.log 2>&1; \
	then echo "$$(( $$(date +%s) - start )) s"; echo '$(CURDIR)' > .venv/.place; touch $@; \
	else echo failed; { cat .venv/install.log; $(BIN)/python --version; echo 'Tested are Python 3.11 to 3.13.'; } >&2; exit 1; fi
endef

.venv/.runtime: $(BIN)/python pyproject.toml constraints.txt
	$(call install,the workbench)

.venv/.notebook: .venv/.runtime
	$(call install,JupyterLab,notebook plot)

.venv/.dev: .venv/.runtime
	$(call install,the tools for tests,s3 excel notebook plot,--group dev)

# Search engines to compare with: large, so nothing but `make bench` asks for them.
.venv/.bench: .venv/.dev
	$(call install,the engines to compare with,s3 excel notebook plot,--group dev --group bench)
