//! The Makefile as recipes of packages use it, with a program in cargo's place that only notes what it was asked for.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::harness::{self, Scratch};

mod recipes;

/// Stands for cargo: leaves a program that says what it was built with.
const CARGO: &str = r#"#!/bin/sh
verb=$1 triple=${CARGO_BUILD_TARGET:+/$CARGO_BUILD_TARGET} switches=none
while [ $# -gt 0 ]; do
    case $1 in
        --target) triple=/$2 ;;
        --features) switches=$2 ;;
    esac
    shift
done
echo "$verb $switches" >> cargo.log
[ "$verb" = build ] || exit 0
mkdir -p "${CARGO_TARGET_DIR:-target}$triple/release"
echo "$switches$triple$RUSTFLAGS" > "${CARGO_TARGET_DIR:-target}$triple/release/opentracker"
"#;

/// Stands for rustc: names a host.
const RUSTC: &str = "#!/bin/sh\ncase $1 in -vV) echo host: x86_64-unknown-linux-gnu ;; *) echo /nonexistent ;; esac\n";

/// What an installation documents itself with, in the order of `sort`.
const DOCS: [&str; 6] =
    ["CHANGELOG.md", "NOTICES", "OPERATING.md", "README.md", "features.md", "opentracker.conf.sample"];

/// A copy of what the Makefile works with.
struct Source(Scratch);

