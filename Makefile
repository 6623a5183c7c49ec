# Everything a developer or CI does here, one target each. Needs a Rust toolchain and Debian;
# RabbitMQ, PostgreSQL and Redis come from scripts/services.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.SILENT:
# The targets share one build directory and one set of services: side by side they would only wait.
.NOTPARALLEL:
.DEFAULT_GOAL := help
# Cargo would look for make's job server, which it cannot reach from here.
unexport MAKEFLAGS

# Colours for people only: not in files, not in CI, not where NO_COLOR is set.
export COLOUR := $(if $(NO_COLOR),,$(shell test -t 2 && echo yes))
BEGAN := $(shell date +%s)
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
# The development profile, for trying out and testing; link-time optimisation is for `make build`.
WORKER := $(TARGET_DIR)/debug/join-community --config config/local.toml
# What cannot be checked on this machine, a line each; by scripts/left-out, and by tests.
export JOIN_COMMUNITY_LEFT_OUT := $(abspath $(TARGET_DIR))/left-out
CARGO_DENY := 0.20.2
# With the features that the tests build it with, so that it is not built twice.
SPEAK := cargo run --locked --quiet --all-features --bin join-community -- contract

# In CI nothing is compiled twice from the same checkout, so there is nothing to prepare for.
ifeq ($(CI),true)
export CARGO_INCREMENTAL := 0
endif

# What crates begin with that whoever builds the client library alone is to be spared.
WORKERS_OWN := anyhow|axum|backoff|clap|hyper|jsonwebtoken|maud|metrics|opentelemetry|prost|reqwest|secrecy|sqlx|tikv-|toml|tracing-subscriber|utoipa

# $(step) "what begins now": one line on stderr, with the seconds since make began.
step = step() { local d= b= p=; [[ -z $$COLOUR ]] || { d=$$'\e[2m' b=$$'\e[1m' p=$$'\e[0m'; }; \
	printf '%s%4ds%s %s%s%s\n' "$$d" $$(($$(date +%s) - $(BEGAN))) "$$p" "$$b" "$$1" "$$p" >&2; }; step
# What the caller's shell happens to configure must not decide what a test sees.
own_services = unset $${!JOIN_COMMUNITY__@}; eval "$$(scripts/services env)"
# The next release of Debian, with the next major versions of all three services.
NEXT := scripts/services --release trixie

