# `make` alone says what there is. The stages of one call run one after another, because two builds
# at once share neither their work nor, on a small machine, the memory.
.NOTPARALLEL:
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

PREFIX ?= /usr/local
DESTDIR ?=
# A regular expression of test names: `make test ONLY=TidyTests`.
ONLY ?=
# The worlds of `make simulate`: 130,000 of them hold more than a million rollouts.
SEEDS ?= 1..130000
# How long `make fuzz` fuzzes each target, and which; empty for all.
FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?=
# Anything here makes `make check-instructions` agree to the figure that it finds.
UPDATE ?=

debug := .build/debug
release := .build-release/release
swift_sources := Package.swift Sources Tests Fuzzing/Package.swift Fuzzing/Sources/segue-fuzz
bindir := $(PREFIX)/bin
unitdir := $(PREFIX)/lib/systemd/system
mandir := $(PREFIX)/share/man/man1
bashdir := $(PREFIX)/share/bash-completion/completions
zshdir := $(PREFIX)/share/zsh/site-functions
fishdir := $(PREFIX)/share/fish/vendor_completions.d

# Swift Testing announces each test twice; the announcement of the start is left out.
quietly := sed -u '/^◇/d'

.PHONY: help
help: ## Say what there is
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' Makefile

.PHONY: bootstrap
bootstrap: ## Install the Debian packages that are missing
	@Scripts/bootstrap

.PHONY: build
build: bootstrap ## Build for development, into .build
	swift build

.PHONY: release
release: bootstrap ## Build for use, optimised and self-contained, into .build-release
	swift build --configuration release --scratch-path .build-release \
	  --static-swift-stdlib --product segue

.PHONY: build-tests
build-tests: bootstrap
	swift build --build-tests

