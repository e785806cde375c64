# The two that matter: `make run` shows muster at work, `make test` tests all of it.

TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
PARTS := $(TARGET)/test-parts

.PHONY: help run deb portable install test test-vm fuzz bench fmt lint

help: ## says what there is to make
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile

run: ## builds, serves a copy of cluster-example/ from a git repository, and says what to try (PORT=8270)
	cargo build --locked
	@sh tests/demo.sh

deb: ## builds a Debian package into target/deb
	cargo build --locked --release
	@sh packaging/deb.sh $(TARGET)/release/muster $(TARGET)/deb

portable: ## builds for glibc 2.28 and newer (RHEL 8, SLES 15, Debian 10), with zig from PyPI, into target/portable
	@sh packaging/portable.sh $(TARGET)

install: ## builds, and installs under PREFIX=/usr, SYSCONFDIR=/etc and DESTDIR
	cargo build --locked --release
	@sh packaging/stage.sh $(TARGET)/release/muster "$(DESTDIR)"

test: ## installs what the tests need (Debian packages, PyPI, npm), runs all of them, and says which were skipped
	@sh tests/setup.sh
	@rm -f $(PARTS)/skipped
	@MUSTER_TEST_REQUIRE=$$(cat $(PARTS)/installed) cargo test --locked --workspace --no-fail-fast; status=$$?; \
	touch $(PARTS)/skipped; sort -u $(PARTS)/skipped; \
	echo "$$(sort -u $(PARTS)/skipped | wc -l) skipped"; exit $$status

test-vm: ## as root, for acceptance: machines boot over a network from `muster serve`, one of them Debian with its cloud-init
	@sh tests/setup.sh libvirt dnsmasq loaders guest
	@rm -f $(PARTS)/skipped
	@MUSTER_TEST_REQUIRE=$$(cat $(PARTS)/installed) cargo test --locked --test boot -- --ignored --nocapture --test-threads=1; status=$$?; \
	touch $(PARTS)/skipped; sort -u $(PARTS)/skipped; \
	echo "$$(sort -u $(PARTS)/skipped | wc -l) skipped"; exit $$status

fuzz: ## looks for bytes that break what reads wishes, requests and commits, for FUZZ_SECONDS (60) each
	@sh fuzz/run.sh

bench: ## measures, and prints tables
	cargo bench --locked

fmt: ## formats the source
	cargo fmt --all
	cargo fmt --all --manifest-path fuzz/Cargo.toml

lint: ## finds what the compiler lets pass
	cargo clippy --locked --workspace --all-targets -- -D warnings
