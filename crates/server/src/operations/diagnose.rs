//! The diagnosis: who is expired and still connected, and where, since when, why; who expires
//! soon; how routers, queues and messages do; and what to do about each.

use crate::app::App;
use crate::enforcement::Observed;
use crate::observe::pulse::{self, Beats, Engine};
use crate::operations::add_router::{RouterAddress, RouterProtocol};
use lango_domain::ids::{GrantId, Id, RouterId, TenantId};
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
/// Without a pass for so long nobody is at work, neither a server nor cron.
const IDLE_AFTER: Span = Span::minutes(3);
/// How late a cut may be before it is somebody's business.
const LATE_AFTER: Span = Span::seconds(10);
/// A clock further off than this puts wrong times into the router's log.
const CLOCK_SKEW_SECONDS: i64 = 120;
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
    /// What is wrong and what to do, most urgent first.
    pub findings: Vec<Finding>,
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
    pub expiring_soon: Vec<GrantLine>,
    /// Who is to be off and is not confirmed off.
    pub expired_not_disconnected: Vec<Line>,
    /// Its routers.
    pub routers: Vec<RouterDiagnosis>,
    /// Plans on sale that say more of logins than some of its routers keep.
    pub plans_not_kept: Vec<PlanNotKept>,
    /// Messages and other jobs given up within a day.
    pub jobs_given_up: i64,
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
    pub observed: Option<Observed>,
    /// When it last answered.
    pub last_contact: Option<Timestamp>,
    /// When all of it was last compared.
    pub last_sync: Option<Timestamp>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// Orders that wait for it.
    pub waiting: i64,
    /// Objects there that are not ours to touch.
    pub strangers: Vec<Stranger>,
}

/// Something wrong, and what to do.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Finding {
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub advice: String,
}

/// Looks at everything.
///
/// # Errors
/// The database could not be read.
pub async fn diagnose(app: &App, now: Timestamp) -> Result<Diagnosis, Error> {
    let (tenants, jobs_waiting, engines) = app
        .store()
        .report(async move |tx: &mut Tx<'_>| {
            let mut tenants = Vec::new();
            for tenant in lango_store::tenants::all(tx).await? {
                tenants.push(look_at(tx, tenant, now).await?);
            }
            let waiting = lango_store::jobs::count_waiting(tx).await?;
            Ok((tenants, waiting, pulse::last(tx).await?))
        })
        .await?;
    let mut findings = judge_all(&engines, &tenants, now);
    if tenants.is_empty() {
        findings.push(Finding {
            what: "there is no business yet".to_owned(),
            advice: "run `lango init`".to_owned(),
        });
    }
    let health = health(&findings);
    Ok(Diagnosis { health, at: now, tenants, engines, jobs_waiting, findings })
}

impl Diagnosis {
    /// The same for one tenant alone.
    pub fn of_tenant(mut self, tenant: TenantId) -> Diagnosis {
        self.tenants.retain(|one| one.id == tenant);
        self.findings = judge_all(&self.engines, &self.tenants, self.at);
        self.health = health(&self.findings);
        self
    }
}

fn health(findings: &[Finding]) -> Health {
    if findings.is_empty() { Health::Healthy } else { Health::NeedsAttention }
}

