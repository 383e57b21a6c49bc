//! The statements of the program by name, as its sources call them: `grants::DUE`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use lango_store::{Sql, schema};

/// Every statement that the schema lists, by name.
pub(crate) fn listed() -> BTreeMap<String, Sql> {
    let bulks = schema::bulks();
    let all = schema::statements().into_iter().chain(bulks.iter().map(lango_store::Bulk::as_sql));
    all.map(|sql| (name_of(&sql), sql)).collect()
}

/// Every statement that the sources of the records declare, listed or not.
pub(crate) fn declared() -> BTreeSet<String> {
    let modules = modules();
    assert!(modules.len() >= 12, "the records are in {modules:?}");
    modules.iter().flat_map(|module| declared_in(module)).collect()
}

/// Modules with statements of their own; those of the layer below have tests of their own.
fn modules() -> Vec<String> {
    const BELOW: [&str; 7] =
        ["sql", "checks", "migrations", "engine", "testing", "backup", "freeradius"];
    let directory = std::fs::read_dir(source("")).unwrap();
    let names = directory.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter_map(|name| name.strip_suffix(".rs").map(str::to_owned))
        .filter(|module| !BELOW.contains(&module.as_str()))
        .filter(|module| text_of(module).contains("sql!("))
        .collect()
}

pub(crate) fn declared_in(module: &str) -> Vec<String> {
    let text = text_of(module);
    let names = text.lines().filter_map(constant);
    names.map(|name| format!("{module}::{name}")).collect()
}

/// The name in `const NAME: Sql = …` or `const NAME: crate::Bulk = …`.
fn constant(line: &str) -> Option<&str> {
    let (name, kind) = line.trim_start().strip_prefix("const ")?.split_once(": ")?;
    let kind = kind.split(' ').next()?.rsplit("::").next()?;
    matches!(kind, "Sql" | "Bulk").then_some(name)
}

/// The constant at or above the line where the statement is written.
fn name_of(sql: &Sql) -> String {
    let (file, line) = sql.at.rsplit_once(':').unwrap();
    let module = file.rsplit('/').next().unwrap().trim_end_matches(".rs");
    let text = text_of(module);
    let above: Vec<&str> = text.lines().take(line.parse().unwrap()).collect();
    let name = above.into_iter().rev().find_map(constant).unwrap();
    format!("{module}::{name}")
}

fn text_of(module: &str) -> String {
    std::fs::read_to_string(source(&format!("{module}.rs"))).unwrap()
}

fn source(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src").join(file)
}
