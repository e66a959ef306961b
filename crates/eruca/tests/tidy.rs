//! Rules about the source that a machine can keep: arrows between crates, length of files, words that must not occur.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A file of more lines hides more than one thing.
const LINES_MAX: usize = 1000;

/// Which crates of ours a crate may depend on.
const ARROWS: &[(&str, &[&str])] = &[
    ("message", &[]),
    ("config", &[]),
    ("protocol", &["message"]),
    ("store", &["message"]),
    ("filter", &["message"]),
    ("sim", &["controller", "message", "protocol", "replication", "store"]),
    ("remoting", &["message", "protocol"]),
    ("replication", &["message", "store"]),
    ("namesrv", &["config", "message", "protocol", "remoting"]),
    ("controller", &["config", "message", "protocol", "remoting"]),
    ("broker", &["config", "filter", "message", "protocol", "remoting", "replication", "store"]),
    ("client", &["message", "protocol", "remoting"]),
    ("admin", &["client", "message", "protocol", "remoting"]),
    ("bench", &["client", "message", "protocol", "remoting"]),
    (
        "eruca",
        &[
            "admin",
            "bench",
            "broker",
            "client",
            "config",
            "controller",
            "message",
            "namesrv",
            "protocol",
            "remoting",
            "store",
        ],
    ),
];

/// What must not occur, split so that it does not occur here, and what to do instead.
const FORBIDDEN: &[(&str, &str, &str)] = &[
    ("TO", "DO", "do it, or open an issue"),
    ("FIX", "ME", "fix it, or open an issue"),
    ("todo", "!(", "write it"),
    ("unimplemented", "!(", "write it, or refuse the request by name"),
    ("Arc<", "Broker>", "give a part only what it uses"),
    ("dbg", "!(", "use tracing"),
];

fn crates_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("crates/eruca has a parent").to_owned()
}

/// Every `.rs` file below `crates`, sorted.
fn source_files() -> Vec<PathBuf> {
    fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).expect("the directory can be read").flatten() {
            let path = entry.path();
            if path.is_dir() {
                collect(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    let mut files = Vec::new();
    collect(&crates_dir(), &mut files);
    files.sort();
    assert!(files.len() > 50, "only {} files found", files.len());
    files
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Crates of ours in the section `[dependencies]` of a manifest.
fn own_dependencies(manifest: &str) -> BTreeSet<String> {
    let section = manifest.lines().skip_while(|line| line.trim() != "[dependencies]").skip(1);
    let lines = section.take_while(|line| !line.starts_with('['));
    let names = lines.filter_map(|line| line.trim().strip_prefix("eruca-")?.split(['.', ' ', '=']).next());
    names.map(str::to_owned).collect()
}

#[test]
fn crates_depend_only_downwards() {
    let mut problems = Vec::new();
    let crates: BTreeSet<String> = fs::read_dir(crates_dir())
        .expect("crates can be listed")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    for name in &crates {
        let Some((_, allowed)) = ARROWS.iter().find(|(known, _)| known == name) else {
            problems.push(format!("crates/{name} is not in the table of arrows"));
            continue;
        };
        let manifest = read(&crates_dir().join(name).join("Cargo.toml"));
        let forbidden =
            own_dependencies(&manifest).into_iter().filter(|other| !allowed.contains(&other.as_str()));
        problems.extend(forbidden.map(|other| format!("crates/{name} must not depend on crates/{other}")));
    }
    assert_eq!(problems, Vec::<String>::new());
}

#[test]
fn files_are_short() {
    let lengths = source_files().into_iter().map(|path| (read(&path).lines().count(), path));
    let too_long: Vec<_> = lengths.filter(|(lines, _)| *lines > LINES_MAX).collect();
    assert_eq!(too_long, []);
}

#[test]
fn forbidden_words_do_not_occur() {
    let mut found = Vec::new();
    for path in source_files() {
        for (number, line) in read(&path).lines().enumerate() {
            let hits = FORBIDDEN.iter().filter(|(start, end, _)| line.contains(&format!("{start}{end}")));
            found.extend(hits.map(|(start, end, remedy)| {
                format!("{}:{}: {start}{end}: {remedy}", path.display(), number + 1)
            }));
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn roots_of_modules_hold_no_logic() {
    let roots = source_files().into_iter().filter(|path| {
        let name = path.file_name().unwrap_or_default();
        let in_src = path.components().any(|part| part.as_os_str() == "src");
        in_src && (name == "lib.rs" || name == "mod.rs")
    });
    let with_functions = roots
        .filter(|path| read(path).lines().any(|line| line.starts_with("fn ") || line.starts_with("pub fn ")));
    assert_eq!(with_functions.collect::<Vec<_>>(), Vec::<PathBuf>::new());
}
