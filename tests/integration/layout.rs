//! The layout of the source: imports between the rooms of `src/` run one way, and there is no circle inside a room. Switches and
//! unsafe code have a room each. Files are short.
//!
//! Only `use` declarations are read, of the code without its unit tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The rooms from top to bottom: a room imports only what stands in a later line.
const LEVELS: &[&[&str]] = &[
    &["main"],
    &["start"],
    &["server"],
    &["tracker"],
    &["access", "cluster", "stats"],
    &["features"],
    &["swarm", "wire", "config"],
    &["types"],
    &["address"],
    &["limits"],
];

/// The rooms that may import the operating system, which imports none of ours.
const IMPORT_SYS: &[&str] = &["main", "start", "server", "access", "cluster", "swarm"];

/// The code of all modules but the crate's root, without comments and unit tests, by path.
fn modules() -> BTreeMap<String, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut texts = BTreeMap::new();
    read_directory(&source, "", &mut texts);
    assert!(texts.len() > 40, "{texts:?}");
    texts
}

/// The module paths that each module imports. A path starts at the crate's root, without it.
fn imports() -> BTreeMap<String, BTreeSet<String>> {
    let texts = modules();
    let parents = |name: &str| name.rsplit_once("::").map_or(String::new(), |(parent, _)| parent.to_owned());
    let mut imports = BTreeMap::new();
    for (module, text) in &texts {
        let mut paths = BTreeSet::new();
        for path in use_paths(text) {
            let path = match path.split_once("::") {
                Some(("crate" | "opentracker", rest)) => rest.to_owned(),
                Some(("super", mut rest)) => {
                    let mut base = parents(module);
                    while let Some(above) = rest.strip_prefix("super::") {
                        (rest, base) = (above, parents(&base));
                    }
                    format!("{base}::{rest}")
                }
                Some((first, _)) if texts.contains_key(&format!("{module}::{first}")) => format!("{module}::{path}"),
                _ => continue,
            };
            // the deepest module on the path
            let mut path = path.as_str();
            while !texts.contains_key(path) {
                let Some((shorter, _)) = path.rsplit_once("::") else { break };
                path = shorter;
            }
            if path != module {
                paths.insert(path.to_owned());
            }
        }
        imports.insert(module.clone(), paths);
    }
    imports
}

/// Reads all modules of a directory: their paths and their text, without comments and unit tests.
fn read_directory(directory: &Path, prefix: &str, texts: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let module = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}::{name}") };
        if path.is_dir() {
            if name != "tests" {
                read_directory(&path, &module, texts);
            }
        } else if path.extension().is_some_and(|ending| ending == "rs") && !["lib", "tests"].contains(&name) {
            let module = if name == "mod" { prefix.to_owned() } else { module };
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap();
            let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            texts.insert(module, lines.collect::<Vec<_>>().join("\n"));
        }
    }
}

/// The paths of all `use` declarations, without their braces.
fn use_paths(text: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for statement in text.split(';') {
        let last =
            statement.rsplit('\n').find(|line| line.contains("use ")).map_or(0, |line| statement.find(line).unwrap());
        let Some((before, tree)) = statement[last..].split_once("use ") else { continue };
        if before.trim().is_empty() || before.trim_start().starts_with("pub") {
            expand("", tree, &mut paths);
        }
    }
    paths
}

/// Appends the paths of a tree such as `a::{b, c::{d, e}}`.
fn expand(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let tree = tree.trim();
    let Some((head, branches)) = tree.split_once('{') else {
        if !tree.is_empty() {
            let name = tree.split(" as ").next().unwrap();
            paths.push(format!("{prefix}{name}").trim_end_matches("::self").to_owned());
        }
        return;
    };
    let branches = branches.trim_end().strip_suffix('}').unwrap();
    let (mut depth, mut start) = (0, 0);
    let prefix = format!("{prefix}{}", head.trim());
    for (at, c) in branches.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                expand(&prefix, &branches[start..at], paths);
                start = at + 1;
            }
            _ => {}
        }
    }
    expand(&prefix, &branches[start..], paths);
}

fn room(module: &str) -> &str {
    module.split("::").next().unwrap()
}

#[test]
fn imports_between_rooms_run_one_way() {
    let level = |room: &str| LEVELS.iter().position(|rooms| rooms.contains(&room));
    let mut wrong = Vec::new();
    for (module, paths) in imports() {
        for path in paths {
            let (from, to) = (room(&module), room(&path));
            let allowed = match (level(from), level(to)) {
                _ if from == to => true,
                _ if to == "sys" => IMPORT_SYS.contains(&from),
                (Some(from), Some(to)) => from < to,
                _ => false,
            };
            if !allowed {
                wrong.push(format!("{module} imports {path}"));
            }
        }
    }
    assert_eq!(wrong, [""; 0], "the rooms from top to bottom: {LEVELS:?}");
}

#[test]
fn no_circle_inside_a_room() {
    // a module may use what the module around it defines
    let around = |inner: &str, outer: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with("::"));
    let mut left = imports();
    for (module, paths) in &mut left {
        paths.retain(|path| !around(module, path));
    }
    // a module that imports nothing, or is imported by nothing, that is left, is in no circle
    loop {
        let before = left.len();
        let names: BTreeSet<String> = left.keys().cloned().collect();
        left.values_mut().for_each(|paths| paths.retain(|path| names.contains(path)));
        let imported: BTreeSet<String> = left.values().flatten().cloned().collect();
        left.retain(|module, paths| !paths.is_empty() && imported.contains(module));
        if left.len() == before {
            break;
        }
    }
    assert!(left.is_empty(), "circles: {left:#?}");
}

#[test]
fn switches_and_unsafe_code_stay_in_their_rooms() {
    for (module, text) in modules() {
        assert!(module == "features" || !text.contains("feature = \""), "{module} asks for a cargo feature");
        assert!(room(&module) == "sys" || !text.contains("unsafe "), "{module} has unsafe code");
    }
}

#[test]
fn files_are_shorter_than_400_lines() {
    fn check(directory: &Path, long: &mut Vec<String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                check(&path, long);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let lines = fs::read_to_string(&path).unwrap().lines().count();
                if lines >= 400 {
                    long.push(format!("{}: {lines} lines", path.display()));
                }
            }
        }
    }
    let mut long = Vec::new();
    for directory in ["src", "tests"] {
        check(&Path::new(env!("CARGO_MANIFEST_DIR")).join(directory), &mut long);
    }
    assert_eq!(long, [""; 0]);
}

#[test]
fn imports_are_read() {
    let text =
        "use a::b;\npub use super::{c::{self, D as E}, f};\n    fn reuse() {}\nmod x;\n\nuse crate::g::H as I;\n";
    assert_eq!(use_paths(text), ["a::b", "super::c", "super::c::D", "super::f", "crate::g::H"]);
}
