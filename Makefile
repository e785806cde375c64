# The main targets: `make run` demonstrates muster, `make test` runs all tests.

TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
PARTS := $(TARGET)/test-parts

.PHONY: help run deb portable install test test-vm fuzz bench fmt lint

help: ## lists the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile

run: ## builds muster, serves a copy of cluster-example/ from a git repository, and prints commands to try (PORT=8270)
	cargo build --locked
	@sh tests/demo.sh

deb: ## builds a Debian package into target/deb
	cargo build --locked --release
	@sh packaging/deb.sh $(TARGET)/release/muster $(TARGET)/deb

portable: ## builds for glibc 2.28 and newer (RHEL 8, SLES 15, Debian 10), with zig from PyPI, into target/portable
	@sh packaging/portable.sh $(TARGET)

install: ## builds and installs under PREFIX=/usr, SYSCONFDIR=/etc and DESTDIR
	cargo build --locked --release
	@sh packaging/stage.sh $(TARGET)/release/muster "$(DESTDIR)"

test: ## installs the counterparts for the tests (Debian packages, PyPI, npm), runs all tests, and lists skipped ones
	@sh tests/setup.sh
	@rm -f $(PARTS)/skipped
	@MUSTER_TEST_REQUIRE=$$(cat $(PARTS)/installed) cargo test --locked --workspace --no-fail-fast; status=$$?; \
	touch $(PARTS)/skipped; sort -u $(PARTS)/skipped; \
	echo "$$(sort -u $(PARTS)/skipped | wc -l) skipped"; exit $$status

test-vm: ## as root: boots machines over a network from `muster serve`, one of them a Debian with its cloud-init
	@sh tests/setup.sh libvirt dnsmasq loaders guest
	@rm -f $(PARTS)/skipped
	@MUSTER_TEST_REQUIRE=$$(cat $(PARTS)/installed) cargo test --locked --test boot -- --ignored --nocapture --test-threads=1; status=$$?; \
	touch $(PARTS)/skipped; sort -u $(PARTS)/skipped; \
	echo "$$(sort -u $(PARTS)/skipped | wc -l) skipped"; exit $$status

fuzz: ## runs each fuzz target for FUZZ_SECONDS (60)
	@sh fuzz/run.sh

bench: ## measures, and prints tables
	cargo bench --locked

fmt: ## formats the source
	cargo fmt --all
	cargo fmt --all --manifest-path fuzz/Cargo.toml

lint: ## runs clippy
	cargo clippy --locked --workspace --all-targets -- -D warnings
