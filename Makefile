# One command each; what has logic is a script.
.DEFAULT_GOAL := help
.PHONY: simulator plan-of-thousands try help setup test test-fast model mutation bench-operator bench-uploading knobs demo demo-down check crd lock bench-reading

help:  ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

setup:  ## the virtual environment, from pinned and hashed packages
	@scripts/setup

test:  ## everything: checks, unit tests, tests against a real AD and the HighQ simulator (root, Debian)
	@scripts/test all

.PHONY: test-matrix
test-matrix:  ## what depends on Kubernetes, on the oldest and the newest that is supported
	@scripts/test matrix

test-fast:  ## checks and tests without root and containers, for the inner loop
	@scripts/test fast

model: setup  ## the rules in any order of events, N=20000 sequences (make test walks fewer)
	@N=$${N:-20000} .venv/bin/pytest -q --timeout=0 -n 2 --hypothesis-profile=search tests/model tests/unit/controller/test_request_machine.py

plan-of-thousands: setup  ## plan and the run that follows agree person by person, on a directory with every action in it [N=5000]
	@N=$(or $(N),5000) .venv/bin/pytest -q tests/contract/cli/test_plan_of_thousands.py

mutation: setup  ## which small changes of pure modules no unit test notices [MODULES="api/schedule.py ..."]
	@scripts/mutation $(MODULES)

demo: setup  ## the main job, shown: real cluster, real AD, simulated HighQ, two tenants
	@.venv/bin/python -m demo

try: setup  ## the main job in under a minute, without root, containers or a cluster
	@.venv/bin/python -m demo.try_out

simulator:  ## HighQ's simulator alone, in its own image, at http://127.0.0.1:8080 [PORT=8080]
	@testcluster/run-simulator $(PORT)

demo-down:  ## remove the demo's cluster
	@testcluster/cluster down pis-demo

.PHONY: docs release
docs: setup  ## the documentation as a site, in build/docs
	@scripts/docs

release: setup  ## wheel, sdist, chart, image, SBOM and checksums in dist/, the same bytes each time (VERSION=0.1.0)
	@scripts/release $(VERSION)

check: setup  ## ruff, mypy, import-linter, CRD drift
	@scripts/check

crd: setup  ## write the CRD anew from the model, also the chart's copy and the pages made from code
	@.venv/bin/profile-image-sync crd > crds/profileimagesyncs.profileimagesync.io.yaml
	@cp crds/*.yaml charts/profile-image-sync/files/
	@.venv/bin/python -m docgen

knobs: setup  ## the HighQ client against N more random positions of the simulator's knobs [N=300]
	@N=$(or $(N),300) .venv/bin/pytest -q tests/contract/test_highq_knobs.py

bench-uploading: setup  ## how fast pictures get into HighQ, beside a plain script [N=5000]
	@N=$(N) .venv/bin/python -m benchmarks.uploading

bench-operator: setup  ## what the operator costs the API server, and how soon it acts [N=1000] [IDLE=600]
	@N=$(N) IDLE=$(IDLE) .venv/bin/python -m benchmarks.operator

bench-reading: setup  ## how fast a directory is read, beside ldap3 and python-ldap [N=100000]
	@N=$(N) .venv/bin/python -m benchmarks.reading

.PHONY: bench-start
bench-start: setup  ## how soon a worker is at work, beside a bare Python; imports by package [N=10]
	@N=$(N) .venv/bin/python -m benchmarks.start

lock:  ## pin the newest dependencies with hashes (needs uv)
	@scripts/lock
