//! The diagnosis: who is expired and still connected, and where, since when, why; who expires
//! soon; how routers, queues, messages and clocks do; and what to do about each.

mod judgement;

use crate::app::App;
use crate::enforcement::Observed;
use crate::observe::pulse::{self, Beats};
use crate::operations::add_router::{RouterAddress, RouterProtocol};
use crate::operations::diagnose_money::{self, MoneyDiagnosis};
use crate::operations::diagnose_senders::{self, SenderDiagnosis};
use crate::operations::nases::{self, NasDiagnosis};
use crate::radius::overload;
use lango_domain::ids::{GrantId, Id, RouterId, TenantId};
use lango_domain::phone_number::PhoneNumber;
use lango_domain::time::{Span, Timestamp};
use lango_store::enforcements::Line;
use lango_store::grants::GrantLine;
use lango_store::plans::StoredPlan;
use lango_store::routers::{Router, Stranger};
use lango_store::tenants::Tenant;
use lango_store::{Error, Tx};

/// How far ahead "soon" looks.
pub const SOON: Span = Span::minutes(30);
/// How long without a sign of life a router counts as away.
const AWAY_AFTER: Span = Span::minutes(2);
/// How many lines of each kind are shown.
const MOST_LINES: i64 = 100;

/// The whole diagnosis.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Diagnosis {
    /// Whether a person must do something.
    pub health: Health,
    /// When it was made.
    pub at: Timestamp,
    /// Tenant by tenant.
    pub tenants: Vec<TenantDiagnosis>,
    /// When each engine last finished a pass, in whatever process.
    pub engines: Beats,
    /// Jobs that wait, over all tenants.
    pub jobs_waiting: i64,
    /// Since when the oldest job waits that could have been done; none if none does.
    pub oldest_job_since: Option<Timestamp>,
    /// What the routers' clocks say of ours.
    pub clock: ClockHealth,
    /// RADIUS requests that were lost last, in whatever process.
    pub radius_lost: Option<overload::Lost>,
    /// What is wrong and what to do, most urgent first.
    pub findings: Vec<Finding>,
    /// What would be wise and is no trouble yet.
    pub recommendations: Vec<Finding>,
}

/// What the routers' clocks say of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
pub struct ClockHealth {
    /// How many routers told us the time lately.
    pub routers: usize,
    /// How far all of them are ahead of us, where several agree and we do not; negative if behind.
    pub all_ahead_seconds: Option<i64>,
}

/// Whether a person must do something.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// No.
    Healthy,
    /// Yes.
    NeedsAttention,
}

/// One tenant.
#[derive(Clone, Debug, serde::Serialize)]
pub struct TenantDiagnosis {
    /// Which.
    pub id: TenantId,
    /// Its name.
    pub name: String,
    /// Grants with an end ahead of them.
    pub active: i64,
    /// Who ends within [`SOON`].
    pub expiring_soon: Vec<Soon>,
    /// Who is to be off and is not confirmed off.
    pub expired_not_disconnected: Vec<Uncut>,
    /// Its routers.
    pub routers: Vec<RouterDiagnosis>,
    /// Those of its routers that ask by RADIUS.
    pub nases: Vec<NasDiagnosis>,
    /// Plans on sale that say more of logins than some of its routers keep.
    pub plans_not_kept: Vec<PlanNotKept>,
    /// Its gateways for texts.
    pub senders: Vec<SenderDiagnosis>,
    /// Its money.
    pub money: MoneyDiagnosis,
    /// Messages and other jobs given up within a day.
    pub jobs_given_up: i64,
    /// Why the last of them was given up.
    pub last_given_up: Option<String>,
}

/// Somebody whose access ends soon.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Soon {
    /// What ends.
    #[serde(flatten)]
    pub line: GrantLine,
    /// In how many whole minutes.
    pub remaining_minutes: i64,
    /// What the customer is called.
    pub customer_name: Option<String>,
    /// Where he can be told.
    pub phone: Option<PhoneNumber>,
}

/// Somebody who is to be off and is not confirmed off.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Uncut {
    /// Who, where, why.
    #[serde(flatten)]
    pub line: Line,
    /// For how long.
    pub overdue_seconds: i64,
}

/// A plan that says more of logins than routers can be told by their API. They are not asked at
/// each login, as NASes ask us by RADIUS.
#[derive(Clone, Debug, serde::Serialize)]
pub struct PlanNotKept {
    /// The plan's name.
    pub plan: String,
    /// The routers' names.
    pub routers: Vec<String>,
    /// What happens there instead.
    pub instead: Vec<&'static str>,
}

