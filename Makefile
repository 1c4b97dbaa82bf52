# The front door. Nothing has to be installed by hand but a Python and make.

.DEFAULT_GOAL := help
.PHONY: help demo test soak check lint types imports changelog docs bench lock clean

help: ## Say what there is
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

demo: run-environment ## See the thing work
	@.venv/bin/whence demo

test: ## Run the tests on the oldest and the newest Python here (PYTEST_ARGS="-k stale")
	@tools/test $(PYTEST_ARGS)

soak: test-environment ## Kill processes and servers under load for long (WHENCE_SOAK=300 seconds)
	WHENCE_SOAK=$${WHENCE_SOAK:-300} .venv/bin/python -m pytest tests/soak

check: lint types imports changelog docs ## Everything but the tests that must be green

lint: check-environment ## Form and common mistakes
	.venv/bin/ruff format --check
	.venv/bin/ruff check

types: check-environment ## Both type checkers, strict
	.venv/bin/mypy
	.venv/bin/pyright

imports: check-environment ## The layers
	.venv/bin/lint-imports --no-logo

changelog: check-environment ## The fragments can be put together
	.venv/bin/towncrier build --draft

docs: check-environment ## The documentation, into docs/_build
	.venv/bin/sphinx-build --nitpicky --fail-on-warning --quiet docs docs/_build

bench: ## How fast it is, beside a floor and a peer (BENCH_ARGS=replay: one figure)
	@tools/environment .venv-bench bench
	.venv-bench/bin/python -m benchmarks $(BENCH_ARGS)

# All locks agree with the largest. A release younger than a week is not taken.
compile = .venv/bin/uv pip compile pyproject.toml --quiet --no-config --universal --python-version 3.11 \
	--generate-hashes --no-header --no-annotate --exclude-newer '1 week'

lock: check-environment ## Choose the newest versions for requirements/
	$(compile) --upgrade --extra all --group check --output-file requirements/check.txt
	$(compile) --constraint requirements/check.txt --extra all --group test --output-file requirements/test.txt
	$(compile) --constraint requirements/check.txt --extra all --group bench --output-file requirements/bench.txt
	$(compile) --constraint requirements/check.txt --group build --output-file requirements/run.txt

clean: ## Remove everything that was made here
	rm -rf .venv .venv-* .hypothesis .*_cache build dist docs/_build
	find . -name __pycache__ -prune -exec rm -rf {} +

%-environment:
	@tools/environment .venv $*
