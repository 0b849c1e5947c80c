# `make demo` and `make test` set up what they need and run; see README.md.

PREFIX ?= /usr/local
TARGET := $(or $(CARGO_TARGET_DIR),target)
PACKAGING ?= target/packaging
# rustup puts cargo here, and tells only new shells of it.
export PATH := $(PATH):$(HOME)/.cargo/bin

SHARD ?= 15/30

.PHONY: demo test mutants build lint install packaging deb clean set-up
.DEFAULT_GOAL := build

demo: set-up
	cargo run --locked -- demo

test: set-up
	cargo test --locked

# Changes one place after the other in a part of the decoder and the store, and runs the tests of these crates; see
# CONTRIBUTING.md.
mutants: set-up
	NEXTEST_PROFILE=mutants PROPTEST_CASES=32 CARGO_PROFILE_DEV_DEBUG=0 cargo mutants -p dot11 -p store \
	  --test-package dot11,store --test-tool nextest --shard $(SHARD) --sharding round-robin -- --lib

build: set-up
	cargo build --release --locked

lint: set-up
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# Builds nothing, so that `sudo make install` needs no Rust for root.
install:
	@test -x $(TARGET)/release/probewatch || { echo "make install: run make build first" >&2; exit 1; }
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)$(PREFIX)/share/doc/probewatch
	install -m 755 $(TARGET)/release/probewatch $(DESTDIR)$(PREFIX)/bin/probewatch
	sed 's|/usr/local/|$(PREFIX)/|' systemd/probewatch.service > $(DESTDIR)$(PREFIX)/lib/systemd/system/probewatch.service
	chmod 644 $(DESTDIR)$(PREFIX)/lib/systemd/system/probewatch.service
	install -d $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
	  $(DESTDIR)$(PREFIX)/share/zsh/site-functions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	$(TARGET)/release/probewatch man $(DESTDIR)$(PREFIX)/share/man/man1
	$(TARGET)/release/probewatch completions bash \
	  > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/probewatch
	$(TARGET)/release/probewatch completions zsh > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_probewatch
	$(TARGET)/release/probewatch completions fish \
	  > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/probewatch.fish
	install -m 644 config.example.toml README.md CHANGELOG.md $(DESTDIR)$(PREFIX)/share/doc/probewatch
	install -d $(DESTDIR)$(PREFIX)/share/doc/probewatch/docs
	install -m 644 docs/*.md docs/chat.png $(DESTDIR)$(PREFIX)/share/doc/probewatch/docs

# What the package holds besides the binary and files of this repository.
packaging:
	@test -x $(TARGET)/release/probewatch || { echo "make packaging: run make build first" >&2; exit 1; }
	rm -rf $(PACKAGING)
	mkdir -p $(PACKAGING)/man1 $(PACKAGING)/bash $(PACKAGING)/zsh $(PACKAGING)/fish $(PACKAGING)/systemd
	$(TARGET)/release/probewatch man $(PACKAGING)/man1
	$(TARGET)/release/probewatch completions bash > $(PACKAGING)/bash/probewatch
	$(TARGET)/release/probewatch completions zsh > $(PACKAGING)/zsh/_probewatch
	$(TARGET)/release/probewatch completions fish > $(PACKAGING)/fish/probewatch.fish
	sed 's|/usr/local/|/usr/|' systemd/probewatch.service > $(PACKAGING)/systemd/probewatch.service
	packaging/debian-copyright > $(PACKAGING)/copyright
	packaging/debian-changelog > $(PACKAGING)/changelog

deb: build packaging
	@command -v cargo-deb >/dev/null || { echo "make deb: run cargo install cargo-deb first" >&2; exit 1; }
	cargo deb --no-build

clean:
	cargo clean

# Rust, a C compiler (zstd and ring are built from C) and libpcap to link with. Where all of it is there,
# nothing is installed.
NEEDED_RUST := $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)

set-up:
	@command -v cargo >/dev/null || { \
	  echo "Rust is missing: install it as https://rustup.rs says, then run make again." >&2; exit 1; }
	@found=$$(rustc --version | cut -d' ' -f2); \
	[ "$$(printf '%s\n' $(NEEDED_RUST) "$$found" | sort -V | head -n 1)" = $(NEEDED_RUST) ] || { \
	  echo "Rust $$found is too old, $(NEEDED_RUST) is needed: run rustup update, or install Rust as" \
	    "https://rustup.rs says in place of the distribution's." >&2; exit 1; }
	@probe=$$(mktemp); trap 'rm -f "$$probe"' EXIT; \
	links() { printf 'char *pcap_lib_version(void); int main(void) { return !pcap_lib_version(); }' \
	  | cc -x c - -lpcap -o "$$probe" 2>/dev/null; }; \
	if links; then exit 0; fi; \
	if ! command -v apt-get >/dev/null; then \
	  echo "A C compiler and libpcap's development files are missing. Install them, then run make again:" >&2; \
	  echo "  Fedora: sudo dnf install gcc libpcap-devel      openSUSE: sudo zypper install gcc libpcap-devel" >&2; \
	  echo "  Arch:   sudo pacman -S gcc libpcap              Alpine:   sudo apk add build-base libpcap-dev" >&2; \
	  echo "  macOS:  xcode-select --install                  NixOS:    nix-shell -p gcc libpcap" >&2; \
	  exit 1; \
	fi; \
	if [ "$$(id -u)" = 0 ]; then sudo=; \
	elif command -v sudo >/dev/null; then sudo=sudo; \
	else echo "Run as root: apt-get install build-essential libpcap-dev; then run make again." >&2; exit 1; fi; \
	echo "Installing build-essential and libpcap-dev with apt-get"; \
	$$sudo apt-get update -q && \
	$$sudo apt-get install -q -y --no-install-recommends build-essential libpcap-dev && \
	{ links || { echo "libpcap still cannot be linked; does 'cc -lpcap' work here?" >&2; exit 1; }; }
