# Builds with cargo, for those who type make and for recipes of packages: targets, variables and the lines with switches are those
# that recipes for the original use. `make help` lists them.
#
# Recipes uncomment the lines below, by loose patterns too, or insert and append such lines. So no other line here names a switch,
# names of our own have a hyphen, which nobody's environment has under `make -e`, and `install` is the last rule, which appended
# commands belong to.

FEATURES+=-DWANT_FULLSCRAPE
#FEATURES+=-DWANT_V6
#FEATURES+=-DWANT_DUAL_STACK
#FEATURES+=-DWANT_V4_ONLY
#FEATURES+=-DWANT_ACCESSLIST_BLACK
#FEATURES+=-DWANT_ACCESSLIST_WHITE
#FEATURES+=-DWANT_ACCESSLIST_ANY
#FEATURES+=-DWANT_DYNAMIC_ACCESSLIST
#FEATURES+=-DWANT_SYNC_LIVE
#FEATURES+=-DWANT_SYNC_SCRAPE
#FEATURES+=-DWANT_IP_FROM_QUERY_STRING
#FEATURES+=-DWANT_IP_FROM_PROXY
#FEATURES+=-DWANT_COMPRESSION_GZIP
#FEATURES+=-DWANT_COMPRESSION_GZIP_ALWAYS
#FEATURES+=-DWANT_RESTRICT_STATS
#FEATURES+=-DWANT_MODEST_FULLSCRAPES
#FEATURES+=-DWANT_LOG_NETWORKS
#FEATURES+=-DWANT_LOG_NUMWANT
#FEATURES+=-DWANT_FULLLOG_NETWORKS
#FEATURES+=-DWANT_SPOT_WOODPECKER
#FEATURES+=-DWANT_SYSLOGS
#FEATURES+=-DWANT_KEEPALIVE
#FEATURES+=-DWANT_METRICS
#FEATURES+=-DWANT_DEV_RANDOM
#FEATURES+=-DWANT_ARC4RANDOM
#FEATURES+=-DWANT_NO_AUTO_FREE
#FEATURES+=-D_DEBUG_HTTPERROR

CARGO      ?= cargo
CARGOFLAGS ?= --locked
RUSTC      ?= rustc
INSTALL    ?= install
PREFIX     ?= /usr/local
BINDIR     ?= $(PREFIX)/bin
MANDIR     ?= $(data-dir)/man
DOCDIR     ?= $(data-dir)/doc/$(BINARY)
UNITDIR    ?= $(lib-dir)/systemd/system
SYSUSERSDIR ?= $(lib-dir)/sysusers.d
TMPFILESDIR ?= $(lib-dir)/tmpfiles.d
BINARY     = opentracker

# Where only BINDIR is named, nothing is installed outside of the directory that it lies in.
base-dir = $(or $(if $(filter /usr/local,$(PREFIX)),$(patsubst %/bin,%,$(patsubst %/sbin,%,$(BINDIR:/=)))),$(PREFIX:/=))
data-dir = $(base-dir)/share
lib-dir = $(base-dir)/lib

doc-files = opentracker.conf.sample README.md OPERATING.md features.md CHANGELOG.md NOTICES

# ---- the switches ----

# All that there are and the usual ones, from the package's manifest, and pairs of the two spellings of each. What the compiler refuses by
# a message of ours is refused here with the same advice.
switch-names := $(filter-out default compression-zstd%,$(shell sed -n '/^\[features\]/,/^\[dep/s/^\([a-z0-9-]*\) = .*/\1/p' Cargo.toml))
usual-switches := $(sort $(shell sed -n 's/^default = \[\(.*\)\]/\1/p' Cargo.toml | tr -d '",'))
switch-pairs := $(join $(switch-names),$(addprefix =-DWANT_,$(shell echo $(switch-names) | tr a-z- A-Z_)))

# Other words in the environment's variable belong to somebody else: Gentoo's package manager has one of this name. Under `make -e`
# the variable may be theirs altogether.
others-words := $(if $(filter-out command line,$(origin FEATURES)),$(filter-out -DWANT_%,$(shell printf %s "$$FEATURES")))
nothing-asked = $(if $(filter override,$(origin FEATURES)),$(if $(asked-words),,yes))

