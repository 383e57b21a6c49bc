//! The program `lango`.

use std::process::ExitCode;

fn main() -> ExitCode {
    lango_server::cli::main()
}
