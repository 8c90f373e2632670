# Builds with cargo; here for those who type make, and for what is more than one command.
#
#     make FEATURES="fullscrape v6"       the switches to build with, in place of the default ones
#     make FEATURES="-DWANT_V6"           the same in the original's spelling
#     make install PREFIX=/usr DESTDIR=/tmp/package

CARGO   ?= cargo
INSTALL ?= install
PREFIX  ?= /usr/local
MANDIR  ?= $(PREFIX)/share/man
DOCDIR  ?= $(PREFIX)/share/doc/opentracker

programs := $(or $(BINDIR),$(PREFIX)/bin)
BINARY := $(or $(CARGO_TARGET_DIR),target)/release/opentracker

# Only FEATURES given to make itself count: some systems have a variable of this name in the environment, for other ends.
ifeq ($(origin FEATURES),command line)
originals := $(patsubst -DWANT_%,%,$(filter -DWANT_%,$(FEATURES)))
switches := $(filter-out -DWANT_%,$(FEATURES)) $(shell echo '$(originals)' | tr A-Z_ a-z-)
chosen := --no-default-features --features "$(strip $(switches))"
endif

.PHONY: build install test lint powerset bench clean

build:
	$(CARGO) build --release --locked $(chosen)

# Installs what was built last, so that the switches need not be named again and root needs no cargo.
install: $(if $(chosen),build,$(BINARY))
	$(INSTALL) -d "$(DESTDIR)$(programs)" "$(DESTDIR)$(MANDIR)/man5" "$(DESTDIR)$(MANDIR)/man8" "$(DESTDIR)$(DOCDIR)"
	$(INSTALL) -m 755 "$(BINARY)" "$(DESTDIR)$(programs)/opentracker"
	$(INSTALL) -m 644 packaging/opentracker.8 "$(DESTDIR)$(MANDIR)/man8/opentracker.8"
	$(INSTALL) -m 644 packaging/opentracker.conf.5 "$(DESTDIR)$(MANDIR)/man5/opentracker.conf.5"
	$(INSTALL) -m 644 opentracker.conf.sample README.md features.md "$(DESTDIR)$(DOCDIR)/"

$(BINARY):
	$(CARGO) build --release --locked

# Everything: unit and integration tests, with epoll and with poll(2), with the default switches and with others.
test:
	@.ci/test

lint:
	@.ci/lint

# Every switch, every pair of switches, and the sets that people build.
powerset:
	@.ci/powerset

# Side by side with the original: benches/README.md.
bench:
	$(CARGO) run --release --locked --manifest-path benches/load/Cargo.toml

clean:
	$(CARGO) clean
