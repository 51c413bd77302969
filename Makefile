# Two commands for people: `make demo` and `make test`. The rest serves those who build triage.
PYTHON ?= python3
# A person sees pip's progress bars; a machine does not need them.
PIP = .venv/bin/python -m pip install $(if $(CI),--quiet --no-compile) --disable-pip-version-check
# A lock names everything it needs, so that nothing is looked for besides; `pip check` holds it to that.
LOCKED = $(PIP) --no-deps --require-hashes
# Where nobody reads the progress bars, Debian's packages come in beside Python's.
SIDE_BY_SIDE = $(if $(CI),-j2)
ONCE ?=
ONLY ?=
# Python keeps what it compiled, even where the machine's settings say no: a test run starts some
# hundred processes, and each would compile its libraries anew.
export PYTHONDONTWRITEBYTECODE =

.PHONY: demo test servers lint style types notebooks bench faults lock sbom advisories clean
.DELETE_ON_ERROR:

demo: .venv/runtime
	.venv/bin/triage demo $(if $(ONCE),--once)

test:
	@$(MAKE) --no-print-directory $(SIDE_BY_SIDE) .venv/tested servers
	$(MAKE) --no-print-directory style
	@# Types are checked while the tests wait for processes and servers; either fails the whole.
	@$(MAKE) --no-print-directory types & types=$$!; \
	.venv/bin/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder; tests=$$?; \
	wait $$types || { echo "The types are wrong: see above."; exit 1; }; exit $$tests

servers:
	sh .ci/servers

lint: style types

style: .venv/tested
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

types: .venv/tested
	.venv/bin/mypy

notebooks: .venv/tested
	.venv/bin/jupytext --to ipynb notebooks/*.py

bench: .venv/tested
	.venv/bin/python benchmarks/run.py

# The long form of one number of the safety bar, e.g. ONLY=12; without one, what there is.
faults: .venv/tested
	sh .ci/servers long
	.venv/bin/python benchmarks/faults.py $(ONLY)

lock: .venv/tested
	.venv/bin/python .ci/lock.py

# What the locks pin, as CycloneDX; needs no network and no .venv.
sbom:
	@$(PYTHON) .ci/sbom.py

# Asks OSV about every locked version; "not checked" where it cannot be reached, never "clean".
advisories:
	@$(PYTHON) .ci/advisories.py

# The CPU wheel of torch comes first, by its own hash, so that nothing pulls gigabytes of CUDA.
.venv/runtime: requirements.lock requirements-torch.lock triage/web/package-lock.json
	@echo "Setting up .venv (a few minutes the first time)"
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv
	@$(LOCKED) -r requirements-torch.lock
	@$(LOCKED) -r requirements.lock
	@$(PIP) --no-deps --no-build-isolation -e .
	@.venv/bin/python -m triage.web.assets
	@touch $@

.venv/tested: .venv/runtime requirements-test.lock
	@$(LOCKED) -r requirements-test.lock
	@.venv/bin/python -m pip check
	@touch $@

clean:
	rm -rf .venv .demo .cache
