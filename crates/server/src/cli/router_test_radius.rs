//! `lango router test` for a router that asks by RADIUS: nobody connects to it, so the proofs are
//! what was heard from it and what it says to orders about nobody.

use super::desk::Desk;
use super::router_test::{Protocolled, StepResult, failed, notice, ok};
use crate::enforcement::radius::{ByApi, Probe, probe, setup};
use crate::enforcement::routeros::RouterOs;
use crate::operations::nases::{NasDiagnosis, SecretState, nases, secret};
use crate::radius::directory::{Signing, source};
use crate::reconcile::connect::by_api;
use lango_domain::time::{Span, Timestamp};
use lango_radius::coa::Outcome;
use lango_radius::{ErrorCause, Secret};
use lango_store::Tx;
use lango_store::routers::Router;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// A clock further off than this puts wrong times into reports.
const CLOCK_SKEW_SECONDS: i64 = 120;
/// Whoever was heard within this is there.
const HEARD_WITHIN: Span = Span::hours(26);

/// Tries all that can be tried, each by itself: one trouble does not hide the next.
pub(super) async fn steps(
    desk: &Desk,
    router: &Router,
    address: IpAddr,
    said: &mut Protocolled,
) -> anyhow::Result<()> {
    let now = desk.now();
    said.add("listening", listening(desk))?;
    said.add("address", alone(desk, router, address).await?)?;
    let known = nases(&desk.app, router.tenant).await?;
    let Some(nas) = known.into_iter().find(|nas| nas.router == router.id) else {
        // It was removed a moment ago.
        return said.add("heard", failed("it is not there any more", "see `lango router list`"));
    };
    said.add("heard", heard(&nas, now))?;
    said.add("secret", secret_of(&nas, now))?;
    said.add("strength", strength(&nas))?;
    said.add("signature", signature(&nas))?;
    let target = SocketAddr::new(address, nas.orders_port);
    match secret(&desk.app, router) {
        Some(secret) => orders(&nas, target, secret, said).await?,
        None => {
            let advice = "the key of this database has changed: see `lango restore --help`";
            said.add("disconnect", failed("its secret cannot be read", advice))?;
        }
    }
    if let Some(api) = by_api(&desk.app, router, lango_routeros::Timeouts::default())? {
        said.add("api", second_way(&nas, &api).await)?;
    }
    said.add("clock", clock(&nas))
}

/// What ends sessions if orders stay unanswered.
async fn second_way(nas: &NasDiagnosis, api: &ByApi) -> StepResult {
    match RouterOs::open(&nas.name, &api.endpoint, &api.credentials, api.timeouts).await {
        Ok(router) => ok(format!(
            "orders that it leaves unanswered go by its API: {}",
            router.observed().version
        )),
        Err(error) => failed(
            crate::observe::chain(&error),
            format!(
                "orders that it leaves unanswered fail: see `lango router change {} --api`",
                nas.name
            ),
        ),
    }
}

fn listening(desk: &Desk) -> StepResult {
    match &desk.config.radius {
        Some(here) => ok(format!(
            "`lango serve` takes logins at {} and reports at {}",
            here.authentication, here.accounting
        )),
        None => failed(
            "`lango serve` listens to no NAS",
            "take radius_authentication = \"off\" out of lango.toml and start it again",
        ),
    }
}

/// NASes are told apart by where they speak from and by nothing else.
async fn alone(desk: &Desk, router: &Router, address: IpAddr) -> anyhow::Result<StepResult> {
    let all = async |tx: &mut Tx<'_>| lango_store::routers::all(tx).await;
    let all = desk.app.store().read(all).await?;
    let shares = |other: &&Router| other.id != router.id && source(other) == Some(address);
    Ok(match all.iter().find(shares) {
        None => ok(format!("what comes from {address} is this router's")),
        Some(other) if other.tenant == router.tenant => failed(
            format!("router {} was added with {address} too", other.name),
            "only one of them is heard: give each an address of its own, as by a tunnel",
        ),
        Some(_) => failed(
            format!("a router of another business was added with {address} too"),
            "only one of them is heard: give each an address of its own, as by a tunnel",
        ),
    })
}

