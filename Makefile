# Everything a developer runs. `make demo` and `make test` set up by themselves.

# A distribution's Python is built with profile-guided optimisation; one built by hand often is not (measured: 1.6 times slower).
PYTHON ?= $(shell /usr/bin/python3 -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo /usr/bin/python3 || echo python3)
VENV := .venv
BIN := $(VENV)/bin

.PHONY: setup
setup: $(VENV)/.ready

$(VENV)/.ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

# For example: make bench ARGS="--quick --only lbmesh,haproxy,envoy"
.PHONY: bench
bench: $(VENV)/.ready-bench
	$(BIN)/python -m bench $(ARGS)

# Where Envoy has no wheel the benchmark says so, and goes on without it.
$(VENV)/.ready-bench: $(VENV)/.ready requirements-bench.lock
	-$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.lock
	touch $@