# What was asked for, as it is when a rule needs it, since lines may be appended to this file.
asked-words = $(patsubst %=1,%,$(filter-out $(others-words),$(FEATURES)) $(filter -DWANT_%,$(CPPFLAGS) $(CFLAGS)))
named-switches = $(foreach pair,$(switch-pairs),$(if $(filter $(subst =, ,$(pair)),$(asked-words)),$(firstword $(subst =, ,$(pair)))))
asked-switches = $(if $(nothing-asked),$(usual-switches),$(sort $(named-switches)))

# Words for a C compiler mean nothing here and do no harm; -D and -U of unknown names would.
c-words := -D_% -DNDEBUG -DWANT_THREAD_NAME_NP -f% -g% -m% -p% -s% -w% -I% -L% -O% -W%
unknown-words = $(filter-out $(subst =, ,$(switch-pairs)) $(c-words),$(asked-words))
understood = $(filter -D%,$(subst =, ,$(switch-pairs)))
no-zstd = $(if $(findstring ZSTD,$(unknown-words)), Answers are compressed with gzip: use -DWANT_COMPRESSION_GZIP.)
check-words = $(if $(unknown-words),$(error Not understood: $(unknown-words).$(no-zstd) The switches are $(understood)))

# ---- the build ----

static-asked = $(filter-out 0 n no,$(STATIC)) $(filter -static --static -static-pie,$(LDFLAGS))
ifneq ($(strip $(static-asked)),)
rust-host := $(shell $(RUSTC) -vV | sed -n 's/^host: //p')
rust-musl := $(subst -gnu,-musl,$(rust-host))
# musl's library, where it is installed, else the host's own.
rust-static := $(if $(wildcard $(shell $(RUSTC) --print sysroot)/lib/rustlib/$(rust-musl)/lib),$(rust-musl),$(rust-host))
rust-target := $(or $(CARGO_BUILD_TARGET),$(rust-static))
cargo-static = RUSTFLAGS="$$RUSTFLAGS -C target-feature=+crt-static"
cargo-target = --target $(rust-target)
else
rust-target := $(CARGO_BUILD_TARGET)
endif

# The machine that a C compiler by a name such as mipsel-linux-gcc is for. Cargo would pass over that without a word.
machines := x86_64 i686 arm aarch64 aarch64_be mips mipsel mips64 mips64el powerpc powerpc64 powerpc64le riscv64 s390x loongarch64
first-part = $(patsubst i%86,i686,$(patsubst arm%,arm,$(patsubst riscv64%,riscv64,$(firstword $(subst -, ,$(1))))))
compiler-words = $(if $(filter default undefined,$(origin CC)),,$(notdir $(CC)))
compiler-machine = $(filter $(machines),$(foreach word,$(compiler-words),$(if $(findstring -,$(word)),$(call first-part,$(word)))))
host-machine = $(call first-part,$(lastword $(shell $(RUSTC) -vV | grep '^host: ')))
other-machine = $(if $(compiler-machine),$(filter-out $(host-machine),$(compiler-machine)))
check-machine = $(if $(rust-target),,$(if $(other-machine),$(error CC is a compiler for $(other-machine). \
Name what to build for in CARGO_BUILD_TARGET, as rustc spells it, for instance aarch64-unknown-linux-musl)))

cargo-switches = --no-default-features --features "$(asked-switches)"
built-under := $(or $(CARGO_TARGET_DIR),$(CARGO_BUILD_TARGET_DIR),target)
built-program = $(built-under)$(if $(rust-target),/$(rust-target))/release/opentracker
# What the program at the top was built with.
built-note = $(built-under)/$(BINARY).built-with
built-with = $(subst $(no-word) $(no-word),+,$(asked-switches) $(rust-target))

.PHONY: all build check test lint powerset systems packages-test bench clean help install install-strip uninstall $(BINARY) $(BINARY).debug
.SECONDEXPANSION:

all: $(BINARY) $(BINARY).debug

$(BINARY):
	$(check-words)$(check-machine)$(cargo-static) $(CARGO) build --release $(CARGOFLAGS) $(cargo-target) $(cargo-switches)
	@cp -f "$(built-program)" $@
	@echo "$(built-with)" > "$(built-note)"

# A release build has its line numbers with it always; `install-strip` leaves them out.
$(BINARY).debug: $(BINARY)
	@cp -f $(BINARY) $@

build: $(BINARY)