impl Source {
    /// The copy, or `None`, and the reason is noted.
    fn new() -> Option<Source> {
        if Command::new("make").arg("--version").output().is_err() {
            harness::skipped("needs make");
            return None;
        }
        let source = Source(Scratch::new());
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        fs::create_dir_all(source.path("packaging")).expect("a directory");
        fs::create_dir_all(source.path("tools")).expect("a directory");
        let pages = ["packaging/opentracker.8", "packaging/opentracker.conf.5"];
        let units = ["units", "opentracker.service", "opentracker.sysusers", "opentracker.tmpfiles"]
            .map(|name| format!("packaging/{name}"));
        let units = units.iter().map(String::as_str);
        for file in ["Makefile", "Cargo.toml"].into_iter().chain(DOCS).chain(pages).chain(units) {
            fs::copy(here.join(file), source.path(file)).expect("a copy");
        }
        for (tool, text) in [("cargo", CARGO), ("rustc", RUSTC)] {
            fs::write(source.path(&format!("tools/{tool}")), text).expect("a tool");
        }
        assert!(source.run("chmod +x tools/*").status.success());
        Some(source)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    /// Runs a recipe's commands at the top of the source.
    fn run(&self, commands: &str) -> Output {
        let tools = format!("{}:{}", self.path("tools").display(), std::env::var("PATH").expect("a path"));
        let mut shell = Command::new("sh");
        shell.args(["-euc", commands]).current_dir(self.0.path()).env_clear();
        shell.env("PATH", tools).env("pkgdir", self.path("package")).output().expect("a shell")
    }

    /// The same of a recipe that must work.
    fn build(&self, commands: &str) {
        let output = self.run(commands);
        assert!(output.status.success(), "{commands}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// What a program was built with.
    fn switches(&self, program: &str) -> String {
        fs::read_to_string(self.path(program)).unwrap_or_else(|error| panic!("{program}: {error}")).trim().to_owned()
    }

    /// What cargo was asked for, a line each time.
    fn asked(&self) -> String {
        fs::read_to_string(self.path("cargo.log")).unwrap_or_default()
    }

    /// Files under a directory, by their paths in it.
    fn files(&self, directory: &str) -> Vec<String> {
        let output = self.run(&format!("cd {directory} && find . -type f | sort"));
        String::from_utf8(output.stdout).expect("names").lines().map(str::to_owned).collect()
    }
}

#[test]
fn recipes_get_the_switches_that_they_ask_for() {
    for (commands, switches) in recipes::RECIPES {
        let Some(source) = Source::new() else { return };
        source.build(commands);
        assert_eq!(source.switches("opentracker"), *switches, "{commands}");
    }
}

#[test]
fn every_switch_has_a_line_to_uncomment() {
    let Some(source) = Source::new() else { return };
    let makefile = fs::read_to_string(source.path("Makefile")).expect("the Makefile");
    let manifest = fs::read_to_string(source.path("Cargo.toml")).expect("the manifest");
    let switches = manifest.split("[features]\n").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("switches");
    let names = switches.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name);
    let names: Vec<&str> = names.filter(|name| *name != "default" && !name.starts_with("compression-zstd")).collect();
    for name in &names {
        let word = format!("FEATURES+=-DWANT_{}", name.to_uppercase().replace('-', "_"));
        let lines: Vec<_> = makefile.lines().filter(|line| line.trim_start_matches('#') == word).collect();
        assert_eq!(lines.len(), 1, "{word}");
        source.build(&format!("sed -i '/^#{word}$/s/^#//' Makefile"));
    }
    source.build("make opentracker");
    let all = source.switches("opentracker");
    assert_eq!(all.split(' ').count(), names.len(), "{all}");
}

#[test]
fn words_that_are_not_understood_stop_the_build() {
    for (commands, word) in [
        ("make FEATURES='-DWANT_V6 -DWANT_SYSLOG'", "-DWANT_SYSLOG."),
        ("FEATURES=-DWANT_PERSISTENCE make", "-DWANT_PERSISTENCE."),
        ("echo FEATURES+=-DWANT_NOTIFY >> Makefile; make", "-DWANT_NOTIFY."),
        ("make -E FEATURES+=-DSYNC_LIVE_UNICAST", "-DSYNC_LIVE_UNICAST."),
        ("make CFLAGS=-DWANT_V5", "-DWANT_V5."),
        ("make FEATURES=fullscraps", "fullscraps."),
        ("make FEATURES=-UWANT_V6 install", "-UWANT_V6."),
        ("make; make FEATURES='fullscrape -DWANT_X' install", "-DWANT_X."),
        (
            "make FEATURES='fullscrape -DWANT_COMPRESSION_ZSTD_ALWAYS'",
            "-DWANT_COMPRESSION_ZSTD_ALWAYS. Answers are compressed with gzip: use -DWANT_COMPRESSION_GZIP.",
        ),
        (
            "make FEATURES=-DWANT_COMPRESSION_ZSTD",
            "-DWANT_COMPRESSION_ZSTD. Answers are compressed with gzip: use -DWANT_COMPRESSION_GZIP.",
        ),
    ] {
        let Some(source) = Source::new() else { return };
        let output = source.run(commands);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{commands}");
        assert!(errors.contains(&format!("Not understood: {word} The switches are ")), "{commands}: {errors}");
        assert!(errors.contains(" -DWANT_V6 ") && errors.contains(" -DWANT_ACCESSLIST_WHITE "), "{errors}");
    }
}

#[test]
fn a_compiler_for_another_machine_stops_the_build_without_a_target() {
    for commands in [
        "make CC=mipsel-openwrt-linux-musl-gcc",
        "export CC='ccache arm-poky-linux-gnueabi-gcc --sysroot=/x'; make",
        "make CC=i686-linux-gnu-gcc-14",
        "CC=/opt/cross/bin/aarch64-linux-musl-cc make -e",
    ] {
        let Some(source) = Source::new() else { return };
        let output = source.run(commands);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{commands}");
        assert!(said.contains(". Name what to build for in CARGO_BUILD_TARGET"), "{commands}: {said}");
        source.build(&format!("export CARGO_BUILD_TARGET=mipsel-unknown-linux-musl; {commands}"));
        assert_eq!(source.switches("opentracker"), "fullscrape/mipsel-unknown-linux-musl", "{commands}");
    }
    for commands in
        ["CC=x86_64-pc-linux-gnu-clang-19 make", "make CC='gcc -m64' HOSTCC=arm-linux-gcc", "CC=afl-clang-fast make -e"]
    {
        let Some(source) = Source::new() else { return };
        source.build(commands);
        assert_eq!(source.switches("opentracker"), "fullscrape", "{commands}");
    }
}

#[test]
fn programs_are_left_at_the_top_under_their_name() {
    let Some(source) = Source::new() else { return };
    source.build("make");
    assert_eq!(source.switches("opentracker.debug"), source.switches("opentracker"));
    source.build("mv opentracker opentracker-ipv4; make clean; sed -i 's|#FEATURES+=-DWANT_V6|FEATURES+=-DWANT_V6|g' Makefile; make opentracker");
    assert_eq!(
        (source.switches("opentracker-ipv4"), source.switches("opentracker")),
        ("fullscrape".into(), "fullscrape v6".into())
    );
    source.build("make opentracker.debug; make BINARY=opentracker6 FEATURES=-DWANT_V6; make BINARY=opentracker6 FEATURES=v6 PREFIX=$pkgdir install");
    assert_eq!(source.switches("opentracker6"), "v6");
    assert_eq!(source.switches("package/bin/opentracker6"), "v6");
    source.build("CARGO_TARGET_DIR=elsewhere make FEATURES=-DWANT_KEEPALIVE");
    assert_eq!(source.switches("opentracker"), "keepalive");
}

#[test]
fn installing_stays_in_its_directory() {
    let pages = ["share/man/man5/opentracker.conf.5", "share/man/man8/opentracker.8"];
    let docs = DOCS.map(|name| format!("share/doc/opentracker/{name}"));
    let system = [
        "lib/systemd/system/opentracker.service",
        "lib/systemd/system/opentracker@.service",
        "lib/sysusers.d/opentracker.conf",
        "lib/tmpfiles.d/opentracker.conf",
    ];
    let files = |top: &str| -> Vec<String> {
        let rest = system.into_iter().chain(docs.iter().map(String::as_str)).chain(pages);
        std::iter::once("bin/opentracker").chain(rest).map(|name| format!("./{top}{name}")).collect()
    };
    for (commands, top) in [
        ("make BINDIR=$pkgdir/usr/bin install", "usr/"),
        ("make BINDIR=$pkgdir/usr/bin/ install", "usr/"),
        ("export BINDIR=$pkgdir/usr/bin; make; make install", "usr/"),
        ("make PREFIX=$pkgdir/usr install", "usr/"),
        ("make DESTDIR=$pkgdir install", "usr/local/"),
        ("make DESTDIR=$pkgdir PREFIX=/usr install", "usr/"),
        ("make DESTDIR=$pkgdir BINDIR=/usr/bin install", "usr/"),
        ("make DESTDIR=$pkgdir PREFIX=/opt/x BINDIR=/opt/x/bin install", "opt/x/"),
    ] {
        let Some(source) = Source::new() else { return };
        source.build(commands);
        assert_eq!(source.files("package"), files(top), "{commands}");
        source.build(&commands.replace("install", "uninstall"));
        assert_eq!(source.files("package"), Vec::<String>::new(), "{commands}");
    }
    let Some(source) = Source::new() else { return };
    source.build("make BINDIR=$pkgdir install");
    assert_eq!(source.files("package").len(), 13, "nothing beside the directory named");
    // a command that a recipe appends is carried out by the last rule
    source.build(
        "sed -i '$a\\\\tinstall -m 755 opentracker.debug $(BINDIR)' Makefile; make; make BINDIR=$pkgdir install",
    );
    assert_eq!(source.switches("package/opentracker.debug"), "fullscrape");
}

#[test]
fn installed_units_start_the_program_that_was_installed() {
    let Some(source) = Source::new() else { return };
    source.build("make DESTDIR=$pkgdir install; make BINARY=opentracker6 PREFIX=/usr DESTDIR=$pkgdir install");
    let started = |unit: &str| {
        let text = fs::read_to_string(source.path(&format!("package/{unit}"))).expect("a unit");
        text.lines().find_map(|line| line.strip_prefix("ExecStart=").map(str::to_owned)).expect("a program")
    };
    let config = "/etc/opentracker/opentracker.conf";
    let local = "usr/local/lib/systemd/system";
    assert_eq!(started(&format!("{local}/opentracker.service")), format!("/usr/local/bin/opentracker -f {config}"));
    assert_eq!(
        started(&format!("{local}/opentracker@.service")),
        "/usr/local/bin/opentracker -f /etc/opentracker/%i.conf"
    );
    assert_eq!(started("usr/lib/systemd/system/opentracker6.service"), format!("/usr/bin/opentracker6 -f {config}"));
}

#[test]
fn installing_builds_only_what_was_not_built() {
    let Some(source) = Source::new() else { return };
    source.build("make FEATURES=-DWANT_V6; make PREFIX=$pkgdir install");
    assert_eq!((source.asked(), source.switches("package/bin/opentracker")), ("build v6\n".into(), "v6".into()));
    source.build("make FEATURES=v6 PREFIX=$pkgdir install");
    assert_eq!(source.asked(), "build v6\n");
    source.build("make FEATURES='v6 keepalive' PREFIX=$pkgdir install");
    assert_eq!(
        (source.asked(), source.switches("package/bin/opentracker")),
        ("build v6\nbuild keepalive v6\n".into(), "keepalive v6".into())
    );
    source.build("make FEATURES=fullscrape PREFIX=$pkgdir install");
    assert_eq!(source.switches("package/bin/opentracker"), "fullscrape");
    let Some(source) = Source::new() else { return };
    source.build("export FEATURES=-DWANT_SYSLOGS; make PREFIX=$pkgdir install; make PREFIX=$pkgdir install");
    assert_eq!(
        (source.asked(), source.switches("package/bin/opentracker")),
        ("build fullscrape syslogs\n".into(), "fullscrape syslogs".into())
    );
    source.build("make check FEATURES=-DWANT_V6; make clean");
    assert_eq!(source.asked(), "build fullscrape syslogs\ntest v6\nclean none\n");
}

#[test]
fn help_and_a_stripped_program() {
    let Some(source) = Source::new() else { return };
    let help = String::from_utf8(source.run("make help").stdout).expect("text");
    for word in [
        "all",
        "install",
        "install-strip",
        "uninstall",
        "check",
        "clean",
        "FEATURES",
        "BINARY",
        "STATIC=1",
        "accesslist-white",
    ] {
        assert!(help.split_whitespace().any(|said| said.trim_end_matches(',') == word), "{word}: {help}");
    }
    // what is installed here is no program, so nothing can be left out of it
    fs::write(source.path("tools/installer"), "#!/bin/sh\necho \"$@\" >> installed\n").expect("a tool");
    source.build("chmod +x tools/installer; make INSTALL=installer DESTDIR=$pkgdir install-strip");
    let installed = source.switches("installed");
    let stripped: Vec<_> = installed.lines().filter(|line| line.starts_with("-s ")).collect();
    let program = format!("-s -m 755 opentracker {}/usr/local/bin/opentracker", source.path("package").display());
    assert_eq!(stripped, [program]);
}

#[test]
fn static_programs_are_for_a_named_target() {
    for commands in [
        "make STATIC=1",
        "LDFLAGS=-static make",
        "make LDFLAGS='-L/x -static -lowfat'",
        "make STATIC=yes PREFIX=$pkgdir install",
    ] {
        let Some(source) = Source::new() else { return };
        source.build(commands);
        assert_eq!(
            source.switches("opentracker"),
            "fullscrape/x86_64-unknown-linux-gnu -C target-feature=+crt-static",
            "{commands}"
        );
    }
    let Some(source) = Source::new() else { return };
    let library = "tools/lib/rustlib/x86_64-unknown-linux-musl/lib";
    source.build(&format!("mkdir -p {library}; sed -i s,/nonexistent,$PWD/tools, tools/rustc; make STATIC=1"));
    assert_eq!(source.switches("opentracker"), "fullscrape/x86_64-unknown-linux-musl -C target-feature=+crt-static");
    source.build("make STATIC=0");
    assert_eq!(source.switches("opentracker"), "fullscrape");
}
