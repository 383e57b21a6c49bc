//! Reads `tests/exchanges/`: what the tests and notes of public clients say passes between a
//! client and a router, restated as data. Judges nothing; the replays do.
//!
//! A file names its public source in its first line. An exchange has a name, says who replays it
//! (`replay client`, `router` or `both`), may set the simulated router up (`version`, `user`,
//! `owns`, `tag-last`, `mask`), and then goes line by line: `>` the client says, `<` the router
//! says, `*` somebody does at the router's console, `hangs-up` the router closes; `=` is what a
//! caller of our client gets. Words are separated by blanks; inside them `\s` is a blank, `\e`
//! nothing, and `\r \n \t \0 \\ \xNN` are bytes.

use std::fs;
use std::path::{Path, PathBuf};

pub(crate) type Word = Vec<u8>;

pub(crate) struct Exchange {
    /// File and name, for failures.
    pub(crate) name: String,
    pub(crate) replay: String,
    /// Everything else that stands before the first step.
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) steps: Vec<Step>,
    pub(crate) outcome: Vec<Vec<Word>>,
}

#[derive(Debug, Clone)]
pub(crate) enum Step {
    ClientSays(String),
    RouterSays(String),
    Console(String),
    HangsUp,
}

impl Exchange {
    /// Whether `client` or `router` replays it.
    pub(crate) fn is_for(&self, side: &str) -> bool {
        self.replay == side || self.replay == "both"
    }
}

/// Every exchange for one side, of the binary API (`.`) or of REST (`rest`).
pub(crate) fn exchanges(folder: &str, side: &str) -> Vec<Exchange> {
    let folder = data().join("exchanges").join(folder);
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.is_file()).collect();
    files.sort();
    let all = files.iter().flat_map(|file| read(file));
    all.filter(|exchange| exchange.is_for(side)).collect()
}

/// Both crates that replay them lie side by side.
pub(crate) fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../routeros/tests")
}

fn read(file: &Path) -> Vec<Exchange> {
    let text = fs::read_to_string(file).unwrap();
    let place = file.file_name().unwrap().to_string_lossy().into_owned();
    assert!(text.starts_with("# Source: "), "{place} does not name its source");
    let mut all: Vec<Exchange> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        if kind == "exchange" {
            all.push(Exchange::named(format!("{place}: {rest}")));
            continue;
        }
        let exchange = all.last_mut().expect("an exchange begins with its name");
        exchange.take(kind, rest.to_owned());
    }
    for exchange in &all {
        let known = ["client", "router", "both"].contains(&exchange.replay.as_str());
        assert!(known, "{}: who replays it?", exchange.name);
        let judged = !exchange.is_for("client") || !exchange.outcome.is_empty();
        assert!(judged, "{}: no outcome", exchange.name);
    }
    all
}

impl Exchange {
    fn named(name: String) -> Exchange {
        let (settings, steps, outcome) = (Vec::new(), Vec::new(), Vec::new());
        Exchange { name, replay: String::new(), settings, steps, outcome }
    }

    fn take(&mut self, kind: &str, rest: String) {
        match kind {
            ">" => self.steps.push(Step::ClientSays(rest)),
            "<" => self.steps.push(Step::RouterSays(rest)),
            "*" => self.steps.push(Step::Console(rest)),
            "hangs-up" => self.steps.push(Step::HangsUp),
            "=" => self.outcome.push(words(&rest)),
            "replay" => self.replay = rest,
            "version" | "user" | "owns" | "tag-last" | "mask" => {
                self.settings.push((kind.to_owned(), rest));
            }
            _ => panic!("{}: cannot read `{kind} {rest}`", self.name),
        }
    }
}

/// The words of a line, their escapes undone.
pub(crate) fn words(line: &str) -> Vec<Word> {
    line.split(' ').filter(|word| !word.is_empty()).map(unescaped).collect()
}

fn unescaped(word: &str) -> Word {
    let mut bytes = Vec::new();
    let mut rest = word.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        match rest.next().expect("an escape has a letter") {
            b's' => bytes.push(b' '),
            b'e' => {}
            b'r' => bytes.push(b'\r'),
            b'n' => bytes.push(b'\n'),
            b't' => bytes.push(b'\t'),
            b'0' => bytes.push(0),
            b'\\' => bytes.push(b'\\'),
            b'x' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                let digits = std::str::from_utf8(&digits).unwrap();
                bytes.push(u8::from_str_radix(digits, 16).unwrap());
            }
            other => panic!("unknown escape \\{} in {word}", char::from(other)),
        }
    }
    bytes
}

/// Name and value of `=name=value` or `name=value`.
pub(crate) fn pair(word: &[u8]) -> (&[u8], &[u8]) {
    let word = word.strip_prefix(b"=").unwrap_or(word);
    let at = word.iter().position(|byte| *byte == b'=').unwrap_or(word.len());
    (&word[..at], word.get(at + 1..).unwrap_or_default())
}

pub(crate) fn tag(words: &[Word]) -> Option<&[u8]> {
    words.iter().find_map(|word| word.strip_prefix(b".tag="))
}
