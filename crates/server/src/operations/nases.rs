//! How NASes stand with us, which are the routers that ask by RADIUS: what is wrong with each, what
//! to do about it, and what a person says about how it signs.

use crate::app::App;
use crate::enforcement::Observed;
use crate::enforcement::radius::setup;
use crate::operations::add_router::{RouterAddress, RouterLogin};
use crate::operations::asked::{By, Lost};
use crate::operations::change_router::{self, ChangeRouterError};
use crate::operations::diagnose::Finding;
use crate::operations::router_api;
use crate::radius::directory::{Signing, source};
use crate::radius::overload;
use lango_domain::ids::{RouterId, TenantId};
use lango_domain::time::{Span, Timestamp};
use lango_radius::Secret;
use lango_store::radius::Nas as Kept;
use lango_store::routers::Router;
use lango_store::{Error, Tx};
use std::collections::HashMap;
use std::net::IpAddr;

/// Without an answer to an order for so long a NAS takes none.
const AWAY_AFTER: Span = Span::minutes(2);
/// Whoever has customers online reports more often than this.
const SILENT_WITH_SESSIONS: Span = Span::minutes(15);
/// A NAS without customers may be silent for a night and a day.
const SILENT_WITHOUT: Span = Span::hours(26);
/// A clock further off than this puts wrong times into its reports.
const CLOCK_SKEW_SECONDS: i64 = 120;

/// A router that asks by RADIUS.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct NasDiagnosis {
    /// Which router.
    pub router: RouterId,
    /// Its name.
    pub name: String,
    /// From where its requests come.
    pub address: IpAddr,
    /// The port at which it takes orders.
    pub orders_port: u16,
    /// Whether its requests must be signed.
    pub signing: Signing,
    /// Whether it knows the secret.
    pub secret: SecretState,
    /// Whether the secret could be found by trying.
    pub weak_secret: bool,
    /// When it last said anything.
    pub heard_at: Option<Timestamp>,
    /// When it last proved that it knows the secret.
    pub proven_at: Option<Timestamp>,
    /// When it last signed with another.
    pub mistrusted_at: Option<Timestamp>,
    /// How far its clock is ahead of ours.
    pub clock_ahead_seconds: Option<i64>,
    /// How many sessions last there.
    pub sessions: i64,
    /// Whether it answered an order lately.
    pub takes_orders: bool,
    /// Whether it answers orders by its API only.
    pub by_api_only: bool,
    /// Where its API is, if it has one beside RADIUS.
    pub api: Option<String>,
    /// What went wrong with orders last.
    pub last_error: Option<String>,
    /// Grows with every change of it.
    pub revision: i64,
}

/// Whether a NAS knows the secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum SecretState {
    /// It signed nothing yet.
    Unproven,
    /// It does.
    Proven,
    /// What it signed last was signed with another.
    Wrong,
}

impl SecretState {
    /// The word in tables.
    pub const fn word(self) -> &'static str {
        match self {
            SecretState::Unproven => "unproven",
            SecretState::Proven => "proven",
            SecretState::Wrong => "wrong",
        }
    }

    fn of(kept: &Kept) -> SecretState {
        match (kept.proven_at, kept.mistrusted_at) {
            (None, None) => SecretState::Unproven,
            (proven, Some(mistrusted)) if proven.is_none_or(|at| at < mistrusted) => {
                SecretState::Wrong
            }
            _ => SecretState::Proven,
        }
    }
}

