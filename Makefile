# The commands that people and CI use. `make run` needs only Python 3.11 to 3.14.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
JOBS ?= 2
FOR ?=
ARGS ?=
IMAGE ?= truebook:dev
# Loads images onto the nodes of kubectl's cluster, for example `kind load docker-image`; empty: the nodes pull them.
LOAD ?=
SEEDS ?= 50
FIRST ?= 1
ONLY ?=

.PHONY: run test unit lint lint-quick format coverage mutate docs picture bench bench-kafka strategies chaos soak prove models asyncapi openapi reference spec-drift fuzz clients lock image up down k8s clean

run: $(VENV)/.core
	$(BIN)/truebook run $(if $(FOR),--for $(FOR)) $(ARGS)

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

unit: $(VENV)/.dev
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile tests/unit tests/schema tests/architecture $(ARGS)

lint: lint-quick
	$(BIN)/mypy
	$(BIN)/lint-imports

# What takes seconds: format, ruff, spelling, dead code.
lint-quick: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell
	$(BIN)/vulture

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Branch coverage of the packages that handle money; fails below the limit in pyproject.toml. docs/testing.md has the results.
MONEY_TESTS = $(wildcard $(addprefix tests/unit/,ledger book simulation execution fill_listener reconciler paper_exchange) \
	$(addprefix tests/integration/,ledger execution fill_listener)) \
	tests/chaos/test_chaos_seeds.py::test_a_whole_run_passes_with_orders_and_faults
coverage: $(VENV)/.dev
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --cov --cov-report=term:skip-covered $(MONEY_TESTS) $(ARGS)

# Changes one expression at a time and runs the tests of the changed function: docs/testing.md. Long; run it niced.
mutate: $(VENV)/.mutate
	VENV=$(VENV) JOBS=$(JOBS) ci/mutate.sh $(ARGS)

# The documentation site, into build/site; a warning is an error.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# Draws docs/images/summary.svg from a real run.
picture: $(VENV)/.core
	$(BIN)/python deploy/picture.py

# Puts each bug of docs/predecessor-failures.md into a copy of the code; the tests must find it.
prove: $(VENV)/.dev
	$(BIN)/python tests/known_bugs/prove.py $(ARGS)

# Whole runs in virtual time, with faults: docs/testing.md. `make chaos SEEDS=1 FIRST=1234` repeats one seed.
chaos: $(VENV)/.dev
	PYTHONPATH=tests $(BIN)/python -m chaos --seeds $(SEEDS) --first $(FIRST) --jobs $(JOBS)

# Compares with the bare libraries and rewrites the table in docs/performance.md. `make bench ONLY=book,policy`.
bench: $(VENV)/.dev
	ONLY="$(ONLY)" $(BIN)/python -m bench

# The same over Kafka, one process per service, against a bare pipeline in the same run. Takes seven minutes and needs a
# Docker engine. `make bench-kafka ONLY=ingest,path,image,codecs` runs some parts.
bench-kafka: $(VENV)/.dev
	ONLY="$(ONLY)" IMAGE="$(IMAGE)" $(BIN)/python -m bench.kafka

# Simple strategies on synthetic markets: the table in docs/synthetic.md. `make strategies COUNT=500 PRESET=gold15m`.
COUNT ?= 500
PRESET ?= gold15m
strategies: $(VENV)/.dev
	$(BIN)/python -m bench.strategies --seeds $(COUNT) --preset $(PRESET) --jobs $(JOBS) --write $(ARGS)

# Simulated hours of trading on fifty markets: sizes on disk and in memory over time, within their bounds.
HOURS ?= 24
soak: $(VENV)/.dev
	PYTHONPATH=tests $(BIN)/python -m soak --hours $(HOURS)

models: $(VENV)/.dev
	$(BIN)/python deploy/models/build.py

# Writes docs/asyncapi.yaml: topics and message schemas.
asyncapi: $(VENV)/.dev
	$(BIN)/python deploy/asyncapi.py

# Writes docs/exchange-openapi.yaml, the REST API of the simulated exchange, from the code.
openapi: $(VENV)/.dev
	$(BIN)/python deploy/openapi.py

# Writes docs/reference: settings, metrics, reasons, trading holds and the command line, from the code.
reference: $(VENV)/.dev
	$(BIN)/python deploy/reference.py

# Compares the simulated exchange with the newest clients of the real one: tests/spec_drift. Needs the package index.
spec-drift: $(VENV)/.dev
	PYTHONPATH=tests $(BIN)/python -m spec_drift $(ARGS)

# A million random requests and stream commands to the simulated exchange; `make test` sends 20,000.
FUZZ ?= 1000000
fuzz: $(VENV)/.dev
	TRUEBOOK_TEST_FUZZ=$(FUZZ) $(BIN)/python -m pytest -n $(JOBS) tests/integration/paper_exchange/test_paper_fuzz.py $(ARGS)

# The pinned clients of other people, beside the project, and the tests that drive the simulated exchange with them.
build/clients: requirements/clients.txt
	rm -rf $@
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --target $@ -r $<

clients: $(VENV)/.dev build/clients
	PYTHONPATH=build/clients $(BIN)/python -m pytest -n $(JOBS) $(wildcard tests/integration/paper_exchange/test_*_client.py) $(ARGS)

REVISION = $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
image:
	docker build --file deploy/Dockerfile --tag $(IMAGE) --build-arg REVISION=$(REVISION) .

# One process per service over Kafka and Redis, on this machine. `down` keeps the data; `docker compose down -v` removes it.
up: image
	TRUEBOOK_IMAGE=$(IMAGE) docker compose up --detach --wait --wait-timeout 180
	docker compose ps

down:
	docker compose down

# The same in kubectl's cluster: kills each service in turn, rolls out a new build, compares ledger and exchange. Keeps the
# namespace; `kubectl delete namespace truebook` removes it.
k8s: image $(VENV)/.dev
	docker build --quiet --file deploy/Dockerfile --tag $(IMAGE)-next --build-arg REVISION=$(REVISION)-next .
	$(if $(LOAD),$(LOAD) $(IMAGE) $(IMAGE)-next redis:8.0 apache/kafka:4.3.1)
	kubectl apply -k deploy/k8s/overlays/local
	TRUEBOOK_TEST_KUBERNETES=$(IMAGE)-next $(BIN)/python -m pytest -n 0 -x -s tests/integration/deploy/test_kubernetes_drill.py $(ARGS)

# Marker files of what a virtual environment contains; a changed lock file updates it.
$(VENV)/.core: requirements/core.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/core.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@ $(VENV)/.core

$(VENV)/.docs $(VENV)/.mutate: $(VENV)/.%: requirements/%.txt $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

# Needs `uv`. Pins what is new in pyproject.toml and keeps the other versions; delete a lock file first to upgrade all.
COMPILE = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header
lock:
	$(COMPILE) pyproject.toml -o requirements/core.txt
	$(COMPILE) --extra dev pyproject.toml -o requirements/dev.txt
	$(COMPILE) --extra docs --constraint requirements/dev.txt pyproject.toml -o requirements/docs.txt
	$(COMPILE) --extra mutate --constraint requirements/dev.txt pyproject.toml -o requirements/mutate.txt

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage mutants dist build
