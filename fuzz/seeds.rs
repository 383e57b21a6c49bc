//! Writes the seeds: the published packets that the tests have, and what is in them.

use std::fs;
use std::path::Path;

fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        hex.chars().filter_map(|digit| digit.to_digit(16)).map(|d| d as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// The hexadecimal literals of the tests' vectors that are long enough to be packets.
fn published() -> Vec<Vec<u8>> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/radius/tests/it");
    let mut found = Vec::new();
    for name in ["vectors.rs", "public.rs"] {
        let source = fs::read_to_string(tests.join(name)).unwrap_or_default();
        let literals = source.split('"').skip(1).step_by(2);
        let is_hex = |text: &&str| {
            text.len() >= 24 && text.len() % 2 == 0 && text.chars().all(|c| c.is_ascii_hexdigit())
        };
        found.extend(literals.filter(is_hex).map(octets));
    }
    found
}

fn keep(target: &str, number: usize, seed: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&folder).expect("a folder can be made");
    fs::write(folder.join(format!("seed-{number}")), seed).expect("a seed can be written");
}

fn main() {
    for (number, packet) in published().iter().enumerate() {
        keep("packet", number, packet);
        let (mut attributes, mut logins, mut reports) = (Vec::new(), Vec::new(), Vec::new());
        let mut rest = packet.get(20..).unwrap_or_default();
        while let [kind, length, ..] = *rest {
            let Some(value) = rest.get(2..usize::from(length)) else { break };
            rest = &rest[usize::from(length)..];
            let size = value.len() as u8;
            attributes.extend([&[128, kind, size][..], value].concat());
            let telling = [1, 2, 3, 4, 24, 31, 32, 60, 79, 33];
            if let Some(place) = telling.iter().position(|known| *known == kind) {
                logins.extend([&[place as u8, size][..], value].concat());
            }
            let telling = [1, 6, 7, 8, 25, 31, 40, 41, 42, 43, 44, 46, 49, 52, 53, 55];
            if let Some(place) = telling.iter().position(|known| *known == kind) {
                reports.extend([&[place as u8, size][..], value].concat());
            }
            if kind == 79 {
                keep("eap", number, value);
            }
        }
        keep("attributes", number, &attributes);
        keep("login", number, &logins);
        keep("accounting", number, &reports);
    }
    let eap: [&[u8]; 5] = [
        &[2, 1, 0, 9, 1, b'b', b'o', b'b', b'!'],
        &[2, 2, 0, 7, 3, 25, 21],
        &[2, 3, 0, 12, 25, 0xc0, 0, 0, 4, 0, 22, 3],
        &[2, 4, 0, 6, 21, 0],
        &[1, 5, 0, 22, 4, 16, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
    ];
    for (number, seed) in eap.iter().enumerate() {
        keep("eap", 1_000 + number, seed);
    }
    let words: [&[&str]; 3] = [
        &["!re", "=.id=*1", "=user=ann", ".tag=7"],
        &["!done"],
        &["!trap", "=category=0", "=message=no such item"],
    ];
    for (number, words) in words.iter().enumerate() {
        let mut seed = vec![3];
        for word in *words {
            seed.push(word.len() as u8);
            seed.extend(word.as_bytes());
        }
        seed.push(0);
        keep("sentences", number, &seed);
    }
}
