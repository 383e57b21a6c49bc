//! The plan of the house, as `docs/architecture.md` has it: which crate may know which, and that the
//! rooms it names are there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(top().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Which crates of ours a crate is built with, its tests left out.
fn knows(krate: &str) -> BTreeSet<String> {
    let manifest = read(&format!("crates/{krate}/Cargo.toml"));
    let product = manifest.split("[dev-dependencies]").next().unwrap();
    let ours = product.lines().filter_map(|line| line.strip_prefix("lango-"));
    ours.map(|rest| rest.split(['.', ' ', '=']).next().unwrap().to_owned()).collect()
}

#[test]
fn crates_know_only_whom_they_may_know() {
    let all: BTreeSet<String> = std::fs::read_dir(top().join("crates"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let may = [
        ("domain", vec![]),
        ("radius", vec![]),
        ("routeros", vec![]),
        ("provider-sim", vec![]),
        ("store", vec!["domain"]),
        ("router-sim", vec!["radius", "routeros"]),
        ("server", vec!["domain", "provider-sim", "radius", "router-sim", "routeros", "store"]),
    ];
    let named: BTreeSet<String> = may.iter().map(|(krate, _)| (*krate).to_owned()).collect();
    assert_eq!(all, named, "a crate without a place in docs/architecture.md");
    for (krate, may) in may {
        let may: BTreeSet<String> = may.into_iter().map(str::to_owned).collect();
        assert_eq!(knows(krate), may, "what `{krate}` is built with");
    }
}

#[test]
fn simulated_worlds_are_for_the_demonstration_alone() {
    for_each_source("crates/server/src", &mut |path, text| {
        let simulated = text.contains("lango_router_sim") || text.contains("lango_provider_sim");
        let product = text.split("#[cfg(test)]").next().unwrap();
        let is_test =
            !product.contains("lango_router_sim") && !product.contains("lango_provider_sim");
        let is_demo = path.contains("/demo/") || path.contains("/cli/");
        assert!(!simulated || is_test || is_demo, "{path} knows a simulator");
    });
}

#[test]
fn nothing_below_the_entrances_knows_a_page_or_a_door() {
    for_each_source("crates/server/src", &mut |path, text| {
        let is_entrance = ["/web/", "/cli/", "/demo/"].iter().any(|room| path.contains(room));
        if is_entrance || path.ends_with("/src/run.rs") {
            return;
        }
        for line in text.lines().filter(|line| line.contains("crate::web")) {
            assert!(line.contains("crate::web::listen::"), "{path}: {line}");
        }
        assert!(!text.contains("crate::cli::"), "{path} knows the command line");
    });
}

/// The map is no use with doors that lead nowhere.
#[test]
fn what_the_map_names_is_there() {
    let map = read("docs/architecture.md");
    let rooms = ["", "crates/server/src", "crates/server/tests/it"];
    for name in map.split('`').skip(1).step_by(2) {
        let is_path = name.ends_with(".rs") || name.ends_with('/') || name.starts_with("crates/");
        if !is_path || name.contains([' ', '*']) {
            continue;
        }
        let anywhere = rooms.iter().any(|room| top().join(room).join(name).exists());
        assert!(anywhere || is_in_a_room(name), "docs/architecture.md names `{name}`");
    }
}

/// Within a row of the table or a walk a file stands without its room.
fn is_in_a_room(name: &str) -> bool {
    let mut is_there = false;
    for_each_source("crates/server/src", &mut |path, _| {
        is_there |= path.ends_with(&format!("/{name}")) || path.contains(&format!("/{name}"));
    });
    is_there
}

fn for_each_source(folder: &str, look: &mut dyn FnMut(&str, &str)) {
    for entry in std::fs::read_dir(top().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().into_string().unwrap());
        if entry.file_type().unwrap().is_dir() {
            for_each_source(&path, look);
        } else if path.ends_with(".rs") {
            look(&path, &read(&path));
        }
    }
}
