//! What routers answered to our orders. The only place where anybody is called cut.

use crate::app::App;
use crate::enforcement::{ConfirmedBy, Outcome};
use crate::operations::asked::Actor;
use lango_domain::ids::{GrantId, Id, RouterId, SessionId};
use lango_domain::time::{Span, Timestamp};
use lango_store::activity::Activity;
use lango_store::cuts::Cut;
use lango_store::enforcements::{Confirmation, Failure, Work};
use lango_store::{Error, Tx};
use std::collections::HashSet;

/// What one round of orders brought.
#[derive(Clone, PartialEq, Eq, Debug, Default, serde::Serialize)]
pub struct Round {
    /// Customers confirmed off.
    pub cut: usize,
    /// Customers confirmed on.
    pub connected: usize,
    /// Orders that failed and will be tried again.
    pub failed: usize,
    /// How late each cut was.
    #[serde(skip)]
    pub lateness: Vec<Span>,
}

impl Round {
    /// Both together.
    pub fn add(&mut self, other: Round) {
        self.cut += other.cut;
        self.connected += other.connected;
        self.failed += other.failed;
        self.lateness.extend(other.lateness);
    }
}

/// Records what became of claimed work. `confirmed_at` is the instant after the router was read
/// back.
///
/// # Errors
/// A fault of the store; the work is then claimed again after its lease.
pub async fn record_outcomes(
    app: &App,
    router: RouterId,
    work: Vec<Work>,
    outcomes: Vec<Outcome>,
    confirmed_at: Timestamp,
) -> Result<Round, Error> {
    let (desk, account) = (app.clone(), app.clone());
    let (mut cuts, mut confirmations, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    for (work, outcome) in work.iter().zip(outcomes) {
        match outcome {
            Outcome::Confirmed { by, sessions_ended } => {
                confirmations.push(confirmation(work, by));
                if !work.wanted.is_online() {
                    cuts.push(proof(&desk, router, work, by, sessions_ended, confirmed_at));
                }
            }
            Outcome::Failed(error) => failures.push(failure(work, error, confirmed_at)),
        }
    }
    let failed = failures.len();
    let fresh = app
        .store()
        .write(async move |tx: &mut Tx<'_>| {
            use lango_store::{cuts as proofs, enforcements};
            enforcements::fail(tx, router, &failures).await?;
            let fresh =
                enforcements::confirm_each(tx, router, &confirmations, confirmed_at).await?;
            // A stale attempt proves nothing: the later one brings its own proof.
            let fresh: HashSet<GrantId> = fresh.into_iter().collect();
            let proven: Vec<Cut> =
                cuts.iter().filter(|cut| fresh.contains(&cut.grant)).cloned().collect();
            proofs::insert(tx, &proven).await?;
            let lines: Vec<Activity> = proven.iter().map(|cut| line(&account, cut)).collect();
            lango_store::activity::append(tx, &lines).await?;
            Ok((fresh.len(), proven.iter().map(|cut| cut.lateness).collect::<Vec<_>>()))
        })
        .await?;
    let (confirmed, lateness) = fresh;
    Ok(Round { cut: lateness.len(), connected: confirmed - lateness.len(), failed, lateness })
}

fn confirmation(work: &Work, by: ConfirmedBy) -> Confirmation {
    Confirmation {
        grant: work.grant,
        attempt: work.attempt,
        revision: work.revision,
        access: work.wanted.word(),
        by: by.word(),
    }
}

fn proof(
    app: &App,
    router: RouterId,
    work: &Work,
    by: ConfirmedBy,
    sessions_ended: u32,
    confirmed_at: Timestamp,
) -> Cut {
    Cut {
        id: app.id::<SessionId>(confirmed_at).raw(),
        tenant: work.tenant,
        router,
        grant: work.grant,
        due_at: work.due_at,
        confirmed_at,
        lateness: confirmed_at.since(work.due_at),
        attempts: work.failures + 1,
        confirmed_by: by.word().to_owned(),
        sessions_ended: i64::from(sessions_ended),
    }
}

fn line(app: &App, cut: &Cut) -> Activity {
    Activity {
        id: app.id(cut.confirmed_at),
        tenant: cut.tenant,
        at: cut.confirmed_at,
        actor: Actor::Router.word(),
        grant: Some(cut.grant),
        router: Some(cut.router),
        what: "cut".to_owned(),
        detail: match ConfirmedBy::Api.word() == cut.confirmed_by {
            true => {
                format!("confirmed {} after it was due, {}", cut.lateness, ConfirmedBy::Api.words())
            }
            false => format!("confirmed {} after it was due", cut.lateness),
        },
    }
}

fn failure(work: &Work, error: String, now: Timestamp) -> Failure {
    let retry_at = now + crate::reconcile::backoff::pause(work.failures);
    Failure { grant: work.grant, attempt: work.attempt, retry_at, error }
}
