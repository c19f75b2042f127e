# Every habit has one command; CI calls the same ones.
.PHONY: run test lint format fuzz soak audit bench screenshots wheel space-check container-check clean

run:  ## make an environment, install requirements.txt, serve the page on port 7860
	@scripts/setup app
	@.venv/bin/python app.py

test: ## install what the tests need, then lint, type-check and run them all
	@scripts/setup test
	@$(MAKE) --no-print-directory lint
	@.venv/bin/python -m pytest

lint: ## ruff and mypy
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy

format: ## let ruff write the layout
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .

fuzz: ## send 10,000 bad requests and 1,000 documents at a page of its own
	@scripts/setup test
	@.venv/bin/python -m tests.fuzz.run
	@.venv/bin/python -m tests.fuzz.exact

audit: ## ask for known advisories of what is installed
	@scripts/setup test
	@scripts/audit

bench: ## measure speed beside other engines, into benchmarks/
	@scripts/setup test
	@.venv/bin/python -m codegemma_ui bench --out benchmarks

MINUTES ?= 10
soak: ## many visitors for MINUTES, every answer checked, every process watched
	@scripts/setup test
	@.venv/bin/python -m tests.reliability.soak --minutes $(MINUTES)

screenshots: ## make docs/screenshots again
	@scripts/setup test
	@.venv/bin/python -m tests.browser.screenshots

wheel: ## make dist/codegemma_ui-*.whl
	@scripts/setup app
	@rm -rf build/lib build/bdist.*
	@.venv/bin/python -m pip wheel -q --no-deps --wheel-dir dist .
	@ls dist/codegemma_ui-*.whl

space-check: ## build and start this as a Hugging Face Space would; as root in namespaces of its own
	@$(or $(PYTHON),python3) -m tests.space.check

container-check: ## lint the Dockerfile and do its steps in a Debian of debootstrap; takes root
	@scripts/setup test
	@.venv/bin/python -m tests.container.check

clean: ## forget the environment and the caches
	@rm -rf .venv .pytest_cache .ruff_cache .mypy_cache
