# Every habit has one command; CI calls the same ones.
.PHONY: run test test-all test-failed versions lint format fuzz soak audit bench real-size screenshots weights wheel space-check container-check clean

run:  ## make an environment, install requirements.txt, serve the page on port 7860
	@scripts/setup app
	@.venv/bin/python app.py

test: ## install what they need, lint, type-check and run the quick tests, or FILES="tests/ui tests/fim/test_fim.py"
	@scripts/setup test
	@scripts/test $(or $(FILES),quick)

test-all: ## the same with every test: all backends, other programs, packaging, rehearsals
	@scripts/setup all
	@scripts/test all

test-failed: ## run again what failed the last time
	@scripts/test failed

versions: ## the tiny model on every torch and jax that is allowed, each in an environment below build/
	@scripts/setup all
	@scripts/test tests/workers/keras/test_versions.py

.venv/bin/ruff:
	@scripts/setup test

lint: .venv/bin/ruff ## ruff, mypy, and which room may import which
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-logo

format: .venv/bin/ruff ## let ruff write the layout
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .

fuzz: ## send 10,000 bad requests, 1,000 documents and the longest texts at a page of its own
	@scripts/setup test
	@.venv/bin/python -m tools.fuzz.run
	@.venv/bin/python -m tools.fuzz.exact
	@.venv/bin/python -m tools.fuzz.memory

audit: ## ask for known advisories of what is installed
	@scripts/setup all
	@scripts/audit

bench: ## measure speed beside other engines, into benchmarks/
	@scripts/setup all
	@.venv/bin/python -m benchmarks.speed --out benchmarks

real-size: ## run CodeGemma 2B's size through the page, beside llama.cpp, into docs/sizing.md
	@scripts/setup all
	@.venv/bin/python -m benchmarks.real_size

MINUTES ?= 10
soak: ## many visitors for MINUTES, every answer checked, every process watched
	@scripts/setup test
	@.venv/bin/python -m tools.reliability.soak --minutes $(MINUTES)

screenshots: ## make docs/screenshots again
	@scripts/setup all
	@.venv/bin/python -m tools.screenshots

weights: ## remake what hangs on the bundled model's weights: figures, recordings, contract, pictures
	@scripts/setup all
	@.venv/bin/python -m tools.weights

wheel: ## make dist/codegemma_ui-*.whl
	@scripts/setup app
	@rm -rf build/lib build/bdist.*
	@.venv/bin/python -m pip wheel -q --no-deps --wheel-dir dist .
	@ls dist/codegemma_ui-*.whl

space-check: ## build and start this as a Hugging Face Space would; as root in namespaces of its own
	@$(or $(PYTHON),python3) -m tools.space.check

container-check: ## lint the Dockerfile and do its steps in a Debian of debootstrap; takes root
	@scripts/setup all
	@.venv/bin/python -m tools.container.check

clean: ## forget the environment and the caches
	@rm -rf .venv .pytest_cache .ruff_cache .mypy_cache .import_linter_cache
