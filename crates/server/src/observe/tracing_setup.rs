//! Logs: to stderr, as text for people or JSON for machines.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::SystemTime;

/// Starts logging. `LANGO_LOG` chooses what is shown, as in `info,lango_server::reconcile=debug`;
/// else `default` does.
pub fn start(default: &str, json: bool) {
    let filter = EnvFilter::try_from_env("LANGO_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_timer(SystemTime)
        .with_target(false)
        .with_writer(std::io::stderr);
    // A second start in one process, as in tests, keeps the first.
    let _ = if json { builder.json().try_init() } else { builder.with_ansi(colour).try_init() };
}