# Each test target runs in a process of its own and with a deadline: they start real processes,
# threads and servers, and what one leaves behind must not be another's failure. The end-to-end
# tests put a load on the machine, so they come last. What opens thousands of sockets, or watches
# the clock of a real system, runs one test after another.
unit_tests := $(filter-out EndToEndTests,$(notdir $(wildcard Tests/*Tests)))

.PHONY: test
test: build-tests ## Run every test, or with ONLY=REGEX some
ifeq ($(ONLY),)
	for target in $(unit_tests) EndToEndTests; do \
	  echo "== $$target"; \
	  case $$target in EndToEndTests|ProxyTests) order=--no-parallel ;; *) order=--parallel ;; esac; \
	  timeout 1500 swift test --skip-build --disable-xctest $$order --filter "^$$target\\." 2>&1 | $(quietly); \
	done
else
	swift test --skip-build --disable-xctest --filter '$(ONLY)' 2>&1 | $(quietly)
endif

.PHONY: lint
lint: bootstrap ## Check the format of the Swift code, and the shell scripts
	swift format lint --strict --parallel --recursive $(swift_sources)
	git ls-files -z --cached --others --exclude-standard -- .ci Scripts Examples Packaging \
	  | xargs -0 grep -lZE '^#!.*[/ ](ba)?sh$$' | xargs -0 --no-run-if-empty shellcheck

.PHONY: format
format: ## Rewrite the Swift code in the format that lint wants
	swift format --in-place --parallel --recursive $(swift_sources)

.PHONY: demo
demo: build ## Watch three commits go live, be refused and be rolled back, under load
	Scripts/demo

.PHONY: chaos
chaos: build-tests ## Strike in every phase of real rollouts of every strategy (half an hour)
	SEGUE_CHAOS=full swift test --skip-build --disable-xctest --filter ChaosTests 2>&1 | $(quietly)

.PHONY: soak
soak: release ## Deploy 200 times and upgrade the proxy 100 times under load (15 minutes)
	swift build --configuration release --scratch-path .build-release \
	  --static-swift-stdlib --product segue-load
	Scripts/soak

.PHONY: bench-overhead
bench-overhead: release ## Measure what Segue adds to a rollout, its switch, and its memory when idle
	Scripts/bench-overhead

.PHONY: bench-engine
bench-engine: bootstrap ## Measure what the engine costs with 10,000 services and 100,000 instances
	swift build --configuration release --scratch-path .build-release --product segue-bench-engine
	$(release)/segue-bench-engine Benchmarks/results/engine.json

.PHONY: bench-proxy
bench-proxy: release ## Compare the proxy with nginx, HAProxy, Envoy, Caddy and Traefik (15 minutes)
	@Scripts/bootstrap --bench
	@Benchmarks/proxy/bench_proxy.py

.PHONY: bench-slow-clients
bench-slow-clients: release ## Measure what 5,000 slow clients cost everybody else (2 minutes)
	@Scripts/bootstrap --bench
	@Benchmarks/proxy/slow_clients.py

.PHONY: check-instructions
check-instructions: release ## Check how many instructions a proxied request takes; UPDATE=1 agrees to it
	@Scripts/bootstrap --bench
	@Benchmarks/proxy/check_costs.py instructions $(if $(UPDATE),--update)

.PHONY: check-allocations
check-allocations: release ## Check how often a proxied request allocates memory
	@Scripts/bootstrap --bench
	@Benchmarks/proxy/check_costs.py allocations

.PHONY: bench-analysis
bench-analysis: bootstrap ## Measure how soon and how wrongly releases are judged, beside other judges
	swift build --configuration release --scratch-path .build-release --product segue-bench-analysis
	$(release)/segue-bench-analysis Benchmarks/results/analysis.json

.PHONY: bench-analysis-cost
bench-analysis-cost: bootstrap ## Measure what judging 1,000 rollouts at once costs
	swift build --configuration release --scratch-path .build-release --product segue-bench-analysis
	$(release)/segue-bench-analysis cost

.PHONY: bench-flaky
bench-flaky: bootstrap ## Measure how well flaky tests are found, on published failure rates
	swift build --configuration release --scratch-path .build-release --product segue-bench-flaky
	$(release)/segue-bench-flaky Benchmarks/results/flaky.json

.PHONY: bench-evidence
bench-evidence: bootstrap ## Measure how long large test reports and long histories take
	swift build --configuration release --scratch-path .build-release --product segue-bench-evidence
	$(release)/segue-bench-evidence Benchmarks/results/evidence.json

.PHONY: simulate
simulate: bootstrap ## Run a million rollouts in simulated worlds; SEEDS=A..B for others
	swift build --configuration release --scratch-path .build-release --product segue-simulate
	$(release)/segue-simulate $(SEEDS)

.PHONY: fuzz
fuzz: bootstrap ## Fuzz what reads foreign octets; FUZZ_SECONDS=60 each, FUZZ_TARGETS="http2 diff"
	FUZZ_SECONDS='$(FUZZ_SECONDS)' FUZZ_TARGETS='$(FUZZ_TARGETS)' Scripts/fuzz

.PHONY: fuzz-corpus
fuzz-corpus: bootstrap ## Keep what `make fuzz` found beyond what is in Fuzzing/Corpus
	FUZZ_TARGETS='$(FUZZ_TARGETS)' Scripts/fuzz --merge

.PHONY: docs
docs: build-tests ## Check the documentation's links and write the man pages into .build/man
	swift test --skip-build --disable-xctest --filter DocumentationTests 2>&1 | $(quietly)
	Scripts/manpages $(debug)/segue .build/man

.PHONY: install
install: ## Install what `make release` built, under PREFIX (/usr/local) and DESTDIR
	@test -x $(release)/segue || { echo "There is nothing to install yet: run 'make release' first."; exit 1; }
	install -D -m 0755 $(release)/segue $(DESTDIR)$(bindir)/segue
	mkdir -p $(addprefix $(DESTDIR),$(unitdir) $(mandir) $(bashdir) $(zshdir) $(fishdir))
	for unit in Packaging/systemd/*; do \
	  sed 's|/usr/local/bin/|$(bindir)/|g' "$$unit" > "$(DESTDIR)$(unitdir)/$${unit##*/}"; \
	done
	$(release)/segue --generate-completion-script bash > $(DESTDIR)$(bashdir)/segue
	$(release)/segue --generate-completion-script zsh > $(DESTDIR)$(zshdir)/_segue
	$(release)/segue --generate-completion-script fish > $(DESTDIR)$(fishdir)/segue.fish
	Scripts/manpages $(release)/segue $(DESTDIR)$(mandir)

.PHONY: uninstall
uninstall: ## Remove what `make install` put there; state directories stay
	rm -f $(DESTDIR)$(bindir)/segue $(DESTDIR)$(bashdir)/segue $(DESTDIR)$(zshdir)/_segue \
	  $(DESTDIR)$(fishdir)/segue.fish $(DESTDIR)$(mandir)/segue.1 $(DESTDIR)$(mandir)/segue-*.1
	for unit in Packaging/systemd/*; do rm -f "$(DESTDIR)$(unitdir)/$${unit##*/}"; done

.PHONY: clean
clean: ## Remove everything that was built
	rm -rf .build .build-release .build-fuzz