/// One router.
#[derive(Clone, Debug, serde::Serialize)]
pub struct RouterDiagnosis {
    /// Which.
    pub id: RouterId,
    /// Its name.
    pub name: String,
    /// Whether it answered lately.
    pub reachable: bool,
    /// What it said of itself.
    pub observed: Option<Seen>,
    /// When it last answered.
    pub last_contact: Option<Timestamp>,
    /// When all of it was last compared.
    pub last_sync: Option<Timestamp>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// Orders that wait for it.
    pub waiting: i64,
    /// Since when the oldest of them waits.
    pub oldest_order: Option<Timestamp>,
    /// Objects there that are not ours to touch.
    pub strangers: Vec<Stranger>,
}

/// What a router said of itself.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Seen {
    /// `7.24.4 (stable)`.
    pub version: String,
    /// The name on the box.
    pub identity: String,
    /// The kind of box.
    pub board: String,
    /// Since its last start.
    pub uptime_seconds: i64,
    /// How far its clock is ahead of ours; negative if behind; none if it did not say.
    pub clock_ahead_seconds: Option<i64>,
    /// Sessions of all kinds, ours or not.
    pub active_sessions: u64,
}

impl From<Observed> for Seen {
    fn from(observed: Observed) -> Seen {
        let Observed { version, identity, board, uptime, .. } = observed;
        let Observed { clock_ahead_seconds, active_sessions, .. } = observed;
        let uptime_seconds = uptime.as_seconds();
        Seen { version, identity, board, uptime_seconds, clock_ahead_seconds, active_sessions }
    }
}

/// Something wrong, and what to do.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Finding {
    /// What is wrong, in a sentence.
    pub what: String,
    /// What to do.
    pub advice: String,
    /// Whom it is about.
    pub who: Option<String>,
    /// On which router.
    pub router: Option<String>,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Why, in the words of whoever said it.
    pub why: Option<String>,
}

impl Finding {
    /// A finding about the whole.
    pub fn new(what: impl Into<String>, advice: impl Into<String>) -> Finding {
        let (what, advice) = (what.into(), advice.into());
        Finding { what, advice, who: None, router: None, since: None, why: None }
    }
}

/// Looks at everything.
///
/// # Errors
/// The database could not be read.
pub async fn diagnose(app: &App, now: Timestamp) -> Result<Diagnosis, Error> {
    let desk = app.clone();
    let (tenants, jobs_waiting, next_job, engines, radius_lost) = app
        .store()
        .report(async move |tx: &mut Tx<'_>| {
            let mut tenants = Vec::new();
            for tenant in lango_store::tenants::all(tx).await? {
                tenants.push(look_at(tx, &desk, tenant, now).await?);
            }
            let waiting = lango_store::jobs::count_waiting(tx).await?;
            let next = lango_store::jobs::next_run(tx).await?;
            Ok((tenants, waiting, next, pulse::last(tx).await?, overload::lost(tx).await?))
        })
        .await?;
    let clock = judgement::judge_clocks(tenants.iter().flat_map(|tenant| &tenant.routers), now);
    let mut diagnosis = Diagnosis {
        health: Health::Healthy,
        at: now,
        tenants,
        engines,
        jobs_waiting,
        oldest_job_since: next_job.filter(|at| *at <= now),
        clock,
        radius_lost,
        findings: Vec::new(),
        recommendations: Vec::new(),
    };
    diagnosis.judge();
    if diagnosis.tenants.is_empty() {
        diagnosis.find(Finding::new("there is no business yet", "run `lango init`"));
    }
    Ok(diagnosis)
}

impl Diagnosis {
    /// The same for one tenant alone.
    pub fn of_tenant(mut self, tenant: TenantId) -> Diagnosis {
        self.tenants.retain(|one| one.id == tenant);
        self.judge();
        self
    }

    /// Adds what somebody else has found wrong.
    pub fn find(&mut self, finding: Finding) {
        self.findings.push(finding);
        self.health = health(&self.findings);
    }

    fn judge(&mut self) {
        let mut findings = judgement::judge_engines(&self.engines, self.at);
        findings.extend(judgement::judge_our_clock(self.clock));
        findings.extend(judgement::judge_jobs(self.oldest_job_since, self.jobs_waiting, self.at));
        for tenant in &self.tenants {
            findings.extend(judgement::judge(tenant, self.clock, self.at));
        }
        findings.extend(nases::judge_lost(self.radius_lost.as_ref(), self.at));
        self.health = health(&findings);
        self.findings = findings;
    }
}

fn health(findings: &[Finding]) -> Health {
    if findings.is_empty() { Health::Healthy } else { Health::NeedsAttention }
}

