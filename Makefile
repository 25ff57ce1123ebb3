# Everything a developer runs. `make demo` and `make test` set up by themselves.

# A distribution's Python is built with profile-guided optimisation; one built by hand often is not (measured: 1.6 times slower).
PYTHON ?= $(shell /usr/bin/python3 -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo /usr/bin/python3 || echo python3)
VENV := .venv
BIN := $(VENV)/bin

.PHONY: setup
setup: $(VENV)/.ready

# An environment that is there and works is kept, whichever Python it was made with.
$(VENV)/.ready: requirements.lock pyproject.toml chaos/pyproject.toml
	$(BIN)/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . -e chaos
	touch $@

.PHONY: demo
demo: setup
	$(BIN)/lbmesh dev demo

# All tests, or those that ARGS names. One that needs root or a program that is not there is skipped, and says so; .ci/run
# allows no skip. What only computes is spread over the cores. What runs processes waits most of the time (it uses a third of
# a core), so that two at a time are in nobody's way; those marked `alone` come after them, one by one.
COMPUTING_TESTS := tests/unit tests/conformance tests/fuzz tests/sim tests/chaos
PROCESS_TESTS := $(COMPUTING_TESTS:%=--ignore=%)
.PHONY: test
test: setup
ifdef ARGS
	$(BIN)/pytest $(ARGS)
else
	$(BIN)/pytest --numprocesses auto --dist worksteal $(COMPUTING_TESTS)
	$(BIN)/pytest --numprocesses 2 --dist worksteal -m "not alone" $(PROCESS_TESTS)
	$(BIN)/pytest -m alone $(PROCESS_TESTS)
endif

# The chaos lab with real namespaces, as root, and the drills' load: on a quiet machine, for the load's clients must not starve.
.PHONY: test-lab
test-lab: setup
	$(BIN)/pytest tests/lab $(ARGS)

# The data path compiled with mypyc (setup.py), in a copy of the tree: a minute.
.PHONY: compiled
compiled: build/compiled/.ready

build/compiled/.ready: $(VENV)/.ready setup.py pyproject.toml $(shell find lbmesh -name '*.py')
	rm -rf build/compiled && mkdir -p build/compiled
	cp -r lbmesh tests config deploy docs pyproject.toml setup.py README.md Makefile build/compiled
	cd build/compiled && LBMESH_COMPILE=1 ../../$(BIN)/python setup.py --quiet build_ext --inplace
	touch $@

# What a request passes through, tested in its compiled form. The plain form is what `make test` tests.
.PHONY: test-compiled
test-compiled: compiled
	rm -rf build/compiled/tests && cp -r tests build/compiled
	cd build/compiled && ../../$(BIN)/python -c 'from lbmesh.observe.build import IS_COMPILED; assert IS_COMPILED'
	cd build/compiled && PYTHONPATH=. ../../$(BIN)/pytest $(if $(ARGS),$(ARGS),$(DATA_PATH_TESTS))

DATA_PATH_TESTS := tests/conformance tests/fuzz/test_lanes_agree.py $(wildcard tests/integration/test_forwarder_*.py) \
	$(wildcard tests/integration/test_tls_*.py)

# What to run before each commit: seconds.
.PHONY: check
check: lint
	$(BIN)/pytest --quiet tests/unit

# Style, types, and which room may import which.
.PHONY: lint
lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Property tests with many more examples: minutes to hours. For example: make fuzz ARGS="tests/fuzz -k heads"
.PHONY: fuzz
fuzz: ARGS ?= tests/fuzz
fuzz: setup
	LBMESH_HYPOTHESIS=fuzz $(BIN)/pytest $(ARGS)

# The same laws under atheris, led by coverage, until stopped; the corpus stays in build/atheris for the next time.
# For example: make fuzz-atheris ARGS="-max_total_time=600"
.PHONY: fuzz-atheris
fuzz-atheris: $(VENV)/.ready-fuzz
	PYTHONPATH=. $(BIN)/python tests/fuzz/atheris_lanes.py build/atheris $(ARGS)

$(VENV)/.ready-fuzz: $(VENV)/.ready requirements-fuzz.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-fuzz.lock
	touch $@

# Ambiguous requests through lbmesh to real servers from PyPI: all that are written down, then random ones.
# For example: make smuggling ARGS="--minutes 60 --only waitress,granian --seed 7"
.PHONY: smuggling
smuggling: $(VENV)/.ready-origins
	$(BIN)/python -m tests.smuggling $(ARGS)

# The servers alone; with them `make test` has nothing to skip in tests/smuggling.
.PHONY: setup-origins
setup-origins: $(VENV)/.ready-origins

$(VENV)/.ready-origins: $(VENV)/.ready requirements-origins.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-origins.lock
	touch $@