help:
	@echo 'make [VARIABLE=VALUE]... [TARGET]...'
	@echo
	@echo 'all             the default: ./$(BINARY), and ./$(BINARY).debug, the same under another name'
	@echo 'install         what was built last, or the switches named: program, manual pages, sample config, units'
	@echo 'install-strip   the same, the program without its line numbers'
	@echo 'uninstall       removes that'
	@echo 'check           tests of the build that the variables ask for'
	@echo 'test, lint, powerset, systems, packages-test, bench    what the developers run'
	@echo 'clean           removes what was built'
	@echo
	@echo 'FEATURES        the switches, as "-DWANT_X ..." or as "x ...", in place of the usual ones;'
	@echo '                in the environment, as -DWANT_X, in addition to them'
	@echo 'BINARY          the name of the program: $(BINARY)'
	@echo 'STATIC=1        a program that needs no shared library (so does LDFLAGS=-static)'
	@echo 'PREFIX, BINDIR, MANDIR, DOCDIR, DESTDIR, UNITDIR, SYSUSERSDIR, TMPFILESDIR    where to install'
	@echo 'CARGO, CARGOFLAGS, RUSTC, INSTALL, OPENTRACKER_COMMIT    what to build with'
	@echo
	@echo 'switches: $(switch-names)'
	@echo 'asked for: $(or $(asked-switches),none)'

check:
	$(check-words)$(CARGO) test $(CARGOFLAGS) $(cargo-switches)

# Everything: unit and integration tests, with epoll and with poll(2), with the default switches and with others.
test:
	@.ci/test

lint:
	@.ci/lint

# Every switch, every pair of switches, and the sets that people build.
powerset:
	@.ci/powerset

# Other machines and systems.
systems:
	@.ci/systems i686 types bsd musl

# Debian's packages and others', installed under a booted systemd. As root.
packages-test:
	@.ci/packages

# Side by side with the original: benches/README.md.
bench:
	$(CARGO) run --release --locked --manifest-path benches/load/Cargo.toml

clean:
	$(CARGO) clean
	rm -f $(BINARY) $(BINARY).debug

uninstall:
	rm -f "$(DESTDIR)$(BINDIR)/$(BINARY)" "$(DESTDIR)$(MANDIR)/man8/$(BINARY).8" "$(DESTDIR)$(MANDIR)/man5/$(BINARY).conf.5"
	rm -f "$(DESTDIR)$(UNITDIR)/$(BINARY).service" "$(DESTDIR)$(UNITDIR)/$(BINARY)@.service"
	rm -f "$(DESTDIR)$(SYSUSERSDIR)/opentracker.conf" "$(DESTDIR)$(TMPFILESDIR)/opentracker.conf"
	cd "$(DESTDIR)$(DOCDIR)" && rm -f $(doc-files)
	rmdir "$(DESTDIR)$(DOCDIR)"

install-strip: install-option = -s
install-strip: install

# Installing what was built before takes no cargo, and no switches named again.
same-as-usual = $(and $(filter-out command line,$(origin FEATURES)),$(findstring =$(usual-switches)=,=$(asked-switches)$(rust-target)=))
same-as-built = $(findstring =$(built-with)=,=$(shell cat "$(built-note)" 2>/dev/null)=)
install-needs = $(if $(and $(wildcard $(BINARY)),$(or $(same-as-usual),$(same-as-built))),,$(BINARY))

install: $$(install-needs)
	$(check-words)$(INSTALL) -d "$(DESTDIR)$(BINDIR)" "$(DESTDIR)$(MANDIR)/man5" "$(DESTDIR)$(MANDIR)/man8" "$(DESTDIR)$(DOCDIR)"
	$(INSTALL) $(install-option) -m 755 $(BINARY) "$(DESTDIR)$(BINDIR)/$(BINARY)"
	$(INSTALL) -m 644 packaging/opentracker.8 "$(DESTDIR)$(MANDIR)/man8/$(BINARY).8"
	$(INSTALL) -m 644 packaging/opentracker.conf.5 "$(DESTDIR)$(MANDIR)/man5/$(BINARY).conf.5"
	$(INSTALL) -m 644 $(doc-files) "$(DESTDIR)$(DOCDIR)/"
	$(INSTALL) -d "$(DESTDIR)$(SYSUSERSDIR)" "$(DESTDIR)$(TMPFILESDIR)"
	sh packaging/units packaging/opentracker.service "$(DESTDIR)$(UNITDIR)" "$(BINDIR)/$(BINARY)"
	$(INSTALL) -m 644 packaging/opentracker.sysusers "$(DESTDIR)$(SYSUSERSDIR)/opentracker.conf"
	$(INSTALL) -m 644 packaging/opentracker.tmpfiles "$(DESTDIR)$(TMPFILESDIR)/opentracker.conf"
