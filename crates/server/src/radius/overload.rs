//! What was lost before anybody could answer it: requests that we shed because too many were under
//! way, and those that the kernel dropped because its buffer was full. Silence is right, since NASes
//! ask again; but whoever runs us must learn of it, also from another process.

use super::sockets::{Ear, Purpose};
use crate::app::App;
use lango_domain::time::{Span, Timestamp};
use lango_store::{Error, Tx};
use std::collections::HashMap;
use std::os::fd::AsRawFd;
use tokio_util::sync::CancellationToken;

/// What came of a request that was one too many.
pub(super) const OVERLOAD: &str = "overload";
/// What came of a request for which the kernel had no room.
const DROPPED: &str = "dropped";
/// How often is looked.
const LOOK_EVERY: Span = Span::seconds(10);
/// The fact under which it is kept.
const FACT: &str = "radius lost";
/// What happened with less than this between is told together.
const TOGETHER: Span = Span::hours(1);

/// Requests that were lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Lost {
    /// Since when.
    pub since: Timestamp,
    /// When the last was.
    pub last: Timestamp,
    /// That we shed.
    pub shed: u64,
    /// That the kernel dropped.
    pub dropped: u64,
}

impl Lost {
    /// Whether it was lately.
    pub fn is_recent(&self, now: Timestamp) -> bool {
        now.since(self.last) < TOGETHER
    }
}

/// Our sockets, by the number that the kernel gives them.
pub(super) struct Watched(HashMap<u64, Purpose>);

impl Watched {
    pub(super) fn of(ears: &[Ear]) -> Watched {
        let numbered = |ear: &Ear| {
            let link = format!("/proc/self/fd/{}", ear.socket.as_raw_fd());
            let name = std::fs::read_link(link).ok()?;
            let number = name.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
            Some((number.parse().ok()?, ear.purpose))
        };
        Watched(ears.iter().filter_map(numbered).collect())
    }

    /// How many packets the kernel dropped at our sockets of that purpose; none where it does not
    /// say.
    fn dropped(&self, purpose: Purpose) -> u64 {
        let tables = ["/proc/self/net/udp", "/proc/self/net/udp6"];
        let read = |table| std::fs::read_to_string(table).unwrap_or_default();
        tables.into_iter().map(|table| dropped(&read(table), &self.0, purpose)).sum()
    }
}

/// The kernel's table has the socket's number in the tenth column and the drops in the last
/// (proc(5), `/proc/net/udp`).
fn dropped(table: &str, sockets: &HashMap<u64, Purpose>, purpose: Purpose) -> u64 {
    let of_line = |line: &str| {
        let number: u64 = line.split_whitespace().nth(9)?.parse().ok()?;
        let is_ours = sockets.get(&number) == Some(&purpose);
        let drops: u64 = line.split_whitespace().next_back()?.parse().ok()?;
        is_ours.then_some(drops)
    };
    table.lines().skip(1).filter_map(of_line).sum::<u64>()
}

/// Looks until stopped.
pub(super) async fn watch(app: App, watched: Watched, stop: CancellationToken) {
    let mut seen = HashMap::new();
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY.to_std()) => {}
        }
        let (mut shed, mut dropped) = (0, 0);
        for purpose in [Purpose::Authentication, Purpose::Accounting] {
            let word = purpose.word();
            let total = (app.metrics().radius_count(word, OVERLOAD), watched.dropped(purpose));
            let (shed_before, dropped_before) = seen.insert(word, total).unwrap_or_default();
            let fresh = total.1.saturating_sub(dropped_before);
            app.metrics().note_radius_lost(word, DROPPED, fresh);
            shed += total.0.saturating_sub(shed_before);
            dropped += fresh;
        }
        if shed + dropped == 0 {
            continue;
        }
        tracing::warn!(shed, dropped, "RADIUS requests were lost: there are too many at once");
        if let Err(error) = keep(&app, shed, dropped, app.clock().now()).await {
            tracing::warn!(%error, "it could not be written down that RADIUS requests were lost");
        }
    }
}

/// Adds to what was lost.
///
/// # Errors
/// A fault of the store.
pub async fn keep(app: &App, shed: u64, dropped: u64, now: Timestamp) -> Result<(), Error> {
    app.store()
        .write(async move |tx: &mut Tx<'_>| {
            let before = lost(tx).await?.filter(|lost| lost.is_recent(now));
            let before = before.unwrap_or(Lost { since: now, last: now, shed: 0, dropped: 0 });
            let (shed, dropped) = (before.shed + shed, before.dropped + dropped);
            let after = Lost { last: now, shed, dropped, ..before };
            // Numbers: serialising cannot fail.
            let text = serde_json::to_string(&after).unwrap_or_default();
            lango_store::facts::keep(tx, FACT, &text).await
        })
        .await
}

/// What was lost last, in whatever process; none if nothing ever was.
///
/// # Errors
/// A fault of the store.
pub async fn lost(tx: &mut Tx<'_>) -> Result<Option<Lost>, Error> {
    let kept = lango_store::facts::read(tx, FACT).await?;
    Ok(kept.and_then(|text| serde_json::from_str(&text).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_counted_at_our_sockets_only() {
        let table = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
            103: 0100007F:0714 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0000000000000000 12\n\
            104: 0100007F:0714 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4712 2 0000000000000000 30\n\
            105: 0100007F:0715 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4713 2 0000000000000000 500\n\
            106: 0100007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 99 2 0000000000000000 7000\n";
        let sockets = HashMap::from([
            (4711, Purpose::Authentication),
            (4712, Purpose::Authentication),
            (4713, Purpose::Accounting),
        ]);
        assert_eq!(dropped(table, &sockets, Purpose::Authentication), 42);
        assert_eq!(dropped(table, &sockets, Purpose::Accounting), 500);
    }

    #[tokio::test]
    async fn the_kernel_knows_our_sockets() {
        let any = "127.0.0.1:0".parse().unwrap();
        let settings = super::super::Settings { authentication: any, accounting: any };
        let bound = super::super::bind(settings).unwrap();
        assert_eq!(Watched::of(&bound.sockets).0.len(), bound.sockets.len());
    }
}
