//! The part of the diagnosis about gateways: who fails, and where money runs out.

use crate::messaging::gateways::written;
use crate::operations::diagnose::Finding;
use lango_domain::ids::{SenderId, TenantId};
use lango_domain::time::Timestamp;
use lango_store::senders::{self, Sender};
use lango_store::{Error, Tx};

/// So many texts in a row that a gateway did not take are no accident.
const FAILURES: i64 = 3;

/// How a gateway does.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct SenderDiagnosis {
    /// Which.
    pub id: SenderId,
    /// Its name.
    pub name: String,
    /// Texts that it did not take, one after the other.
    pub failures: i64,
    /// Since when.
    pub failing_since: Option<Timestamp>,
    /// Why the last of them was not taken.
    pub last_error: Option<String>,
    /// What it said was left.
    pub balance: Option<String>,
    /// Whether that is less than somebody wants to be told of.
    pub balance_is_low: bool,
}

/// Looks at the gateways of a business that are on.
pub(super) async fn look(tx: &mut Tx<'_>, tenant: TenantId) -> Result<Vec<SenderDiagnosis>, Error> {
    let all = senders::of_tenant(tx, tenant).await?.into_iter();
    Ok(all.filter(|sender| sender.off_since.is_none()).map(SenderDiagnosis::from).collect())
}

impl From<Sender> for SenderDiagnosis {
    fn from(sender: Sender) -> SenderDiagnosis {
        let health = sender.health;
        let left = health.balance.as_ref();
        let balance_is_low =
            left.zip(sender.low_balance).is_some_and(|(left, low)| left.amount < low);
        SenderDiagnosis {
            id: sender.id,
            name: sender.name,
            failures: health.failures,
            failing_since: health.failing_since,
            last_error: health.last_error,
            balance: left.map(|left| format!("{} {}", left.currency, written(left.amount))),
            balance_is_low,
        }
    }
}

/// What is wrong with gateways, and what to do.
pub(super) fn judge(senders: &[SenderDiagnosis]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for sender in senders {
        let name = &sender.name;
        if sender.failures >= FAILURES {
            let what = format!(
                "the sender {name} did not take {} texts in a row: {}",
                sender.failures,
                sender.last_error.as_deref().unwrap_or("it did not say why")
            );
            let advice = format!("`lango sender test {name} --to PHONE` shows what it says");
            findings.push(Finding { since: sender.failing_since, ..Finding::new(what, advice) });
        }
        if sender.balance_is_low {
            let left = sender.balance.as_deref().unwrap_or_default();
            let what = format!("the sender {name} has only {left} left");
            findings.push(Finding::new(what, format!("buy more from the company behind {name}")));
        }
    }
    findings
}
