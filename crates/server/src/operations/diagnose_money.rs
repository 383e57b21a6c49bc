//! The part of the diagnosis about money: what hangs, what waits for a person, who fails to pay in,
//! and whether the books are right.

use crate::app::App;
use crate::operations::diagnose::Finding;
use crate::operations::gateways::settings_of;
use crate::payments::Unread;
use lango_domain::ids::{GatewayId, IdSequence, TenantId};
use lango_domain::payment::{FailureReason, PaymentState};
use lango_domain::time::{Span, Timestamp};
use lango_store::payments::Payment;
use lango_store::{Error, Order, Tx};
use std::collections::BTreeMap;

/// A payment that is open for longer hangs: phones stop ringing after a minute or so.
const STUCK_AFTER: Span = Span::minutes(10);
/// So far back letters and failures are looked at.
const LATELY: Span = Span::days(1);
/// So many questions without an answer are no accident.
const SILENCES: usize = 3;
/// How many rows of each kind are looked at.
const MOST_LOOKED_AT: i64 = 1_000;

/// How money does.
#[derive(Clone, PartialEq, Eq, Debug, Default, serde::Serialize)]
pub struct MoneyDiagnosis {
    /// The accounts with payment providers.
    pub gateways: Vec<GatewayDiagnosis>,
    /// Payments that are open for more than ten minutes.
    pub stuck: usize,
    /// Since when the oldest of them is open.
    pub stuck_since: Option<Timestamp>,
    /// Payments that were to be given back, and were not.
    pub refunds_failed: usize,
    /// Money that waits for a person.
    pub waiting: i64,
    /// Entries of the ledger that do not add up to nothing: always none.
    pub unbalanced: i64,
    /// Wallets that hold something else than their lines add up to: always none.
    pub wallets_off: i64,
    /// Whether providers can be told where to answer.
    pub has_address: bool,
}

/// How an account with a payment provider does.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct GatewayDiagnosis {
    /// Which.
    pub id: GatewayId,
    /// Its name.
    pub name: String,
    /// What went wrong last, unless something went right since.
    pub last_error: Option<String>,
    /// When that was.
    pub failing_since: Option<Timestamp>,
    /// Payments of the last day that its provider refused for our settings, and what it said last.
    pub refused_for_settings: usize,
    /// What it said last of them.
    pub refused_because: Option<String>,
    /// Payments of the last day that it left without any answer.
    pub unanswered: usize,
    /// Messages of the last day that nobody could read.
    pub unreadable: usize,
    /// Messages of the last day whose signature was wrong or missing.
    pub unsigned: usize,
    /// What will be wrong soon.
    pub warnings: Vec<String>,
}

/// Looks at the money of a business.
pub(super) async fn look(
    tx: &mut Tx<'_>,
    app: &App,
    tenant: TenantId,
    now: Timestamp,
) -> Result<MoneyDiagnosis, Error> {
    let mut stuck = Vec::new();
    for state in ["created", "submitting", "pending"] {
        let open = in_state(tx, tenant, state).await?;
        stuck.extend(open.into_iter().map(since).filter(|at| now.since(*at) > STUCK_AFTER));
    }
    let lately = Lately::read(tx, tenant, now).await?;
    let mut gateways = Vec::new();
    for gateway in lango_store::gateways::of_tenant(tx, tenant).await? {
        gateways.push(lately.of(app, gateway, now));
    }
    Ok(MoneyDiagnosis {
        gateways,
        stuck: stuck.len(),
        stuck_since: stuck.into_iter().min(),
        refunds_failed: in_state(tx, tenant, "refund_failed").await?.len(),
        waiting: lango_store::money_in::count_waiting(tx, tenant).await?,
        unbalanced: lango_store::ledger::count_unbalanced(tx, tenant).await?,
        wallets_off: lango_store::ledger::count_wallets_off(tx, tenant).await?,
        has_address: app.public_url().is_some(),
    })
}

async fn in_state(tx: &mut Tx<'_>, tenant: TenantId, state: &str) -> Result<Vec<Payment>, Error> {
    let (order, most) = (Order::Ascending, MOST_LOOKED_AT);
    lango_store::payments::listed(tx, tenant, Some(state), order, None, most).await
}

fn since(payment: Payment) -> Timestamp {
    payment.submitted_at.unwrap_or(payment.created_at)
}

/// What happened in the last day.
struct Lately {
    payments: Vec<Payment>,
    outcomes: Vec<(GatewayId, String, Timestamp)>,
}

impl Lately {
    async fn read(tx: &mut Tx<'_>, tenant: TenantId, now: Timestamp) -> Result<Lately, Error> {
        let (order, most) = (Order::Descending, MOST_LOOKED_AT);
        let after = IdSequence::first_at(now - LATELY);
        let mut payments =
            lango_store::payments::listed(tx, tenant, None, order, None, most).await?;
        payments.retain(|payment| now.since(payment.created_at) < LATELY);
        let outcomes = lango_store::inbox::outcomes(tx, tenant, after, MOST_LOOKED_AT).await?;
        Ok(Lately { payments, outcomes })
    }