fn heard(nas: &NasDiagnosis, now: Timestamp) -> StepResult {
    let paste = format!(
        "paste on it what `lango router setup {} --radius --from ADDRESS` prints, then have \
         somebody log in; behind NAT or a tunnel it asks from another address",
        nas.name
    );
    match nas.heard_at.map(|at| now.since(at)) {
        Some(ago) if ago < HEARD_WITHIN => ok(format!("{ago} ago, from {}", nas.address)),
        Some(ago) => notice(format!("nothing for {ago}"), paste),
        None => failed(format!("never, from {}", nas.address), paste),
    }
}

fn secret_of(nas: &NasDiagnosis, now: Timestamp) -> StepResult {
    let ago = |at: Option<Timestamp>| at.map(|at| now.since(at)).unwrap_or_default();
    match nas.secret {
        SecretState::Proven => ok(format!("it signed with ours {} ago", ago(nas.proven_at))),
        SecretState::Wrong => failed(
            format!(
                "not the same on both sides: it signed with another {} ago",
                ago(nas.mistrusted_at)
            ),
            format!("paste on it, with the secret it was added with: {}", setup::give_secret()),
        ),
        SecretState::Unproven => notice(
            "it has signed nothing yet",
            "a customer who logs in and out proves it; so does its answer to an order, below",
        ),
    }
}

fn strength(nas: &NasDiagnosis) -> StepResult {
    match nas.weak_secret {
        false => ok("the secret is long enough"),
        true => notice(
            format!("the secret has fewer than {} characters", Secret::STRONG_LENGTH),
            format!(
                "whoever hears one login on the line can find it: `lango router setup {} --radius \
                 --from ADDRESS` makes up a good one for both sides",
                nas.name
            ),
        ),
    }
}

fn signature(nas: &NasDiagnosis) -> StepResult {
    match nas.signing {
        Signing::Required => ok("it signs its requests, and none is taken without"),
        Signing::Learning => notice(
            "not known yet whether it signs its requests",
            format!("its first signed login decides; to have it sign, paste: {}", setup::sign()),
        ),
        Signing::Off => notice(
            "it need not sign: whoever sits on the line makes a yes out of our no (CVE-2024-3596)",
            format!("paste {}, then `lango radius signing {} learning`", setup::sign(), nas.name),
        ),
    }
}

/// Whoever answers an order has heard us and knows the secret: others cannot sign the answer.
async fn orders(
    nas: &NasDiagnosis,
    target: SocketAddr,
    secret: Secret,
    said: &mut Protocolled,
) -> anyhow::Result<()> {
    let began = Instant::now();
    let ended = probe(target, secret.clone(), Probe::Disconnect).await;
    let took = began.elapsed().as_millis();
    let answers = ended.is_ok();
    said.add(
        "disconnect",
        match ended {
            Ok(answer) => ok(format!("{target} answers {} in {took} ms", words(answer))),
            Err(_) if nas.secret == SecretState::Wrong => failed(
                format!("no answer from {target}, as is to be expected with another secret"),
                "give it the right secret first",
            ),
            Err(why) => failed(
                why,
                format!(
                    "paste on it `{}`, and let its firewall take UDP port {} from here",
                    setup::take_orders(nas.orders_port),
                    nas.orders_port
                ),
            ),
        },
    )?;
    if !answers {
        return Ok(());
    }
    let ended_instead =
        "customers whose terms change are disconnected instead, and come back at once";
    said.add(
        "change",
        match probe(target, secret, Probe::Change).await {
            Ok(Outcome::Refused(Some(ErrorCause::UnsupportedService))) => {
                notice("it changes no sessions", ended_instead)
            }
            Ok(answer) => ok(format!("it answers {}", words(answer))),
            Err(_) => notice("no answer to a change", ended_instead),
        },
    )
}

/// To an order about nobody a refusal is the right answer.
fn words(answer: Outcome) -> String {
    match answer {
        Outcome::Acknowledged => "yes".to_owned(),
        Outcome::Refused(Some(cause)) => format!("that there is nobody of that name ({cause})"),
        Outcome::Refused(None) => "no, without saying why".to_owned(),
    }
}

fn clock(nas: &NasDiagnosis) -> StepResult {
    match nas.clock_ahead_seconds {
        None => notice(
            "it never said what time it is",
            "its first report tells; RouterOS says it in each",
        ),
        Some(ahead) if ahead.abs() <= CLOCK_SKEW_SECONDS => ok(format!("{ahead} s ahead of ours")),
        Some(ahead) => failed(
            format!("{ahead} s ahead of ours"),
            "paste what `lango router setup --radius` prints for `ntp`; look at the time zone: \
             /system clock",
        ),
    }
}
