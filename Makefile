# The few commands a newcomer types. Each of them sets up first what it needs and is missing (as root, with
# apt-get), says nothing where nothing is missing, and otherwise only calls cargo.

CARGO ?= cargo

.PHONY: help setup build test sim-long fuzz demo bench compare ci fix tidy clean

help:
	@echo "make build   build target/debug/skep"
	@echo "make demo    watch a rolling update of a real redis, with a failure and a rollback (under 2 minutes)"
	@echo "make test    what CI runs: every test, the simulator's seeds, tidy"
	@echo "make sim-long  a hundred thousand other seeds of the simulator (SEEDS=first..end for others)"
	@echo "make fuzz    ten minutes of each fuzz target (SECONDS=60 for less)"
	@echo "make bench   measure against dockerd 20.10 and write docs/benchmarks.md"
	@echo "make compare the same commands and questions to Skep and to dockerd 20.10, expecting the same answers"
	@echo "make ci      test, clippy and documentation; never writes to the tree"
	@echo "make fix     rustfmt and clippy's own fixes"
	@echo "make tidy    the rules that no compiler checks"

setup:
	@xtask/setup.sh build test

build:
	@xtask/setup.sh build
	$(CARGO) build --package skep

test: setup
	@$(CARGO) xtask test

# The seeds of `make test` begin at 0; these are others.
SEEDS ?= 100000..200000

sim-long:
	@xtask/setup.sh build
	$(CARGO) run --quiet --package skep-sim -- --seeds $(SEEDS)

# Another seed each time: that of the second it begins in.
SECONDS ?= 600

fuzz:
	@xtask/setup.sh build
	$(CARGO) build --package skep-fuzz
	@for target in $$(target/debug/skep-fuzz list); do target/debug/skep-fuzz $$target $(SECONDS) $$(date +%s) || exit 1; done

demo:
	@xtask/setup.sh build demo
	$(CARGO) build --package skep
	@$(CARGO) run --quiet --package skep-tests --bin demo

# One subject of tests/src/bench, `make bench ONLY=exec`; without it all, and the page is written.
ONLY ?=

bench:
	@xtask/setup.sh build test bench
	$(CARGO) build --release --package skep
	@SKEP_BIN=$(CURDIR)/target/release/skep $(CARGO) run --quiet --package skep-tests --bin bench -- \
		$(if $(ONLY),--only $(ONLY),--write docs/benchmarks.md)

compare:
	@xtask/setup.sh build test bench
	@$(CARGO) xtask compare

ci: setup
	@$(CARGO) xtask ci

fix:
	@$(CARGO) xtask fix

tidy:
	@$(CARGO) xtask tidy

clean:
	$(CARGO) clean
	rm -rf .cache
