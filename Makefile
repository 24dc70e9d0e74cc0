# The commands that people and CI run. `make run` needs nothing but a Python 3.11 to 3.14.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
JOBS ?= 2
FOR ?=
ARGS ?=
IMAGE ?= truebook:dev
# What brings images to the nodes of the cluster that kubectl talks to, such as `kind load docker-image`; empty: they pull.
LOAD ?=
SEEDS ?= 50
FIRST ?= 1
ONLY ?=

.PHONY: run test unit lint format bench bench-kafka chaos prove models asyncapi lock image up down k8s clean

run: $(VENV)/.core
	$(BIN)/truebook run $(if $(FOR),--for $(FOR)) $(ARGS)

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

unit: $(VENV)/.dev
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile tests/unit tests/schema tests/architecture $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Each bug of docs/predecessor-failures.md, put back into a copy of the code, must be found by the tests.
prove: $(VENV)/.dev
	$(BIN)/python tests/known_bugs/prove.py $(ARGS)

# Whole runs under a virtual clock, with faults: docs/testing.md. `make chaos SEEDS=1 FIRST=1234` runs one seed again.
chaos: $(VENV)/.dev
	PYTHONPATH=tests $(BIN)/python -m chaos --seeds $(SEEDS) --first $(FIRST) --jobs $(JOBS)

# Ours beside the bare libraries, as ratios; rewrites the table in docs/performance.md. `make bench ONLY=book,policy`.
bench: $(VENV)/.dev
	ONLY="$(ONLY)" $(BIN)/python -m bench

# The same over Kafka, every service a process, against a bare pipeline of processes in the same run: about seven minutes,
# and a Docker engine. `make bench-kafka ONLY=ingest,path,image,codecs` runs some parts.
bench-kafka: $(VENV)/.dev
	ONLY="$(ONLY)" IMAGE="$(IMAGE)" $(BIN)/python -m bench.kafka

models: $(VENV)/.dev
	$(BIN)/python deploy/models/build.py

# Writes docs/asyncapi.yaml: the topics and their messages, for other programs.
asyncapi: $(VENV)/.dev
	$(BIN)/python deploy/asyncapi.py

REVISION = $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
image:
	docker build --file deploy/Dockerfile --tag $(IMAGE) --build-arg REVISION=$(REVISION) .

# As separate processes over Kafka and Redis, on this machine. `down` keeps what is stored; `docker compose down -v` does not.
up: image
	TRUEBOOK_IMAGE=$(IMAGE) docker compose up --detach --wait --wait-timeout 180
	docker compose ps

down:
	docker compose down

# The same in the cluster that kubectl talks to: applied, then every part of it is killed in turn, a new build is rolled
# out, and the books are compared. The namespace `truebook` stays; `kubectl delete namespace truebook` removes it.
k8s: image $(VENV)/.dev
	docker build --quiet --file deploy/Dockerfile --tag $(IMAGE)-next --build-arg REVISION=$(REVISION)-next .
	$(if $(LOAD),$(LOAD) $(IMAGE) $(IMAGE)-next redis:8.0 apache/kafka:4.3.1)
	kubectl apply -k deploy/k8s/overlays/local
	TRUEBOOK_TEST_KUBERNETES=$(IMAGE)-next $(BIN)/python -m pytest -n 0 -x -s tests/integration/deploy/test_kubernetes_drill.py $(ARGS)

# The marks say what a virtual environment holds; a changed lock file sets it up again.
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

lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header pyproject.toml -o requirements/core.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --extra dev pyproject.toml -o requirements/dev.txt

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