async fn look_at(
    tx: &mut Tx<'_>,
    app: &App,
    tenant: Tenant,
    now: Timestamp,
) -> Result<TenantDiagnosis, Error> {
    use lango_store::{enforcements, grants, jobs, plans, routers};
    let all = routers::of_tenant(tx, tenant.id).await?;
    let told_by_api = all.iter().filter(|router| !asks_by_radius(router));
    let told_by_api: Vec<String> = told_by_api.map(|router| router.name.clone()).collect();
    let plans_not_kept = match told_by_api.is_empty() {
        true => Vec::new(),
        false => plans_not_kept(plans::of_tenant(tx, tenant.id).await?, &told_by_api),
    };
    let mut boxes = Vec::new();
    for router in all {
        let waiting = enforcements::count_pending(tx, router.id).await?;
        let oldest = enforcements::oldest_pending(tx, router.id).await?;
        let strangers = routers::strangers(tx, router.id).await?;
        boxes.push(router_diagnosis(router, (waiting, oldest), strangers, now));
    }
    let yesterday = now - Span::days(1);
    let ending = grants::ending(tx, tenant.id, now, now + SOON, MOST_LINES).await?;
    let uncut = enforcements::uncut(tx, tenant.id, MOST_LINES).await?;
    Ok(TenantDiagnosis {
        id: tenant.id,
        active: grants::count_running(tx, tenant.id, now).await?,
        expiring_soon: soon(tx, ending, now).await?,
        expired_not_disconnected: uncut
            .into_iter()
            .map(|line| Uncut { overdue_seconds: now.since(line.due_at).as_seconds(), line })
            .collect(),
        routers: boxes,
        nases: nases::look(tx, app, tenant.id, now).await?,
        plans_not_kept,
        senders: diagnose_senders::look(tx, tenant.id).await?,
        money: diagnose_money::look(tx, app, tenant.id, now).await?,
        jobs_given_up: jobs::count_given_up(tx, tenant.id, yesterday).await?,
        last_given_up: jobs::last_given_up(tx, tenant.id, yesterday).await?,
        name: tenant.name,
    })
}

fn asks_by_radius(router: &Router) -> bool {
    let address = serde_json::from_str::<RouterAddress>(&router.endpoint);
    address.is_ok_and(|address| address.protocol == RouterProtocol::Radius)
}

fn plans_not_kept(plans: Vec<StoredPlan>, routers: &[String]) -> Vec<PlanNotKept> {
    let on_sale = plans.into_iter().filter(|stored| stored.retired_at.is_none());
    let not_kept = on_sale.map(|stored| PlanNotKept {
        instead: stored.plan.terms.logins.not_kept_by_routers(),
        plan: stored.plan.name,
        routers: routers.to_vec(),
    });
    not_kept.filter(|plan| !plan.instead.is_empty()).collect()
}

async fn soon(tx: &mut Tx<'_>, lines: Vec<GrantLine>, now: Timestamp) -> Result<Vec<Soon>, Error> {
    let mut ending = Vec::with_capacity(lines.len());
    for line in lines {
        let customer = match line.customer {
            Some(id) => lango_store::customers::find(tx, id).await?,
            None => None,
        };
        let left = line.ends_at.map_or(Span::ZERO, |at| at.since(now));
        let (customer_name, phone) =
            customer.map_or((None, None), |customer| (Some(customer.name), customer.phone));
        ending.push(Soon { line, remaining_minutes: left.as_seconds() / 60, customer_name, phone });
    }
    Ok(ending)
}

fn router_diagnosis(
    router: Router,
    (waiting, oldest_order): (i64, Option<Timestamp>),
    strangers: Vec<Stranger>,
    now: Timestamp,
) -> RouterDiagnosis {
    let recent = router.last_contact_at.is_some_and(|at| now.since(at) < AWAY_AFTER);
    RouterDiagnosis {
        id: router.id,
        name: router.name,
        reachable: recent && router.last_error.is_none(),
        observed: serde_json::from_str::<Observed>(&router.observed).ok().map(Seen::from),
        last_contact: router.last_contact_at,
        last_sync: router.last_sync_at,
        last_error: router.last_error,
        waiting,
        oldest_order,
        strangers,
    }
}

/// The ids of the grants that are to be off and not confirmed off, for callers that act on them.
pub fn uncut_grants(diagnosis: &Diagnosis) -> Vec<GrantId> {
    let mut grants: Vec<GrantId> = diagnosis
        .tenants
        .iter()
        .flat_map(|tenant| tenant.expired_not_disconnected.iter().map(|uncut| uncut.line.grant))
        .collect();
    grants.sort_by_key(|grant| grant.raw());
    grants.dedup();
    grants
}