/// All NASes of a business.
///
/// # Errors
/// A fault of the store.
pub async fn nases(app: &App, tenant: TenantId) -> Result<Vec<NasDiagnosis>, Error> {
    let (desk, now) = (app.clone(), app.clock().now());
    app.store().read(async move |tx: &mut Tx<'_>| look(tx, &desk, tenant, now).await).await
}

/// The same within a transaction.
pub(crate) async fn look(
    tx: &mut Tx<'_>,
    app: &App,
    tenant: TenantId,
    now: Timestamp,
) -> Result<Vec<NasDiagnosis>, Error> {
    use lango_store::radius;
    let kept: HashMap<RouterId, Kept> = radius::nases_of_tenant(tx, tenant)
        .await?
        .into_iter()
        .map(|kept| (kept.router, kept))
        .collect();
    let mut diagnoses = Vec::new();
    for router in lango_store::routers::of_tenant(tx, tenant).await? {
        let sessions = match source(&router) {
            Some(_) => radius::count_open(tx, router.id).await?,
            None => continue,
        };
        diagnoses.extend(diagnosed(app, kept.get(&router.id), sessions, router, now));
    }
    Ok(diagnoses)
}

/// None: it does not speak RADIUS.
fn diagnosed(
    app: &App,
    kept: Option<&Kept>,
    sessions: i64,
    router: Router,
    now: Timestamp,
) -> Option<NasDiagnosis> {
    let address = source(&router)?;
    let orders_port = serde_json::from_str::<RouterAddress>(&router.endpoint).ok()?.port;
    let recent = router.last_contact_at.is_some_and(|at| now.since(at) < AWAY_AFTER);
    Some(NasDiagnosis {
        router: router.id,
        address,
        orders_port,
        signing: kept.map_or(Signing::Learning, |kept| Signing::read(&kept.signature)),
        secret: kept.map_or(SecretState::Unproven, SecretState::of),
        weak_secret: secret(app, &router).is_some_and(|secret| secret.is_weak()),
        heard_at: kept.and_then(|kept| kept.heard_at),
        proven_at: kept.and_then(|kept| kept.proven_at),
        mistrusted_at: kept.and_then(|kept| kept.mistrusted_at),
        clock_ahead_seconds: kept.and_then(|kept| kept.clock_ahead_seconds),
        sessions,
        takes_orders: recent && router.last_error.is_none(),
        by_api_only: serde_json::from_str::<Observed>(&router.observed)
            .is_ok_and(|observed| observed.by_api_only),
        api: router_api::of(app, &router).map(|api| api.address.to_string()),
        last_error: router.last_error,
        revision: router.version,
        name: router.name,
    })
}

/// The secret that a NAS was added with, if it can be read.
pub(crate) fn secret(app: &App, router: &Router) -> Option<Secret> {
    let clear = app.open_credentials(router.id, &router.credentials).ok()?;
    let login: RouterLogin = serde_json::from_slice(&clear).ok()?;
    Secret::new(login.password).ok()
}

/// Says how a NAS signs. Its router is another version then, so that every node hears of it.
///
/// # Errors
/// See [`ChangeRouterError`].
pub async fn change_signing(
    app: &App,
    (tenant, id): (TenantId, RouterId),
    signing: Signing,
    expected: Option<i64>,
    by: &By,
    now: Timestamp,
) -> Result<(), ChangeRouterError> {
    let (desk, by) = (app.clone(), by.clone());
    let changed: Result<(), ChangeRouterError> = app
        .store()
        .attempt(async move |tx: &mut Tx<'_>| {
            let router = match change_router::expected_one(tx, tenant, id, expected).await? {
                Ok(router) if source(&router).is_some() => router,
                Ok(_) => return Ok(Err(Lost::Missing("NAS").into())),
                Err(lost) => return Ok(Err(lost.into())),
            };
            lango_store::routers::change(tx, &router).await?;
            lango_store::radius::say_signature(tx, tenant, id, signing.word()).await?;
            let what = "router changed";
            change_router::account(tx, &desk, &by.actor, &router, what, now).await?;
            Ok(Ok(()))
        })
        .await?;
    app.routers_changed();
    changed
}

/// What is wrong with a NAS, most urgent first.
pub(crate) fn judge(nas: &NasDiagnosis, now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    match nas.secret {
        SecretState::Wrong => findings.push(wrong_secret(nas, now)),
        SecretState::Proven | SecretState::Unproven => findings.extend(silence(nas, now)),
    }
    if !nas.takes_orders {
        findings.push(no_orders(nas));
    }
    if nas.takes_orders && nas.by_api_only {
        findings.push(by_api_only(nas));
    }
    if nas.signing == Signing::Off {
        findings.push(unsigned(nas));
    }
    if nas.weak_secret {
        findings.push(finding(
            format!(
                "the secret of router {} has fewer than {} characters: whoever hears one login \
                 on the line can find it by trying",
                nas.name,
                Secret::STRONG_LENGTH
            ),
            format!(
                "`lango router setup {} --radius --from ADDRESS` makes up a good one: give it to \
                 both sides",
                nas.name
            ),
        ));
    }
    if let Some(ahead) = nas.clock_ahead_seconds.filter(|ahead| ahead.abs() > CLOCK_SKEW_SECONDS) {
        findings.push(finding(
            format!("the clock of router {} is {ahead} s ahead of ours", nas.name),
            "set up NTP on it: /system ntp client".to_owned(),
        ));
    }
    let about = |one| Finding { router: Some(nas.name.clone()), ..one };
    findings.into_iter().map(about).collect()
}

