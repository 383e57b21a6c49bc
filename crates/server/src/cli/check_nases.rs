//! NASes in a table: for `lango check` and `lango radius nases`.

use super::output::line;
use super::table::Table;
use crate::operations::nases::NasDiagnosis;
use lango_domain::time::Timestamp;

/// Prints NASes; nothing if there are none.
pub(super) fn tell(nases: &[NasDiagnosis], now: Timestamp, indent: usize) -> anyhow::Result<()> {
    if nases.is_empty() {
        return Ok(());
    }
    if indent > 0 {
        line(format!("\n{:indent$}NASes", ""))?;
    }
    let heads = ["NAME", "ADDRESS", "HEARD", "SECRET", "SIGNING", "ORDERS", "SESSIONS", "CLOCK"];
    let mut table = Table::new(heads).indented(indent);
    for nas in nases {
        table.row([
            nas.name.clone(),
            nas.address.to_string(),
            nas.heard_at.map_or("never".to_owned(), |at| format!("{} ago", now.since(at))),
            match nas.weak_secret {
                true => format!("{}, weak", nas.secret.word()),
                false => nas.secret.word().to_owned(),
            },
            nas.signing.word().to_owned(),
            match (nas.takes_orders, nas.by_api_only) {
                (true, false) => "taken",
                (true, true) => "by API",
                (false, _) => "not taken",
            }
            .to_owned(),
            nas.sessions.to_string(),
            nas.clock_ahead_seconds.map(|ahead| format!("{ahead:+} s")).unwrap_or_default(),
        ]);
    }
    table.print()
}