.PHONY: help
help: ## This list
	c=$${COLOUR:+$$'\e[36m'} p=$${COLOUR:+$$'\e[0m'}
	[[ -t 1 ]] || c='' p=''
	echo "Join Community: the worker behind members.joinCommunity(). First: make demo"
	awk -F ':.*## ' -v c="$$c" -v p="$$p" '/^[a-z-]+:.*## / { printf "  %smake %-13s%s %s\n", c, $$1, p, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: built-and-served ## The whole story on real services, in a table; sets everything up
	eval "$$(scripts/services env)"
	$(step) "bringing the database schema up to date"
	$(WORKER) migrate
	$(step) "sending requests and listening to what comes of them"
	$(WORKER) demo
	b=$${COLOUR:+$$'\e[1m'} p=$${COLOUR:+$$'\e[0m'}
	who=$${RABBITMQ_MANAGEMENT_URL#*//} who=$${who%%@*}
	printf '%s\n' "" "$${b}Where to look next$$p" \
		"  RabbitMQ dashboard   http://$${RABBITMQ_MANAGEMENT_URL##*@} (user $${who%%:*}, password $${who#*:})" \
		"  make run             the worker in the foreground, on the same services; Ctrl-C drains it" \
		"  README.md            how to send requests of your own, by token or as a trusted producer" \
		"  make clean           stops the services and removes their data" >&2

.PHONY: run
run: built-and-served ## The worker in the foreground, on private services
	eval "$$(scripts/services env)"
	# Without a key set the worker would wait for one; the token itself is not wanted here.
	[[ -e .services/keys/jwks.json ]] || $(WORKER) token mint --site "$$(</proc/sys/kernel/random/uuid)" \
		--member "$$(</proc/sys/kernel/random/uuid)" >/dev/null
	$(step) "worker starts; Ctrl-C drains and stops it"
	exec $(WORKER) run --migrate

# The build takes minutes the first time, the services a moment: side by side. If the services
# cannot be had, that is said at once and not after the build.
.PHONY: built-and-served
built-and-served:
	$(step) "building the worker, and starting RabbitMQ, PostgreSQL and Redis"
	cargo build --locked --bin join-community & build=$$!
	scripts/services up & services=$$!
	trap 'kill $$build 2>/dev/null || true; exit 130' INT TERM
	wait $$services || { kill $$build 2>/dev/null || true; exit 1; }
	wait $$build

.PHONY: test
test: nothing-left-out format scripts rules lint docs policy contract deploy archive tests examples instructions ## The gate: everything CI checks; the first failure stops
	if [[ -s $$JOIN_COMMUNITY_LEFT_OUT ]]; then
		$(step) "all passed but for what could not be checked here:"
		# Several tests may have left out the same.
		awk '!said[$$0]++ { print "      " $$0 }' "$$JOIN_COMMUNITY_LEFT_OUT" >&2
	else
		$(step) "all passed"
	fi

.PHONY: nothing-left-out
nothing-left-out: # Forgets what the last run could not check
	rm -f -- "$$JOIN_COMMUNITY_LEFT_OUT"

.PHONY: format
format: # Formatting as rustfmt.toml says
	$(step) "formatting"
	cargo fmt --all --check

# Whatever can be checked here is; what cannot be is named, for a silent check is none.
.PHONY: scripts
scripts: # Shell scripts and docker-compose.yml parse
	$(step) "scripts and docker-compose.yml"
	mapfile -t shell < <(find scripts .ci -type f)
	for file in "$${shell[@]}"; do bash -n "$$file"; done
	sh -n config/rabbitmq/definitions.sh
	if command -v shellcheck >/dev/null; then
		shellcheck --severity=warning -x "$${shell[@]}"
	else
		scripts/left-out "shellcheck is not installed: scripts were only parsed"
	fi
	if docker compose version >/dev/null 2>&1; then
		docker compose --file docker-compose.yml config --quiet
	elif python3 -c 'import yaml' 2>/dev/null; then
		python3 -c 'import yaml; yaml.safe_load(open("docker-compose.yml"))'
	else
		scripts/left-out "neither docker compose nor python3-yaml is installed: docker-compose.yml was not parsed"
	fi

.PHONY: rules
rules: # Alert rules, what they tell, and each query of the dashboard: as promtool reads them
	$(step) "alert rules and dashboard queries"
	code=0
	scripts/promtool --version >/dev/null 2>&1 || code=$$?
	if ((code == 77)); then
		scripts/left-out "promtool (Debian's package prometheus) is not to be had: config/prometheus was not checked by it"
		exit 0
	fi
	scripts/promtool check config config/prometheus/prometheus.yml >/dev/null
	scripts/promtool test rules config/prometheus/alerts_test.yml >/dev/null
	if ! command -v python3 >/dev/null; then
		scripts/left-out "python3 is not installed: the queries of the dashboard were not parsed"
		exit 0
	fi
	# promtool parses rules: each query becomes one.
	mkdir -p $(TARGET_DIR)/promtool
	python3 -c 'import json; print(json.dumps({"groups": [{"name": "dashboard", "rules": [
	    {"record": "q:%d" % n, "expr": query.replace("$$__rate_interval", "5m")} for n, query in enumerate(
	        target["expr"] for panel in json.load(open("config/grafana/dashboards/join-community.json"))["panels"]
	        for target in panel.get("targets", []))]}]}))' >$(TARGET_DIR)/promtool/dashboard.json
	scripts/promtool check rules $(TARGET_DIR)/promtool/dashboard.json >/dev/null

.PHONY: lint
lint: # Clippy, warnings denied; with every feature, with those of a release, and the client and what it needs alone
	$(step) "clippy"
	cargo clippy --locked --all-targets --all-features -- -D warnings
	cargo clippy --locked --lib --bins -- -D warnings
	cargo clippy --locked --lib --no-default-features -- -D warnings
	cargo clippy --locked --lib --examples --no-default-features --features client -- -D warnings

