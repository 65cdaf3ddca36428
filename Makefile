# The whole interface of the project. Plain `make` prints the targets.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
LOCK   := deploy/requirements/lock.txt
APART  := tests/lab/requirements
READY  := $(VENV)/.ready
JOBS   ?= 4
CHAOS   = tests/whole/test_chaos.py
FUZZ   ?= 30
EXTRACT = $(BIN)/pybabel --quiet extract --mapping-file pyproject.toml --keywords "_l lazy_gettext mark" \
            --no-location --omit-header --sort-output
# What binds: in no catalogue but the English one (api/ground/translations.py)
LAW    := $(addprefix api/pages/,plan/declaration_words.py $(addprefix templates/,declarations cancellations \
            $(addsuffix .html,friends/_terms plan/order plan/_boxes plan/_note plan/withdrawal plan/cancellation)))
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
            --custom-compile-command "make lock"

# Containers often forbid to keep compiled modules: then each program compiles all that it imports, for 3 s at each start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup browser run demo status test tests journeys drill compiled coverage fuzz chaos simulate lint style types format texts messages screenshots bench lock clean

help: ## Print the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## Make .venv from the lock file (uv in seconds, pip where uv cannot be had)

$(READY): $(LOCK) deploy/cut_lock.py setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": set PYTHON=…")'
	@$(PYTHON) -m venv $(VENV) || { echo "no virtual environment could be made: install Python's venv module (Debian: python3-venv)"; exit 1; }
	@$(BIN)/python deploy/cut_lock.py uv > $(VENV)/uv.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.txt \
	 && $(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes $(LOCK) \
	 || { echo "uv cannot be had: pip does it, more slowly"; \
	      $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(LOCK); }
	@rm -rf *.egg-info # one of an earlier version is kept as it is, and hides commands that came since
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

browser: setup ## Find or install the browser for desks that need one
	@$(BIN)/python -m deploy.local.browser

run: setup ## Start everything with stand-ins for all sites and providers, and watch it live
	@$(BIN)/python -m deploy.local run $(ARGS)

demo: setup ## The same, until one alert has arrived by e-mail, SMS and Telegram
	@$(BIN)/python -m deploy.local demo $(ARGS)

status: setup ## Show the state of everything that runs, on one screen
	@$(BIN)/python -m deploy.status || test $$? -eq 1

test: setup ## Set up, lint, test
	@test "$$CI" != true || $(BIN)/python -m deploy.local.browser
	@$(MAKE) --no-print-directory --jobs 3 lint tests

tests: compiled # beside mypy, which has one processor to itself for most of a minute
	@$(BIN)/python -m pytest -m "not journey" -n $(JOBS) --dist loadgroup --reruns 1

journeys: setup ## Test what takes long: whole stacks, killed browsers and processes, minutes of play
	@$(BIN)/python -m pytest -m journey $(CHAOS) # alone: beside others a wave is not well in time
	@$(BIN)/python -m pytest -m journey -n $(JOBS) --dist loadgroup --ignore $(CHAOS)

drill: setup ## As root: run production.yaml in containers, kill, release, restore it (ARGS=--keep: leave them)
	@$(BIN)/python -m tests.lab.drill $(ARGS)

compiled: setup # each of the workers would compile all tests for itself
	@$(BIN)/python -m compileall -q -j 2 -x '/(test_[a-z0-9_]+|conftest)\.py$$' api configs crawler deploy notifier tests || true
	@$(BIN)/python -m tests.compile_tests || true

coverage: lint ## Test, and tell which lines no test runs: 90 % at least (traced, tests take half as long again)
	@mkdir -p .state/coverage && rm -f .state/coverage/*
	@$(BIN)/coverage run -m pytest -n $(JOBS) --dist loadgroup
	@$(BIN)/coverage combine --quiet && $(BIN)/coverage report

fuzz: setup ## Try FUZZ (30) times as many random histories and broken pages, others each time
	@FUZZ=$(FUZZ) $(BIN)/python -m pytest -m fuzz -n $(JOBS) --timeout 3600

chaos: setup ## Injure a whole stack at random for ten minutes and account for every message (ARGS='--seed N --minutes M')
	@$(BIN)/python -m tests.lab.chaos $(ARGS)

simulate: setup ## Run the shipped desk files for five days in ten minutes: what is sold, tried, told (ARGS=liars: false reports)
	@$(BIN)/python $(if $(ARGS),-m tests.lab.$(ARGS),-m pytest --quiet --capture no --timeout 1200 tests/lab/simulation.py)

lint: style types ## ruff, its formatter, mypy strict, the import contracts, yamllint, secrets, the desk files

style: setup
	@mkdir -p .state
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/lint-imports --no-cache > .state/lint-imports.log 2>&1 || { cat .state/lint-imports.log; exit 1; }
	@$(BIN)/yamllint --strict .
	@$(BIN)/python -m tests.lab.secret_scan $(if $(CI),,$$(git diff --name-only HEAD; git ls-files --others --exclude-standard)) # none: all files
	@$(BIN)/scrapy desks > /dev/null

types: setup # apart: it takes a processor for as long as all else that comes before the tests
	@$(BIN)/mypy --no-error-summary $(if $(CI),--cache-dir /dev/null)

format: setup ## Let ruff mend what it can
	@$(BIN)/ruff check --quiet --fix . ; $(BIN)/ruff format --quiet .

texts: setup ## Bring the catalogues of the pages up to date with templates and code
	@mkdir -p .state
	@$(EXTRACT) --output-file .state/texts.pot api
	@$(EXTRACT) --output-file api/pages/texts/law.pot $(LAW)
	@for file in api/pages/texts/*.po; do $(BIN)/pybabel --quiet update --locale $$(basename $$file .po) \
	  --input-file .state/texts.pot --output-file $$file --omit-header --ignore-obsolete --no-fuzzy-matching --width 110; done

messages: setup ## Write every message in every language to one page, .state/messages/index.html (ARGS=KIND…: fewer)
	@$(BIN)/python -m tests.notifier.content.message_page $(ARGS)

screenshots: setup ## Take pictures of every page: wide, narrow, dark, Arabic, to .state/screenshots (ARGS=--docs: those of the documentation)
	@$(BIN)/python -m tests.lab.pictures $(ARGS)

bench: setup ## Measure, print a table, write .state/bench.json
	@$(BIN)/python -m tests.lab.bench $(ARGS)

lock: setup ## Resolve the dependencies of setup.cfg anew into the hashed lock
	@$(COMPILE) --upgrade --extra dev setup.cfg -o $(LOCK)
	@for apart in urlwatch django-appointment "hubrdvmairie sqlalchemy-utils psycopg2-binary"; do \
	  printf '%s\n' $$apart | $(COMPILE) --upgrade - -o $(APART)/$${apart%% *}.txt; done

clean: ## Remove everything that was made here: the environment, the state, the caches
	@rm -rf $(VENV) .state .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