fn wrong_secret(nas: &NasDiagnosis, now: Timestamp) -> Finding {
    let ago = nas.mistrusted_at.map(|at| now.since(at)).unwrap_or_default();
    finding(
        format!(
            "the secret is not the same on both sides: what came from router {} ({}) {ago} ago \
             was signed with another than it was added with",
            nas.name, nas.address
        ),
        format!("paste on it, with the secret that it was added with: {}", setup::give_secret()),
    )
}

fn silence(nas: &NasDiagnosis, now: Timestamp) -> Option<Finding> {
    let Some(heard_at) = nas.heard_at else {
        return Some(finding(
            format!("router {} has never asked anything from {}", nas.name, nas.address),
            format!(
                "paste on it what `lango router setup {} --radius --from ADDRESS` prints; behind \
                 NAT or a tunnel it asks from another address, with which it is to be added",
                nas.name
            ),
        ));
    };
    let silent = now.since(heard_at);
    let (bound, online) = match nas.sessions {
        0 => (SILENT_WITHOUT, String::new()),
        1 => (SILENT_WITH_SESSIONS, ", with one session open".to_owned()),
        many => (SILENT_WITH_SESSIONS, format!(", with {many} sessions open")),
    };
    (silent > bound).then(|| {
        finding(
            format!("router {} has been silent for {silent}{online}", nas.name),
            format!("check its power and line, then `lango router test {}`", nas.name),
        )
    })
}

fn no_orders(nas: &NasDiagnosis) -> Finding {
    let (name, port) = (&nas.name, nas.orders_port);
    let why = nas.last_error.as_deref().unwrap_or("is `lango serve` running?");
    let told = finding(
        format!("router {name} takes no orders, so nobody there can be cut before his time: {why}"),
        format!(
            "paste on it `{}`, and let its firewall take UDP port {port} from here; then `lango \
             router test {name}`{}",
            setup::take_orders(port),
            match nas.api {
                Some(_) => String::new(),
                None => format!(
                    "; or give it a second way: `lango router change {name} --api apis://{} \
                     --user lango`",
                    nas.address
                ),
            }
        ),
    );
    Finding { why: nas.last_error.clone(), ..told }
}

fn by_api_only(nas: &NasDiagnosis) -> Finding {
    let (name, port) = (&nas.name, nas.orders_port);
    finding(
        format!(
            "router {name} leaves orders by RADIUS unanswered: sessions there are ended by its \
             API, and whoever changes his plan is logged out for a moment"
        ),
        format!(
            "paste on it `{}`, and let its firewall take UDP port {port} from here",
            setup::take_orders(port)
        ),
    )
}

fn unsigned(nas: &NasDiagnosis) -> Finding {
    finding(
        format!(
            "router {} need not sign its requests: whoever sits on the line makes a yes out of our \
             no (CVE-2024-3596)",
            nas.name
        ),
        format!(
            "update it, paste `{}`, then `lango radius signing {} learning`",
            setup::sign(),
            nas.name
        ),
    )
}

/// What is wrong with us, whatever NAS it is about.
pub(crate) fn judge_lost(lost: Option<&overload::Lost>, now: Timestamp) -> Option<Finding> {
    let lost = lost.filter(|lost| lost.is_recent(now))?;
    let (shed, dropped, since) = (lost.shed, lost.dropped, now.since(lost.since));
    Some(match dropped {
        0 => finding(
            format!("{shed} RADIUS requests of the last {since} were one too many for us"),
            "NASes ask again; if it goes on, look what else keeps this machine or its disk busy"
                .to_owned(),
        ),
        _ => finding(
            format!(
                "{} RADIUS requests of the last {since} were lost, {dropped} of them in the \
                 kernel, whose buffer was full",
                shed + dropped
            ),
            "NASes ask again; give the kernel more room: `sysctl -w net.core.rmem_max=16777216`, \
             and start lango again"
                .to_owned(),
        ),
    })
}

