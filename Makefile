# Every target works from a bare Debian machine with Rust, Java, Python and Node: see infra/bootstrap.
# Compiled output goes to the user's cache, so that a fresh clone compiles no dependency again; CARGO_TARGET_DIR
# overrides that. There is one profile, release, so that the program and its tests share every dependency.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo up down test inputs faults hostile fuzz soak words bench bench-stream bench-scale train evaluate-models models-table build fmt lint clean

help: ## Show this list
	@sed -nE 's/^([a-z-]+): ## (.*)/  make \1\t\2/p' Makefile | expand -t 20

demo: ## Build, label the CT series under tests/data into demo/lake, and query the result
	@infra/demo

up: ## Start Kafka, an S3 server, the assembler and the worker on this machine, and say how to try them
	@infra/service up

down: ## End what `make up` started, so that each drains; the data stay under run/
	@infra/service down

test: ## Everything that is checked before a change lands; what .ci/run calls
	@infra/test

inputs: ## Label small inputs that fail elsewhere and real series of known status; needs ../shared
	@infra/inputs

faults: ## One run of the fault harness, some three minutes: make faults SEED=1
	@infra/faults

hostile: ## Hostile input of every known kind, each case under limits of memory and time; minutes
	@infra/hostile

fuzz: ## Fuzz every parser of outside bytes: make fuzz SECONDS=600 [TARGETS="header zip"]
	@infra/fuzz $(or $(SECONDS),600) $(TARGETS)

soak: ## The fault harness for an hour or SOAK_MINUTES, one seed after the other
	@infra/faults --soak

words: ## Read real descriptions and compare with an independent reading: make words [WORDS=descriptions.csv]
	@infra/words $(WORDS)

bench: ## Measure against the Python reference; writes tests/bench/RESULTS.md
	@infra/bench

bench-stream: ## Measure the worker against its goals on real servers; writes tests/bench/STREAM_RESULTS.md
	@infra/bench-stream

bench-scale: ## Measure memory and the first row at a thousand studies and at a million files; writes tests/bench/SCALE_RESULTS.md
	@infra/bench-scale

train: ## Draw synthetic patients, train the networks on them, export and pack the bundles; hours
	@infra/train

evaluate-models: ## Evaluate every bundle on unseen synthetic patients and on the real series; writes models/evaluations
	@infra/evaluate-models

models-table: ## Write the table of models/README.md from the recorded evaluations
	@infra/evaluate-models --table

build: ## Build the program and say where it is
	@infra/bootstrap
	@. infra/common.sh; cargo build --release --locked --workspace; echo "$$CARGO_TARGET_DIR/release/bolus"

fmt: ## Format the Rust code
	@cargo fmt --all

lint: ## The checks of `make test` that compile no test: format, rules, clippy, docs, dependencies
	@infra/test --lint

clean: ## Remove the demo's output; the cache under ~/.cache/bolus stays
	@rm -rf demo
