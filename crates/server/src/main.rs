//! The program `lango`.

fn main() {}
