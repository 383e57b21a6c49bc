//! Established connections of addresses that are no longer allowed. A connection that FastTrack
//! took skips firewall, queues and hotspot until its row is gone.

use super::visit::{Visit, Write, is_refusal};
use lango_routeros::values::parse_address_with_port;
use lango_routeros::{Error, Print, Row};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

const MENU: &str = "/ip/firewall/connection";

/// The ends at which a customer's address may stand; never the translated one of the answers,
/// which is the router's own.
const ENDS: [&str; 3] = ["src-address", "dst-address", "reply-src-address"];

const PROPERTIES: [&str; 4] = [".id", ENDS[0], ENDS[1], ENDS[2]];

/// A row that vanishes midway ends a print; on a busy router that happens.
const PRINTS: usize = 4;

/// Removes every tracked connection of these addresses.
pub(super) async fn remove_of(
    visit: &Visit<'_>,
    addresses: &BTreeSet<Ipv4Addr>,
) -> Result<(), Error> {
    if addresses.is_empty() {
        return Ok(());
    }
    match print(visit).await? {
        Some(rows) => remove_rows(visit, &rows, addresses).await,
        None => remove_on_router(visit, addresses).await,
    }
}

/// The whole table; none if it would not hold still.
async fn print(visit: &Visit<'_>) -> Result<Option<Vec<Row>>, Error> {
    for _ in 0..PRINTS {
        match visit.connection.print(Print::of(MENU).only(&PROPERTIES)).await {
            Err(error) if error.is_missing() => {}
            rows => return rows.map(Some),
        }
    }
    Ok(None)
}

async fn remove_rows(
    visit: &Visit<'_>,
    rows: &[Row],
    addresses: &BTreeSet<Ipv4Addr>,
) -> Result<(), Error> {
    let writes = rows
        .iter()
        .filter(|row| is_of(row, addresses))
        .filter_map(|row| Some(Write::Remove(MENU, row.id()?)))
        .collect();
    visit.are_taken(writes).await.map(drop)
}

fn is_of(row: &Row, addresses: &BTreeSet<Ipv4Addr>) -> bool {
    ENDS.iter()
        .filter_map(|end| row.parsed(end, parse_address_with_port))
        .any(|(address, _)| matches!(address, IpAddr::V4(address) if addresses.contains(&address)))
}

/// The router finds and removes them in one go, so that nothing vanishes in between.
async fn remove_on_router(visit: &Visit<'_>, addresses: &BTreeSet<Ipv4Addr>) -> Result<(), Error> {
    for address in addresses {
        let script = script(*address);
        let run = visit.connection.run("/execute", &[("script", &script), ("as-string", "")]).await;
        match run {
            Err(error) if !is_refusal(&error) => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// A line that removes an address's connections; nothing found is no error.
pub(super) fn script(address: Ipv4Addr) -> String {
    format!(
        ":do {{/ip firewall connection remove [find src-address~\"^{address}:\"]}} on-error={{}}"
    )
}
