# Every target makes the environment that it needs: a checkout, Python 3.11+ and make are all it takes.

PYTHON ?= python3
TARGET ?= auto
STAGE ?= $(or $(JOBPIPE_STAGE),local)
PY := .venv/bin/python
JOBPIPE := $(PY) -m jobpipe_client.cli
# Parameters of the templates: make deploy-local PARAMETERS="WorkerTimeout=10 LogLevel=DEBUG"
CHECKS := .jobpipe/checks-venv
CLIENTS := .jobpipe/clients
TEMPLATES := build/foundation.json build/operations.json build/api/template.json build/worker/template.json
LINT_REGIONS := us-east-1 eu-central-1 ap-southeast-2
WITH_PARAMETERS = $(foreach each,$(PARAMETERS),--parameter $(each))
UV_COMPILE := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --no-config --quiet

.DEFAULT_GOAL := help
# Every target with a description: none of them makes a file.
.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*\#\# .*/\1/p' $(firstword $(MAKEFILE_LIST)))

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/.installed ## set up, deploy into the embedded emulator, send sample commands, show every outcome
	@$(PY) -m infra.deploy up --stage local --target embedded
	@$(PY) -m scripts.demo --stage local
	@echo 'the stage stays up: go on with README.md, or end it with "make stop"'

test: .venv/.installed ## every test, on the embedded emulator
	@$(PY) -m pytest --numprocesses=4 --dist=loadfile --no-loadscope-reorder --quiet $(PYTEST_ARGS)

test-browser: .venv/.installed .venv/.browser-installed ## the console in a real browser (CHROMIUM=..., PYTEST_ARGS=...)
	@$(need_chromium)
	@$(PY) -m pytest tests/browser --quiet $(PYTEST_ARGS)

test-tutorial: .venv/.installed ## docs/tutorial.md and the recipe of an operation, followed to the letter in copies of the checkout
	@$(PY) -m pytest tests/tutorial --quiet $(PYTEST_ARGS)

test-clients: .venv/.installed $(CLIENTS)-venv/.installed $(CLIENTS)-npm/.installed ## clients that generators make of the contract, each operation used; Redocly, Spectral, Prism
	@$(PY) -m pytest tests/clients --quiet $(PYTEST_ARGS)

screenshots: .venv/.installed .venv/.browser-installed ## the pictures of the console in docs/images, from a stage of their own
	@$(need_chromium)
	@$(PY) -m tests.browser.screenshots

bench: .venv/.installed .venv/.bench-installed ## measure all of it against the alternatives: docs/performance.md (BENCH="--quick ceiling")
	@$(PY) -m tests.bench $(BENCH)

faults: .venv/.installed ## faults beyond those of make test, on all cores (FAULTS="--singles", "--all", "--share 0.1 put")
	@$(PY) -m tests.faults $(FAULTS)

mutants: .venv/.installed ## break the code on purpose, one promise at a time: do the tests notice? (ONLY=...)
	@$(PY) -m tests.mutants $(if $(ONLY),--only "$(ONLY)")

chaos: .venv/.installed ## the long chaos run, some minutes (CHAOS_ARGS="--jobs 3000 --seed 7")
	@$(PY) -m tests.chaos $(CHAOS_ARGS)

simulate: .venv/.bench-installed ## simulate the stage on AWS at 10 to 10,000 jobs/s, and check that on the emulator (docs/scaling.md)
	@$(PY) -m scripts.scaling

deploy-local: .venv/.installed ## deploy into an emulator (TARGET=auto|embedded|localstack)
	@$(call local_only)$(PY) -m infra.deploy up --stage local --target $(TARGET) $(WITH_PARAMETERS)

destroy-local: .venv/.installed ## take that away again, all of it (TARGET=...)
	@$(call local_only)$(PY) -m infra.deploy destroy --stage local --target $(TARGET)

env: .venv/.installed ## a stage's URL and key, for eval "$(make -s env)" (STAGE=...)
	@$(PY) -m infra.deploy env --stage $(STAGE)