.PHONY: docs
docs: # Rustdoc, private items too, warnings denied; the contract as a page beside it
	$(step) "rustdoc, and the page of the contract"
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --document-private-items --quiet --features client
	$(SPEAK) export --format html >$(TARGET_DIR)/doc/contract.html

.PHONY: contract
contract: # Nothing breaks the contract that others hold; its files as tools that are not ours read them
	$(step) "contract: what changed since the last release"
	$(SPEAK) diff contract/released
	$(step) "contract: by other implementations"
	scripts/contract

.PHONY: deploy
deploy: # Dockerfile, Kubernetes manifests, rights of RabbitMQ's users: by tools that are not ours, and tried
	$(step) "deployment: image, manifests, rights"
	cargo build --locked --quiet --all-features --bin join-community
	scripts/services up
	$(own_services)
	scripts/deploy

.PHONY: archive
archive: # What a release is packed into: content, checksums, completions, pages; twice the same; refused when not ready
	$(step) "release: the archive, with the development build in it"
	cargo build --locked --quiet --all-features --bin join-community
	scripts/release --check $(TARGET_DIR)/debug/join-community

# Advisories need data that a machine without internet cannot fetch, and change without a commit
# of ours: `make advisories` is for whoever looks after the project.
.PHONY: policy
policy: deny # Bans, licences and sources of every dependency; what the client brings, the bill of materials, one version of Rust
	$(step) "the client library brings nothing of the worker's"
	brought=$$(cargo tree --locked --edges normal --prefix none --no-default-features --features client)
	grep -q '^lapin ' <<<"$$brought" || { echo "cargo tree says something that is read wrongly here" >&2; exit 1; }
	if grep -E '^($(WORKERS_OWN))[a-z0-9_-]* ' <<<"$$brought" >&2; then
		echo "the feature client brings the crates above, which are the worker's" >&2
		exit 1
	fi
	$(step) "cargo deny: bans, licences, sources"
	cargo deny --locked check --hide-inclusion-graph bans licenses sources
	$(step) "bill of materials, licences, version of Rust"
	scripts/sbom --check

.PHONY: sbom
sbom: ## What a release is made of, as CycloneDX: target/sbom.cdx.json
	scripts/sbom

.PHONY: licenses
licenses: ## docs/licenses.md, after a change of dependencies
	scripts/sbom --licenses

.PHONY: advisories
advisories: deny # Known advisories of every dependency; needs the internet
	cargo deny --locked check advisories

# Compiled without its release profile's optimisation: it reads one lock file, once.
.PHONY: deny
deny:
	cargo deny --version >/dev/null 2>&1 && exit
	$(step) "installing cargo-deny $(CARGO_DENY) into cargo's bin folder: once, a few minutes"
	env -u CARGO_TARGET_DIR CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
		CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_DEBUG=0 \
		cargo install --locked --quiet cargo-deny --version $(CARGO_DENY)

.PHONY: tests
tests: # Unit, property and integration tests, on the real services
	$(step) "RabbitMQ, PostgreSQL and Redis for the tests"
	scripts/services up
	$(own_services)
	$(step) "a browser for the tests"
	scripts/browser
	$(step) "tests"
	cargo test --locked --all-features

.PHONY: examples
examples: # The examples by the test vectors, events and webhooks as others read them
	$(step) "RabbitMQ, PostgreSQL and Redis for the examples"
	scripts/services up
	$(own_services)
	# What `make tests` has built, with the features that it built it with.
	cargo build --locked --quiet --all-features --bin join-community --examples
	$(step) "examples"
	scripts/examples $(TARGET_DIR)/debug/join-community

.PHONY: examples-next
examples-next: ## The examples on RabbitMQ 4, where AMQP 1.0 is built in; installs Debian 13 into a folder of its own
	$(step) "RabbitMQ 4, PostgreSQL 17 and Redis 8 for the examples"
	code=0
	$(NEXT) up || code=$$?
	if ((code == 77)); then echo "skipped: examples-next needs the services of Debian 13, see above" >&2; exit 0; fi
	((code == 0)) || exit $$code
	trap '$(NEXT) down' EXIT
	unset $${!JOIN_COMMUNITY__@}
	eval "$$($(NEXT) env)"
	cargo build --locked --quiet --all-features --bin join-community --examples
	$(step) "examples"
	scripts/examples $(TARGET_DIR)/debug/join-community

