//! How the database does, and the disk under it. Must never change anything.

use super::desk::Desk;
use crate::operations::diagnose::{Diagnosis, Finding};
use crate::operations::note_backup::{BackupMade, last_backup};
use lango_domain::quantity::DataSize;
use lango_domain::time::{Span, Timestamp};
use lango_store::Tx;
use std::path::Path;
use std::process::Command;

/// Less room than this is a trouble, whatever the size of the database.
const LEAST_FREE: u64 = 200_000_000;
/// An older backup is not much of one.
const BACKUP_EVERY: Span = Span::days(7);
/// A business that is younger has nothing to lose yet.
const YOUNG: Span = Span::days(1);

/// The database and its disk.
#[derive(Debug, serde::Serialize)]
pub(super) struct Installation {
    /// `sqlite` or `postgresql`.
    pub(super) kind: &'static str,
    /// Where it is, without its password.
    pub(super) place: String,
    /// How large it is.
    pub(super) bytes: u64,
    /// The room that is left beside the data directory; none if the system does not say.
    pub(super) free_bytes: Option<u64>,
    pub(super) schema_version: u32,
    pub(super) last_backup: Option<BackupMade>,
    /// Since when there is something to lose.
    #[serde(skip)]
    oldest_business: Option<Timestamp>,
}

impl Installation {
    pub(super) async fn look(desk: &Desk) -> anyhow::Result<Installation> {
        let facts = async |tx: &mut Tx<'_>| {
            let size = lango_store::facts::database_size(tx).await?;
            let tenants = lango_store::tenants::all(tx).await?;
            let oldest = tenants.into_iter().map(|tenant| tenant.created_at).min();
            Ok((size, last_backup(tx).await?, oldest))
        };
        let (size, last_backup, oldest_business) = desk.app.store().report(facts).await?;
        let is_sqlite = desk.config.database.sqlite_path().is_some();
        Ok(Installation {
            kind: if is_sqlite { "sqlite" } else { "postgresql" },
            place: desk.config.database.to_string(),
            bytes: u64::try_from(size).unwrap_or_default(),
            free_bytes: free_bytes(&desk.config.data_dir),
            schema_version: lango_store::migrations::version(desk.app.store()).await?,
            last_backup,
            oldest_business,
        })
    }

    /// Adds what is wrong to the findings, and what would be wise to the recommendations.
    pub(super) fn judge(&self, diagnosis: &mut Diagnosis) {
        if let Some(finding) = self.lacks_room() {
            diagnosis.find(finding);
        }
        diagnosis.recommendations.extend(self.lacks_backup(diagnosis.at));
    }

    fn lacks_room(&self) -> Option<Finding> {
        let free = self.free_bytes.filter(|free| *free < LEAST_FREE.max(self.bytes / 4))?;
        let (free, size) = (DataSize::bytes(free), DataSize::bytes(self.bytes));
        Some(Finding::new(
            format!("the disk is nearly full: {free} left, and the database has {size}"),
            "make room now: when it is full nothing is sold, ended or recorded any more",
        ))
    }

    fn lacks_backup(&self, now: Timestamp) -> Option<Finding> {
        let since = match &self.last_backup {
            Some(made) => made.at,
            None => self.oldest_business.filter(|at| now.since(*at) > YOUNG)?,
        };
        if self.last_backup.is_some() && now.since(since) <= BACKUP_EVERY {
            return None;
        }
        let what = match &self.last_backup {
            Some(made) => format!("the last backup is {} old", now.since(made.at)),
            None => "there was never a backup".to_owned(),
        };
        let advice = "write one to another disk, every night from cron: `lango backup \
                      /media/usb/lango-$(date +%F).backup`";
        Some(Finding { since: Some(since), ..Finding::new(what, advice) })
    }
}

/// As `df` says it: the standard library does not know. Without `df` nobody knows.
fn free_bytes(directory: &Path) -> Option<u64> {
    let said = Command::new("df").arg("-Pk").arg(directory).output().ok()?;
    read_df(&String::from_utf8(said.stdout).ok()?)
}

/// The fourth column of the last line, in KiB (POSIX.1-2024, df -P).
fn read_df(text: &str) -> Option<u64> {
    let line = text.lines().nth(1)?;
    // The name of the file system comes first and may hold spaces: count from behind its percent.
    let mut words = line.split_whitespace().collect::<Vec<_>>().into_iter().rev();
    words.find(|word| word.ends_with('%') && word.len() > 1)?;
    words.next()?.parse::<u64>().ok()?.checked_mul(1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_795_000_000_000_000);

    fn installation(free_bytes: Option<u64>, last: Option<Span>) -> Installation {
        let path = "/media/usb/b".to_owned();
        Installation {
            kind: "sqlite",
            place: "sqlite:/var/lib/lango/lango.db".to_owned(),
            bytes: 4_000_000_000,
            free_bytes,
            schema_version: 1,
            last_backup: last.map(|ago| BackupMade { at: NOW - ago, path, bytes: 1 }),
            oldest_business: Some(NOW - Span::days(30)),
        }
    }

    #[test]
    fn free_room_is_read_from_what_df_says() {
        let text = "Filesystem 1024-blocks Used Available Capacity Mounted on\n\
                    /dev/sda 1 41151808 8 32898368 19% /srv/my data\n";
        assert_eq!(read_df(text), Some(32_898_368 * 1_024));
        assert_eq!(read_df("df: cannot\n"), None);
        assert_eq!(read_df(""), None);
    }

    #[test]
    fn a_disk_that_fills_up_is_a_trouble_before_it_is_full() {
        assert!(installation(Some(100_000_000), None).lacks_room().is_some());
        assert!(installation(Some(900_000_000), None).lacks_room().is_some(), "large database");
        assert!(installation(Some(2_000_000_000), None).lacks_room().is_none());
        assert!(installation(None, None).lacks_room().is_none(), "nobody knows");
    }

    #[test]
    fn a_backup_is_missed_when_there_is_something_to_lose() {
        let missed = |one: &Installation| one.lacks_backup(NOW).map(|finding| finding.what);
        let never = missed(&installation(None, None));
        assert_eq!(never.as_deref(), Some("there was never a backup"));
        let old = missed(&installation(None, Some(Span::days(9))));
        assert_eq!(old.as_deref(), Some("the last backup is 9d old"));
        assert_eq!(missed(&installation(None, Some(Span::days(2)))), None);
        let mut young = installation(None, None);
        young.oldest_business = Some(NOW - Span::hours(2));
        assert_eq!(missed(&young), None);
    }
}