    fn of(
        &self,
        app: &App,
        gateway: lango_store::gateways::Gateway,
        now: Timestamp,
    ) -> GatewayDiagnosis {
        let its = || self.payments.iter().filter(|payment| payment.gateway == gateway.id);
        let refused = |payment: &Payment| match &payment.state {
            PaymentState::Failed(failure) if failure.why == FailureReason::Setup => {
                Some(format!("{} {}", failure.code, failure.sentence))
            }
            _ => None,
        };
        let refused: Vec<String> = its().filter_map(refused).collect();
        let silent = |payment: &&Payment| {
            payment.state == PaymentState::Expired
                || (payment.state == PaymentState::Submitting
                    && now.since(payment.submitted_at.unwrap_or(now)) > STUCK_AFTER)
        };
        let unread = |kind: Unread| {
            let of_kind = |(id, outcome, _): &&(GatewayId, String, Timestamp)| {
                *id == gateway.id && Unread::of(outcome) == Some(kind)
            };
            self.outcomes.iter().filter(of_kind).count()
        };
        // Settings that cannot be opened are told by whoever needs them.
        let warnings = settings_of(app, &gateway).map(|settings| settings.warnings(now));
        GatewayDiagnosis {
            id: gateway.id,
            unanswered: its().filter(silent).count(),
            refused_for_settings: refused.len(),
            refused_because: refused.into_iter().next(),
            unreadable: unread(Unread::Unreadable),
            unsigned: unread(Unread::Unsigned),
            warnings: warnings.unwrap_or_default().iter().map(ToString::to_string).collect(),
            name: gateway.name,
            failing_since: gateway.last_error.as_ref().map(|(_, at)| *at),
            last_error: gateway.last_error.map(|(error, _)| error),
        }
    }
}

/// What is wrong with money, and what to do.
pub(super) fn judge(money: &MoneyDiagnosis, business: &str, now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    if money.unbalanced + money.wallets_off > 0 {
        let what = format!(
            "the books of {business} are wrong: {} entries do not add up, {} wallets differ from \
             their lines",
            money.unbalanced, money.wallets_off
        );
        let advice = "this must never be: take a backup, change nothing, and report it";
        findings.push(Finding::new(what, advice));
    }
    if !money.gateways.is_empty() && !money.has_address {
        let what = "payment providers cannot answer us: public_url is not set".to_owned();
        let advice = "write public_url = \"https://YOUR-HOST\" into lango.toml, start again, then \
                      `lango payment gateway test NAME`";
        findings.push(Finding::new(what, advice));
    }
    if let Some(since) = money.stuck_since {
        let what = format!(
            "{} payments of {business} are open for more than {STUCK_AFTER} without an answer, \
             the oldest for {}",
            money.stuck,
            now.since(since)
        );
        let advice = "see them with `lango payment purchases --open`; `lango payment ask ID` asks \
                      the provider again, and nobody is charged by it";
        findings.push(Finding { since: Some(since), ..Finding::new(what, advice) });
    }
    findings.extend(money.gateways.iter().flat_map(judge_gateway));
    if money.waiting > 0 {
        let what = format!("{} payments to {business} wait for a person", money.waiting);
        let advice = "see them with `lango payment waiting`, and say what each is for with `lango \
                      payment assign`";
        findings.push(Finding::new(what, advice));
    }
    if money.refunds_failed > 0 {
        let what =
            format!("{} payments of {business} could not be given back", money.refunds_failed);
        let advice = "see why with `lango payment purchases --state refund_failed`, then `lango \
                      payment refund ID`, or pay by hand and add --by-hand";
        findings.push(Finding::new(what, advice));
    }
    findings
}

fn judge_gateway(gateway: &GatewayDiagnosis) -> Vec<Finding> {
    let name = &gateway.name;
    let test = format!("`lango payment gateway test {name}` shows what it says");
    let mut findings = Vec::new();
    if let Some(error) = &gateway.last_error {
        let what = format!("the payment gateway {name} fails: {error}");
        let finding = Finding::new(what, test.clone());
        findings.push(Finding {
            since: gateway.failing_since,
            why: Some(error.clone()),
            ..finding
        });
    }
    if let Some(because) = &gateway.refused_because {
        let what = format!(
            "{} payments by {name} were refused for our settings today: {because}",
            gateway.refused_for_settings
        );
        let advice = format!("correct them with `lango payment gateway change {name}`; {test}");
        findings.push(Finding { why: Some(because.clone()), ..Finding::new(what, advice) });
    }
    if gateway.unanswered >= SILENCES {
        let what = format!("{name} left {} payments without an answer today", gateway.unanswered);
        findings.push(Finding::new(what, test.clone()));
    }
    if gateway.unsigned > 0 {
        let what = format!(
            "{} messages to {name} were refused today because their signature was wrong",
            gateway.unsigned
        );
        let advice = format!(
            "if the provider gave you a new key: `lango payment gateway change {name}`; if not, \
             somebody else knows the address"
        );
        findings.push(Finding::new(what, advice));
    }
    if gateway.unreadable > 0 {
        let what = format!("{} messages to {name} could not be read today", gateway.unreadable);
        let advice = "they are kept for 90 days: report what `lango payment letters` shows of them";
        findings.push(Finding::new(what, advice));
    }
    findings.extend(gateway.warnings.iter().map(|warning| {
        let advice = format!("`lango payment gateway change {name} --set …` before that day");
        Finding::new(format!("the payment gateway {name}: {warning}"), advice)
    }));
    findings
}

/// Counts payments and messages for scrapers.
///
/// # Errors
/// A fault of the store; the numbers stay as they were.
pub async fn count(app: &App, now: Timestamp) -> Result<(), Error> {
    let after = IdSequence::first_at(now - LATELY);
    let (by_state, letters) = app
        .store()
        .report(async move |tx: &mut Tx<'_>| {
            let mut sums = BTreeMap::new();
            for tenant in lango_store::tenants::all(tx).await? {
                for (state, count) in lango_store::payments::by_state(tx, tenant.id, after).await? {
                    *sums.entry(state).or_insert(0) += count;
                }
            }
            Ok((sums, lango_store::inbox::count_waiting(tx).await?))
        })
        .await?;
    app.metrics().say_payments(by_state.into_iter().collect());
    app.metrics().letters_waiting.set(letters);
    Ok(())
}