.PHONY: faults-quick
faults-quick: ## Every kind of fault once, each with its proof; minutes
	scripts/services up
	$(own_services)
	cargo test --locked --all-features --test faults -- $(FAULTS)

.PHONY: faults-next
faults-next: ## The same on RabbitMQ 4, PostgreSQL 17 and Redis 8; installs Debian 13 into a folder of its own
	code=0
	$(NEXT) up || code=$$?
	if ((code == 77)); then echo "skipped: faults-next needs the services of Debian 13, see above" >&2; exit 0; fi
	((code == 0)) || exit $$code
	unset $${!JOIN_COMMUNITY__@}
	eval "$$($(NEXT) env)"
	cargo test --locked --all-features --test faults -- --record docs/reliability.md --table faults-next $(FAULTS)
	$(NEXT) down

.PHONY: faults
faults: ## The whole fault matrix, into docs/reliability.md; hours, RESUME=1 goes on
	scripts/services up
	$(own_services)
	cargo test --locked --all-features --test faults -- --whole $(if $(RESUME),--resume) --record docs/reliability.md $(FAULTS)

# A release is a commit as any other: FROM is the one that it was packed from, or whichever is of interest.
.PHONY: upgrade
upgrade: ## From the worker of an earlier commit to this one, under load: FROM=REVISION; minutes, more the first time
	[[ -n "$(FROM)" ]] || { echo "make upgrade FROM=REVISION: say which commit, tag or branch to begin with" >&2; exit 2; }
	scripts/services up
	$(own_services)
	scripts/upgrade-test "$(FROM)"

.PHONY: mutants
mutants: ## Build the worker wrong in known ways; the checker must notice each; many minutes
	scripts/services up
	$(own_services)
	cargo test --locked --all-features --test faults -- mutants $(MUTANTS)

.PHONY: fuzz
fuzz: ## Ten million requests and a million of everything else that is read from outside; an hour
	cargo test --locked --all-features --test fuzz -- --long $(FUZZ)

.PHONY: bench
bench: ## How fast the worker is, beside ceilings and peers, into docs/performance.md; BENCH=--help
	scripts/services up
	$(own_services)
	# Cargo builds a worker beside the bench, with a feature that no release has. So the bench is built first, and the
	# worker, as a user has it, over that one.
	$(step) "building the bench"
	bench=$$(cargo bench --locked --features ceilings --bench throughput --no-run --message-format json |
		sed -n 's/.*"executable":"\([^"]*throughput-[^"]*\)".*/\1/p')
	$(step) "building the worker"
	cargo build --locked --release --bin join-community
	$(step) "measuring"
	"$$bench" --worker $(TARGET_DIR)/release/join-community --record docs/performance.md $(BENCH)

.PHONY: instructions
instructions: ## Instructions of the hot path against the recorded ones; RECORD=1 records them
	$(step) "instructions of the hot path"
	cargo bench --locked --bench instructions -- $(if $(RECORD),record)

.PHONY: build
build: ## target/release/join-community, for production
	cargo build --locked --release --bin join-community

.PHONY: release
release: ## dist/: the archive of a release, with checksums; ANYWAY=1 packs a tree that is not ready, to try
	$(step) "release"
	scripts/release $(if $(ANYWAY),--anyway)

# Twice the time of a release build, in new folders, so no part of the gate.
.PHONY: reproducible
reproducible: ## Whether the last commit gives the same program wherever it is built: two builds, compared; long
	$(step) "the program, built twice in two places"
	scripts/reproducible

# The services' data may lie elsewhere (scripts/services says when), then .services is a link to it.
.PHONY: clean
clean: ## Stop the services; remove their data and everything built
	scripts/services down
	if [[ -e .services-trixie ]]; then $(NEXT) down; fi
	for data in .services .services-trixie; do
		if [[ -L $$data && $$(readlink $$data) == /var/tmp/join-community-services-* ]]; then
			rm -rf -- "$$(readlink $$data)"
		fi
		rm -rf -- $$data
	done
	rm -rf -- target dist
