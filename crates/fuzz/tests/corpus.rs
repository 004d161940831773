//! Every target over its corpus, its regressions, and mutants of both: what libFuzzer has found
//! once stays found, on stable and without it.

use std::fs;
use std::path::{Path, PathBuf};

use tessera_fuzz::{TARGETS, Target, mutants, target};

/// Mutants for each target; `TESSERA_FUZZ_MUTANTS` is another number.
const MUTANTS: usize = 400;
const SEED: u64 = 27;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// The inputs of one folder, by name; none where it is not there.
fn inputs(folder: &str, target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(fuzz().join(folder).join(target.name)).into_iter().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(&path).unwrap())).collect()
}

fn holds(name: &str) {
    let target = target(name).unwrap();
    let all: Vec<_> = [inputs("corpus", target), inputs("regressions", target)].concat();
    assert!(!all.is_empty(), "{name} has no seeds in fuzz/corpus");
    for (path, bytes) in &all {
        println!("{}", path.display());
        (target.run)(bytes);
    }
    let seeds: Vec<_> = all.into_iter().map(|(_, bytes)| bytes).collect();
    let count = std::env::var("TESSERA_FUZZ_MUTANTS").map_or(MUTANTS, |it| it.parse().unwrap());
    for mutant in mutants(&seeds, SEED, count, target.bytes_max) {
        // The last line of a failed test is the input that failed it.
        println!("{}", mutant.escape_ascii());
        (target.run)(&mutant);
    }
}

macro_rules! targets {
    ($($name:ident),+ $(,)?) => {
        const TESTED: &[&str] = &[$(stringify!($name)),+];
        $(
            #[test]
            fn $name() {
                holds(stringify!($name));
            }
        )+
    };
}

targets!(
    manifest, workflow, run, expression, events, calendar, tenant, texts, units, body, messages,
    stored, stream, node, services, journal, lifecycle,
);

#[test]
fn each_target_has_a_test_and_a_fuzz_target() {
    let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(TESTED, names);
    let list = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    let readme = fs::read_to_string(fuzz().join("README.md")).unwrap();
    for name in names {
        let file = fs::read_to_string(fuzz().join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(file.contains(&format!("\"{name}\"")), "{file}");
        assert!(list.contains(&format!("name = \"{name}\"")), "fuzz/Cargo.toml lacks {name}");
        assert!(readme.contains(&format!("| `{name}` |")), "fuzz/README.md lacks {name}");
    }
}