# slowhttptest (apt-get install slowhttptest) in all its modes while honest clients come and go.
# For example: make slow ARGS="--connections 5000 --seconds 60"
.PHONY: slow
slow: setup
	$(BIN)/python -m tests.slow $(ARGS)

# Mixed traffic on a node under reloads and dying replicas; memory, descriptors and counters must be flat at the end.
# For example: make soak ARGS="--minutes 240"
.PHONY: soak
soak: setup
	$(BIN)/python -m tests.soak $(ARGS)

# One random schedule of faults on simulated planes. Any seed replays exactly: make sim SEED=42
.PHONY: sim
sim: setup
	$(BIN)/python -m tests.sim run $(if $(SEED),--seed $(SEED)) $(ARGS)

# A simulated day at 9 nodes, 100 and 1000 nodes, and the Lifeguard grid: hours of processor time.
.PHONY: sim-long
sim-long: setup
	$(BIN)/python -m tests.sim long $(ARGS)

# What the mesh must reach, measured on simulated time. For example: make sim-marks ARGS="--quick --only traffic"
.PHONY: sim-marks
sim-marks: setup
	$(BIN)/python -m tests.sim marks $(ARGS)

# Takes the safeguards out one by one; each time a test must fail.
.PHONY: sim-mutants
sim-mutants: setup
	$(BIN)/python -m tests.sim mutants $(ARGS)

# All parts, 20 to 25 minutes; or one by its name: make bench ARGS="overload --quick --only lbmesh,haproxy"
.PHONY: bench
bench: $(VENV)/.ready-bench compiled
	$(BIN)/python -m tests.bench $(ARGS)

# As root; serf is skipped unless it is installed (apt-get install serf nftables). For example:
# make bench-gossip ARGS="--quick --only lbmesh"
.PHONY: bench-gossip
bench-gossip: setup
	$(BIN)/python -m tests.bench gossip $(ARGS)

# How soon a dead node is gone at its backups, with the forwarders saturated: 15 to 20 minutes, wrk and nginx needed.
.PHONY: bench-gone
bench-gone: setup
	$(BIN)/python -m tests.bench gone $(ARGS)

# Queries a second of one core, beside BIND: a minute; dnsperf and bind9 needed.
.PHONY: bench-dns
bench-dns: setup
	$(BIN)/python -m tests.bench.nameserver $(ARGS)

# How soon a dead node's front is led elsewhere by EC2's API, which is moto's server, well, slow, failing and lying: three
# minutes. For example: make bench-ec2 ARGS="--rounds 1 --only killed"
.PHONY: bench-ec2
bench-ec2: setup
	$(BIN)/python -m tests.bench.ec2 $(ARGS)

# Fronts on one L2, as root: 30 nodes killed, 30 silent, 10 frozen, 10 cut one way, 20 minutes; kept round by round in
# build/bench-failover.jsonl, with which the next call goes on. Others beside it: make bench-failover ARGS="--systems
# keepalived keepalived-100ms --share 0.2" (keepalived and haproxy needed).
.PHONY: bench-failover
bench-failover: ARGS ?= --systems lbmesh
bench-failover: setup
	$(BIN)/python -m tests.bench.vip series $(ARGS)

# What callers of lbmesh.client notice when a balancer dies, freezes, is cut off or leaves: at three processes in their
# stead and at three real nodes, as root, 10 minutes; and how often they ask twice when nothing is wrong (simulated).
.PHONY: bench-client
bench-client: setup
	$(BIN)/python -m tests.bench.client_hedges
	$(BIN)/python -m tests.bench.client_failover
	$(BIN)/python -m tests.bench.client_losses $(ARGS)
	$(BIN)/python -m tests.bench.client_losses --real $(ARGS)

# Where Envoy or py-spy has no wheel the benchmark says so, and goes on without it.
$(VENV)/.ready-bench: $(VENV)/.ready requirements-bench.lock
	-$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.lock
	touch $@

# A fault a minute, drawn by the seed, until 3 million requests went through lbmesh.client: two hours, as root. It can be
# ended with Ctrl-C at any time, and goes on when started again. For example: make six-nines ARGS="--seed 7 --faults 5"
.PHONY: six-nines
six-nines: setup
	$(BIN)/python -m lbmesh_chaos.drill.endurance build/six-nines $(ARGS)

# Every chaos drill, as root: 8 to 9 minutes. Pages, figures and their table come into
# build/drills. For example: make drills ARGS="chaos/experiments/kill-*.yaml"
.PHONY: drills
drills: ARGS ?= chaos/experiments/*.yaml
drills: setup
	$(BIN)/python -m lbmesh_chaos.drill.suite build/drills $(ARGS)