async fn look_at(
    tx: &mut Tx<'_>,
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
        let strangers = routers::strangers(tx, router.id).await?;
        boxes.push(router_diagnosis(router, waiting, strangers, now));
    }
    Ok(TenantDiagnosis {
        id: tenant.id,
        active: grants::count_running(tx, tenant.id, now).await?,
        expiring_soon: grants::ending(tx, tenant.id, now, now + SOON, MOST_LINES).await?,
        expired_not_disconnected: enforcements::uncut(tx, tenant.id, MOST_LINES).await?,
        routers: boxes,
        plans_not_kept,
        jobs_given_up: jobs::count_given_up(tx, tenant.id, now - Span::days(1)).await?,
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

fn router_diagnosis(
    router: Router,
    waiting: i64,
    strangers: Vec<Stranger>,
    now: Timestamp,
) -> RouterDiagnosis {
    let recent = router.last_contact_at.is_some_and(|at| now.since(at) < AWAY_AFTER);
    RouterDiagnosis {
        id: router.id,
        name: router.name,
        reachable: recent && router.last_error.is_none(),
        observed: serde_json::from_str(&router.observed).ok(),
        last_contact: router.last_contact_at,
        last_sync: router.last_sync_at,
        last_error: router.last_error,
        waiting,
        strangers,
    }
}

fn judge_all(engines: &Beats, tenants: &[TenantDiagnosis], now: Timestamp) -> Vec<Finding> {
    let mut findings: Vec<Finding> = judge_engines(engines, now).into_iter().collect();
    findings.extend(tenants.iter().flat_map(|tenant| judge(tenant, now)));
    findings
}

/// Without anybody at work nothing ends, whatever the rest looks like.
fn judge_engines(engines: &Beats, now: Timestamp) -> Option<Finding> {
    let advice = "start `lango serve`, or have cron run `lango expire --once` every minute";
    let what = match engines.get(&Engine::Deadlines) {
        None => "nobody is at work: nothing is ended or cut until somebody is".to_owned(),
        Some(last) if now.since(*last) > IDLE_AFTER => format!(
            "nobody has been at work for {}: nothing was ended or cut since",
            now.since(*last)
        ),
        Some(_) => return None,
    };
    Some(Finding { what, advice: advice.to_owned() })
}

fn judge(tenant: &TenantDiagnosis, now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    if tenant.routers.is_empty() {
        findings.push(Finding {
            what: format!("{} has no router: nobody can be connected or cut", tenant.name),
            advice: "add one with `lango router add NAME ADDRESS --user U --password P`".to_owned(),
        });
    }
    findings.extend(
        tenant
            .expired_not_disconnected
            .iter()
            .filter(|line| now.since(line.due_at) > LATE_AFTER)
            .map(|line| still_connected(line, now)),
    );
    findings.extend(tenant.routers.iter().flat_map(|router| judge_router(router, now)));
    findings.extend(tenant.plans_not_kept.iter().map(|not_kept| Finding {
        what: format!(
            "{} does not keep all of plan {}: {}",
            not_kept.routers.join(", "),
            not_kept.plan,
            not_kept.instead.join("; ")
        ),
        advice:
            "have it ask by RADIUS (address radius://IP), or sell another plan there".to_owned(),
    }));
    if tenant.jobs_given_up > 0 {
        findings.push(Finding {
            what: format!(
                "{} messages of {} could not be sent in the last day",
                tenant.jobs_given_up, tenant.name
            ),
            advice: "read why with `lango check --json` and in the log".to_owned(),
        });
    }
    findings
}

fn still_connected(line: &Line, now: Timestamp) -> Finding {
    let overdue = now.since(line.due_at);
    let why = line.last_error.as_deref().unwrap_or("the router has not been reached since");
    Finding {
        what: format!(
            "{} should be {} for {overdue} and {} has not confirmed it: {why}",
            line.label, line.wanted, line.router_name
        ),
        advice: format!(
            "it is tried again by itself until it is done; see `lango router test {}`",
            line.router_name
        ),
    }
}

fn judge_router(router: &RouterDiagnosis, now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !router.reachable {
        let since = match router.last_contact {
            Some(at) => format!("has not answered for {}", now.since(at)),
            None => "has never answered".to_owned(),
        };
        let why = router.last_error.as_deref().unwrap_or("is `lango serve` running?");
        findings.push(Finding {
            what: format!("router {} {since}: {why}", router.name),
            advice: format!("check power, line and login: `lango router test {}`", router.name),
        });
    }
    let skew = router.observed.as_ref().and_then(|observed| observed.clock_ahead_seconds);
    if let Some(ahead) = skew.filter(|ahead| ahead.abs() > CLOCK_SKEW_SECONDS) {
        findings.push(Finding {
            what: format!("the clock of router {} is {ahead} s ahead of ours", router.name),
            advice: "set up NTP on it: /system ntp client".to_owned(),
        });
    }
    if !router.strangers.is_empty() {
        findings.push(Finding {
            what: format!(
                "router {} has {} objects in Lango's way that it did not make",
                router.name,
                router.strangers.len()
            ),
            advice: format!("look at them with `lango sync --dry-run --router {}`", router.name),
        });
    }
    findings
}

/// The ids of the grants that are to be off and not confirmed off, for callers that act on them.
pub fn uncut_grants(diagnosis: &Diagnosis) -> Vec<GrantId> {
    let mut grants: Vec<GrantId> = diagnosis
        .tenants
        .iter()
        .flat_map(|tenant| tenant.expired_not_disconnected.iter().map(|line| line.grant))
        .collect();
    grants.sort_by_key(|grant| grant.raw());
    grants.dedup();
    grants
}
