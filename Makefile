# Two commands matter: `make demo` and `make test`. Everything else is for people who change the code.
# SPDX-License-Identifier: Apache-2.0
SHELL := /bin/bash
unexport PYTHONDONTWRITEBYTECODE
PY := .venv/bin/python
HV := .venv/bin/healthvision
TEST_WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev services demo test test-long check format openapi evaluate bench-archive clean web web-api web-check web-dev

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: ## Make .venv with the locked dependencies
	@bash scripts/bootstrap.sh core

setup-dev: ## The same with the tools of developers
	@bash scripts/bootstrap.sh dev

services: ## Install the Debian packages the tests use (only as root)
	@bash scripts/test_services.sh

demo: setup ## Set up and show it: ONCE=1 ends after the table, SEED=n, DATA=<folder or file>, PORT=n
	@$(HV) demo $(if $(ONCE),--once) $(if $(SEED),--seed $(SEED)) $(if $(DATA),--data '$(DATA)') $(if $(PORT),--port $(PORT))

test: setup-dev services ## Set up and run all tests but the long ones (under 15 minutes on 2 cores)
	@$(PY) -m pytest -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder -m "not long" -q

test-long: setup-dev services ## The long tests (under 45 minutes)
	@$(PY) -m pytest -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder -m "long" -q

web: setup ## Build the web interface anew (setup does it when its sources changed)
	@$(PY) scripts/web_build.py build --force

web-api: setup ## Make the interface's client from docs/reference/openapi.json
	@$(PY) scripts/web_build.py run api

web-dev: setup ## Vite on 5173 in front of the API of HV_DEV_SERVER (default port 8080)
	@$(PY) scripts/web_build.py run dev

web-check: setup ## tsc, ESLint, drift of the generated client
	@$(PY) scripts/web_build.py check --soft

check: setup-dev ## ruff, mypy --strict, import contracts, tsc, ESLint, OpenAPI drift (under 60 s)
	@.venv/bin/ruff check src tests scripts
	@.venv/bin/ruff format --check -q src tests scripts
	@.venv/bin/mypy src tests
	@.venv/bin/lint-imports --no-logo 2>/dev/null || .venv/bin/lint-imports
	@$(PY) -m pytest -q tests/test_architecture.py tests/app/test_openapi.py -p no:cacheprovider
	@$(PY) scripts/web_build.py check --soft

format: setup-dev ## Format the code
	@.venv/bin/ruff check --fix -q src tests scripts; .venv/bin/ruff format src tests scripts

openapi: setup-dev ## Write docs/reference: OpenAPI, settings, problems
	@$(HV) reference docs/reference

evaluate: setup ## Repeat the measurements behind an evidence record: APP=lung-ct (default), brain-mri, chest-xray
	@case "$(or $(APP),lung-ct)" in \
	  lung-ct) $(PY) scripts/evaluate_lung_ct.py 6 ;; \
	  brain-mri) $(PY) scripts/evaluate_brain_mri.py 8 ;; \
	  chest-xray) $(PY) scripts/evaluate_chest_xray.py ;; \
	  *) echo "evaluate: APP is lung-ct, brain-mri or chest-xray" >&2; exit 2 ;; \
	esac

bench-archive: setup-dev ## Our archive and Orthanc side by side (root; some 20 minutes)
	@$(PY) scripts/bench_archive.py

clean: ## Remove what make made
	rm -rf web/node_modules src/healthvision/interfaces/web/static .venv .uv .cache .pytest_cache .ruff_cache .hypothesis demo-data