localstack: .venv/.installed ## start LocalStack through Docker Compose and wait until it is healthy
	@$(PY) -m infra.local localstack

test-compose: .venv/.installed ## the integration tests in Compose, on a LocalStack of their own; nothing stays up
	@$(PY) -m infra.local test-compose

test-integration: .venv/.installed ## integration and end-to-end tests against what .jobpipe/local.json names
	@JOBPIPE_TEST_STAGE=$(STAGE) $(PY) -m pytest $(wildcard tests/integration tests/e2e) $(PYTEST_ARGS)

deploy: .venv/.installed ## deploy to AWS with your credentials (STAGE=... ALLOW_REPLACEMENT=yes)
	@$(PY) -m infra.deploy up --stage $(STAGE) --target aws $(WITH_PARAMETERS) \
		$(if $(call yes,$(ALLOW_REPLACEMENT)),--allow-replacement)

diff: .venv/.installed ## what a deployment would change, and nothing done (STAGE=...)
	@$(PY) -m infra.deploy diff --stage $(STAGE) $(WITH_PARAMETERS)

destroy: .venv/.installed ## delete a stage on AWS and all its data (STAGE=... CONFIRM=name of the stage)
	@$(PY) -m infra.deploy destroy --stage $(STAGE) --target aws $(call option,--confirm,$(CONFIRM))

grants: .venv/.installed ## what each Lambda may do, and what breaks without it: docs/security-grants.md
	@$(PY) -m tests.iam

calls: .venv/.installed ## count each operation's calls of AWS on the wire, and rewrite tests/calls/calls.json
	@$(PY) -m tests.calls

cost: .venv/.installed ## what a million jobs cost on AWS, from counted calls; the tables of docs/cost.md (JSON=yes)
	@$(PY) -m scripts.cost $(if $(call yes,$(JSON)),--json)

reference: .venv/.installed ## write docs/reference anew: settings, errors, the contract
	@$(PY) -m scripts.reference

package: .venv/.installed ## build both Lambdas' zips and templates into build/
	@$(PY) -m infra.package