fn finding(what: String, advice: String) -> Finding {
    Finding::new(what, advice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lango_domain::ids::Id;

    const NOW: Timestamp = Timestamp::from_micros(1_795_000_000_000_000);

    fn well() -> NasDiagnosis {
        NasDiagnosis {
            router: RouterId::from_raw(1),
            name: "Lobby".to_owned(),
            address: "10.0.0.2".parse().unwrap(),
            orders_port: 3799,
            signing: Signing::Required,
            secret: SecretState::Proven,
            weak_secret: false,
            heard_at: Some(NOW - Span::minutes(5)),
            proven_at: Some(NOW - Span::minutes(5)),
            mistrusted_at: None,
            clock_ahead_seconds: Some(1),
            sessions: 3,
            takes_orders: true,
            by_api_only: false,
            api: None,
            last_error: None,
            revision: 1,
        }
    }

    fn told(nas: NasDiagnosis) -> String {
        let findings = judge(&nas, NOW);
        assert_eq!(findings.len(), 1, "{findings:?}");
        format!("{} → {}", findings[0].what, findings[0].advice)
    }

    #[test]
    fn of_a_nas_that_does_well_nothing_is_told() {
        assert_eq!(judge(&well(), NOW), []);
        let idle = NasDiagnosis { sessions: 0, heard_at: Some(NOW - Span::hours(20)), ..well() };
        assert_eq!(judge(&idle, NOW), [], "nobody there, nothing to tell");
    }

    #[test]
    fn each_trouble_is_told_as_what_it_is_with_what_to_paste() {
        let mistrusted_at = Some(NOW - Span::seconds(4));
        let wrong = NasDiagnosis { secret: SecretState::Wrong, mistrusted_at, ..well() };
        let said = told(wrong);
        assert!(said.starts_with("the secret is not the same on both sides"), "{said}");
        assert!(said.contains("/radius set [find") && said.contains("secret="), "{said}");
        let never = told(NasDiagnosis { heard_at: None, ..well() });
        assert!(never.contains("never asked anything from 10.0.0.2"), "{never}");
        let silent = told(NasDiagnosis { heard_at: Some(NOW - Span::hours(1)), ..well() });
        assert!(silent.contains("silent for 1h, with 3 sessions open"), "{silent}");
        let half = told(NasDiagnosis { by_api_only: true, ..well() });
        assert!(half.contains("leaves orders by RADIUS unanswered"), "{half}");
        let deaf = told(NasDiagnosis { takes_orders: false, ..well() });
        assert!(deaf.contains("/radius incoming set accept=yes port=3799"), "{deaf}");
        let unsigned = told(NasDiagnosis { signing: Signing::Off, ..well() });
        assert!(unsigned.contains("CVE-2024-3596"), "{unsigned}");
        let weak = told(NasDiagnosis { weak_secret: true, ..well() });
        assert!(weak.contains("fewer than 16 characters"), "{weak}");
        let late = told(NasDiagnosis { clock_ahead_seconds: Some(-600), ..well() });
        assert!(late.contains("-600 s ahead"), "{late}");
    }

    #[test]
    fn the_last_signature_tells_whether_the_secret_is_right() {
        let kept = |proven: Option<i64>, mistrusted: Option<i64>| {
            let at = |seconds: Option<i64>| seconds.map(|s| Timestamp::from_micros(s * 1_000_000));
            SecretState::of(&Kept {
                router: RouterId::from_raw(1),
                signature: "learning".to_owned(),
                heard_at: at(Some(9)),
                proven_at: at(proven),
                mistrusted_at: at(mistrusted),
                clock_ahead_seconds: None,
                interim_at: None,
            })
        };
        assert_eq!(kept(None, None), SecretState::Unproven);
        assert_eq!(kept(None, Some(1)), SecretState::Wrong);
        assert_eq!(kept(Some(1), Some(2)), SecretState::Wrong);
        assert_eq!(kept(Some(2), Some(1)), SecretState::Proven);
        assert_eq!(kept(Some(2), None), SecretState::Proven);
    }

    #[test]
    fn losses_are_told_for_an_hour() {
        let lost = |shed, dropped, ago: Span| overload::Lost {
            since: NOW - ago,
            last: NOW - ago,
            shed,
            dropped,
        };
        assert_eq!(judge_lost(None, NOW), None);
        assert_eq!(judge_lost(Some(&lost(1, 1, Span::hours(2))), NOW), None);
        let kernel = judge_lost(Some(&lost(2, 40, Span::minutes(5))), NOW).unwrap();
        assert!(kernel.what.starts_with("42 ") && kernel.advice.contains("rmem_max"), "{kernel:?}");
        let shed = judge_lost(Some(&lost(2, 0, Span::minutes(5))), NOW).unwrap();
        assert!(shed.what.starts_with("2 "), "{shed:?}");
    }
}