lint: .venv/.installed $(CHECKS)/.installed ## ruff; cfn-lint, checkov and AWS's validator on the templates as they are deployed, the last two in each variant
	@$(PY) -m infra.package
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/cfn-lint --regions $(LINT_REGIONS) -t $(TEMPLATES)
	$(CHECKS)/bin/checkov --framework cloudformation --skip-download --compact --quiet -f $(TEMPLATES)
	@$(PY) -m infra.lint_variants
	$(CHECKS)/bin/checkov --framework cloudformation --skip-download --compact --quiet -d build/lint
	$(CHECKS)/bin/python infra/checks/validate_templates.py $(TEMPLATES) build/lint/*.json

audit-dependencies: .venv/.installed $(CHECKS)/.installed ## is anything known against the locked versions?
	@$(PY) -m infra.dependency_audit

types: .venv/.installed ## mypy --strict
	.venv/bin/mypy --strict jobpipe jobpipe_client infra scripts tests
	cd api_lambda && MYPYPATH=.. ../.venv/bin/mypy --strict app.py chalicelib
	cd worker_lambda && MYPYPATH=.. ../.venv/bin/mypy --strict app.py chalicelib

logs: .venv/.installed ## what the Lambdas said, as JSON lines (minutes=10, follow=1, all=1)
	@$(PY) -m infra.logs --stage $(STAGE) $(if $(minutes),--minutes $(minutes)) \
		$(if $(call yes,$(follow)),--follow) $(if $(call yes,$(all)),--all)

# The browser is the system's own: root on Debian gets it here; to others the tests say that it is missing.
need_chromium = if [ -z "$$CHROMIUM" ] && [ "$$(id -u)" = 0 ] && [ -e /etc/debian_version ] \
	&& ! .venv/bin/python -c 'from tests.browser.chromium import chromium_path; chromium_path()' 2>/dev/null; \
	then echo 'installing chromium ...'; apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	apt-get install -y -qq --no-install-recommends chromium >/dev/null; fi

# What operators name goes to the programs by these variables, each only if it is given.
# A word that is neither is a mistake, and no "no": DRY_RUN=ja must not be taken for nothing.
yes = $(if $(filter-out yes y true 1 no n false 0,$(1)),$(error '$(1)' is neither yes nor no),$(filter yes y true 1,$(1)))
# A forgotten export of JOBPIPE_STAGE must not decide where something is deployed.
local_only = $(if $(filter-out local,$(STAGE)),$(error this is for the stage local, not $(STAGE); for AWS there is make deploy and make destroy))
option = $(if $(strip $(2)),$(1) '$(strip $(2))')
taken = $(if $(strip $(2)),$(1) $(if $(filter all,$(2)),--all,$(2)))

audit: .venv/.installed ## compare jobs, items, locks and documents (STAGE=... REPAIR=yes JSON=yes OLDER_THAN=600)
	@$(JOBPIPE) audit --stage $(STAGE) $(if $(call yes,$(REPAIR)),--repair) $(if $(call yes,$(JSON)),--json) \
		$(call option,--older-than,$(OLDER_THAN)) $(call option,--limit,$(LIMIT))

redrive: .venv/.installed ## retry failed jobs (REASON, SINCE, UNTIL, OPERATION, OWNER, ITEM, LIMIT =..., or ALL=yes; DRY_RUN=yes)
	@$(JOBPIPE) redrive --stage $(STAGE) $(foreach each,$(REASON),--reason $(each)) \
		$(call option,--since,$(SINCE)) $(call option,--until,$(UNTIL)) $(call option,--operation,$(OPERATION)) \
		$(call option,--owner,$(OWNER)) $(call option,--item,$(ITEM)) $(call option,--limit,$(LIMIT)) \
		$(if $(call yes,$(ALL)),--all) $(if $(call yes,$(DRY_RUN)),--dry-run)

parked: .venv/.installed ## show, resend or drop messages that are no command (RESEND=ID|all DROP=ID|all LIMIT=100)
	@$(JOBPIPE) parked --stage $(STAGE) $(call taken,--resend,$(RESEND)) $(call taken,--drop,$(DROP)) \
		$(call option,--limit,$(LIMIT))

import: .venv/.installed ## an item from each row of a CSV or JSONL; again after Ctrl-C it goes on (FILE=... RESTART=yes DRY_RUN=yes)
	@$(if $(strip $(FILE)),,$(error say which file: make import FILE=...))$(JOBPIPE) import --stage $(STAGE) '$(strip $(FILE))' \
		$(if $(call yes,$(RESTART)),--restart) $(if $(call yes,$(DRY_RUN)),--dry-run)

stats: .venv/.installed ## queue depth and age, dead letters, how jobs ended (STAGE=... WATCH=yes JSON=yes)
	@$(JOBPIPE) stats --stage $(STAGE) $(if $(call yes,$(WATCH)),--watch) $(if $(call yes,$(JSON)),--json)

open: .venv/.installed ## the stage's console in the browser (STAGE=...)
	@$(JOBPIPE) open --stage $(STAGE)

load: .venv/.installed ## load on a stage, at a steady rate (RATE=... SECONDS=...; POISSON, KEEP, CONFIRM =yes; CONCURRENCY, SAMPLE =...)
	@$(PY) -m scripts.load --stage $(STAGE) $(call option,--rate,$(RATE)) $(call option,--seconds,$(SECONDS)) \
		$(call option,--concurrency,$(CONCURRENCY)) $(call option,--sample,$(SAMPLE)) \
		$(if $(call yes,$(POISSON)),--poisson) $(if $(call yes,$(KEEP)),--keep) $(if $(call yes,$(CONFIRM)),--confirm)

key: .venv/.installed ## the first key of a caller, alone on stdout (OWNER=...; STAGE=...)
	@$(PY) -m infra.keys create --stage $(STAGE) $(call option,--owner,$(OWNER))

keys: .venv/.installed ## whose keys a stage has, without their values (STAGE=...)
	@$(PY) -m infra.keys list --stage $(STAGE)

rotate-key: .venv/.installed ## a further key of a caller (OWNER=... REVOKE_OLD=yes)
	@$(PY) -m infra.keys rotate --stage $(STAGE) $(call option,--owner,$(OWNER)) \
		$(if $(call yes,$(REVOKE_OLD)),--revoke-old)

revoke-key: .venv/.installed ## end all keys of a caller, or one key (OWNER=... or KEY=...)
	@$(PY) -m infra.keys revoke --stage $(STAGE) $(call option,--owner,$(OWNER)) $(call option,--key,$(KEY))

stop: .venv/.installed ## stop the embedded emulator, and LocalStack if it was started from here
	@$(PY) -m infra.local stop

lock: ## pin the requirements anew (needs uv)
	@command -v uv >/dev/null || { echo 'make lock: uv is needed (https://docs.astral.sh/uv)' >&2; exit 1; }
	$(UV_COMPILE) requirements-dev.in -o requirements-dev.lock
	$(UV_COMPILE) -c requirements-dev.lock tests/bench/requirements.in -o tests/bench/requirements.lock
	$(UV_COMPILE) -c requirements-dev.lock tests/browser/requirements.in -o tests/browser/requirements.lock
	$(UV_COMPILE) tests/clients/requirements.in -o tests/clients/requirements.lock
	$(UV_COMPILE) infra/emulator/requirements.in -o infra/emulator/requirements.lock
	$(UV_COMPILE) infra/checks/requirements.in -o infra/checks/requirements.lock
	$(UV_COMPILE) api_lambda/requirements.in -o api_lambda/requirements.txt
	$(UV_COMPILE) worker_lambda/requirements.in -o worker_lambda/requirements.txt

clean: ## remove what was built, but no environment and no deployment
	rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis

# With the client itself, as it stands here, for .venv/bin/jobpipe.
.venv/.installed: requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo 'make: Python 3.11 or newer is needed; PYTHON=... names it' >&2; exit 1; }
	@echo 'installing the tools into .venv ...' >&2
	@$(PYTHON) -m venv .venv || { echo 'make: the venv module of $(PYTHON) does not work' >&2; exit 1; }
	@$(PY) -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(PY) -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/.bench-installed: tests/bench/requirements.lock .venv/.installed
	@echo 'installing what the benchmark compares with (Celery, Flask) and the plots ...' >&2
	@$(PY) -m pip install -qq --disable-pip-version-check --require-hashes -r $<
	@touch $@

.venv/.browser-installed: tests/browser/requirements.lock .venv/.installed
	@echo 'installing what drives a browser (Playwright, axe) ...' >&2
	@$(PY) -m pip install -qq --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(CHECKS)/.installed: infra/checks/requirements.lock
	@echo 'installing the checks (checkov, pip-audit, cloudformation-validate) ...' >&2
	@$(PYTHON) -m venv $(CHECKS) || { echo 'make: the venv module of $(PYTHON) does not work' >&2; exit 1; }
	@$(CHECKS)/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r $<
	@touch $@

# The generators, Java for one of them and Node.js for the others: all of it from PyPI, nothing of the system's.
$(CLIENTS)-venv/.installed: tests/clients/requirements.lock
	@echo 'installing what makes clients of the contract (openapi-generator, Java, Node.js) ...' >&2
	@$(PYTHON) -m venv $(CLIENTS)-venv || { echo 'make: the venv module of $(PYTHON) does not work' >&2; exit 1; }
	@$(CLIENTS)-venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(CLIENTS)-npm/.installed: tests/clients/package.json tests/clients/package-lock.json $(CLIENTS)-venv/.installed
	@echo 'installing what makes clients of the contract (npm) ...' >&2
	@mkdir -p $(CLIENTS)-npm && cp tests/clients/package.json tests/clients/package-lock.json $(CLIENTS)-npm
	@cd $(CLIENTS)-npm && PATH="$(CURDIR)/$(CLIENTS)-venv/bin:$$PATH" npm ci --ignore-scripts --no-audit --no-fund --silent
	@touch $@
