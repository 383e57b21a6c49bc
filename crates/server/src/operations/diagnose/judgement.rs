//! What of the diagnosis is wrong, and what a person can do about it. Reads nothing: all of it follows
//! from what was seen.

use super::{ClockHealth, Finding, RouterDiagnosis, TenantDiagnosis, Uncut};
use crate::observe::pulse::{Beats, Engine};
use crate::operations::{diagnose_money, diagnose_senders, nases};
use lango_domain::ids::RouterId;
use lango_domain::time::{Span, Timestamp};
use lango_store::enforcements::Line;
use std::collections::HashSet;

/// Without a pass for so long nobody is at work, neither a server nor cron.
const IDLE_AFTER: Span = Span::minutes(3);
/// How late a cut may be before it is somebody's business.
const LATE_AFTER: Span = Span::seconds(10);
/// Work that has waited for so long is done by nobody.
const STUCK_AFTER: Span = Span::minutes(10);
/// A clock further off than this puts wrong times into the router's log.
const CLOCK_SKEW_SECONDS: i64 = 120;
/// Clocks as near as this tell the same time.
const CLOCKS_AGREE_SECONDS: i64 = 30;
/// A router that spoke longer ago is no witness of the time.
const WITNESS_FOR: Span = Span::hours(1);
/// A clock before this instant was never set: a router without a battery wakes in 1970.
const NEVER_SET: Timestamp = Timestamp::from_micros(1_577_836_800_000_000);

/// Without anybody at work nothing ends, whatever the rest looks like.
pub(super) fn judge_engines(engines: &Beats, now: Timestamp) -> Vec<Finding> {
    match judge_deadlines(engines, now) {
        Some(nobody) => vec![nobody],
        None => judge_tellers(engines, now),
    }
}

fn judge_deadlines(engines: &Beats, now: Timestamp) -> Option<Finding> {
    let advice = "start `lango serve`, or have cron run `lango expire --once` every minute: \
                  `lango install systemd` or `lango install cron` sets it up";
    let last = engines.get(&Engine::Deadlines).copied();
    let what = match last {
        None => "nobody is at work: nothing is ended or cut until somebody is".to_owned(),
        Some(last) if now.since(last) > IDLE_AFTER => format!(
            "nobody has been at work for {}: nothing was ended or cut since",
            now.since(last)
        ),
        Some(_) => return None,
    };
    Some(Finding { since: last, ..Finding::new(what, advice) })
}

/// Only a server has a feed and tells webhooks: where cron does the work, nobody waits for them.
fn judge_tellers(engines: &Beats, now: Timestamp) -> Vec<Finding> {
    let tellers = [
        (Engine::Feed, "the feed", "listeners and webhooks hear nothing"),
        (Engine::Webhooks, "the engine of the webhooks", "no other program is told anything"),
    ];
    let stands_still = |(engine, name, harm): (Engine, &str, &str)| {
        let idle = now.since(*engines.get(&engine)?);
        (idle > IDLE_AFTER).then(|| {
            let what = format!("{name} has stood still for {idle}: {harm}");
            Finding::new(what, "read in the log of `lango serve` why")
        })
    };
    tellers.into_iter().filter_map(stands_still).collect()
}

pub(super) fn judge_jobs(
    oldest: Option<Timestamp>,
    waiting: i64,
    now: Timestamp,
) -> Option<Finding> {
    let since = oldest.filter(|at| now.since(*at) > STUCK_AFTER)?;
    let what = format!(
        "messages and other jobs wait, {waiting} of them, the oldest for {}: nobody does them",
        now.since(since)
    );
    let advice = "`lango serve` does them by itself; where no server runs have cron run `lango \
                  notify --once` every minute";
    Some(Finding { since: Some(since), ..Finding::new(what, advice) })
}

/// How far the routers' clocks are ahead of ours, where several agree with each other and not with
/// us. A clock that was never set is no witness.
pub(super) fn judge_clocks<'r>(
    routers: impl Iterator<Item = &'r RouterDiagnosis>,
    now: Timestamp,
) -> ClockHealth {
    let spoke = |router: &&RouterDiagnosis| {
        router.last_contact.is_some_and(|at| now.since(at) < WITNESS_FOR)
    };
    let ahead = |router: &RouterDiagnosis| {
        let ahead = router.observed.as_ref()?.clock_ahead_seconds?;
        let theirs = now.micros().saturating_add(ahead.saturating_mul(1_000_000));
        (theirs >= NEVER_SET.micros()).then_some(ahead)
    };
    let mut ahead: Vec<i64> = routers.filter(spoke).filter_map(ahead).collect();
    ahead.sort_unstable();
    let all_ahead_seconds = match (ahead.first(), ahead.last()) {
        (Some(least), Some(most)) if ahead.len() > 1 => {
            let agree = most.saturating_sub(*least) <= CLOCKS_AGREE_SECONDS;
            let differ = ahead.iter().all(|ahead| ahead.abs() > CLOCKS_AGREE_SECONDS);
            (agree && differ).then(|| ahead[ahead.len() / 2])
        }
        _ => None,
    };
    ClockHealth { routers: ahead.len(), all_ahead_seconds }
}

pub(super) fn judge_our_clock(clock: ClockHealth) -> Option<Finding> {
    let ahead = clock.all_ahead_seconds?;
    let (off, so) = match ahead {
        1.. => ("slow", "access ends too late"),
        _ => ("fast", "access ends too early"),
    };
    let by = Span::seconds(ahead.abs());
    let what = format!(
        "the clock of this machine is {by} {off}: all {} routers agree with each other and not \
         with it, and {so}",
        clock.routers
    );
    let advice = "have it set by NTP: `timedatectl set-ntp true`, and see with `timedatectl` that \
                  it is synchronized";
    Some(Finding::new(what, advice))
}

pub(super) fn judge(tenant: &TenantDiagnosis, clock: ClockHealth, now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    if tenant.routers.is_empty() {
        findings.push(Finding::new(
            format!("{} has no router: nobody can be connected or cut", tenant.name),
            "add one with `lango router add NAME ADDRESS --user U --password P`",
        ));
    }
    let overdue = |uncut: &&Uncut| now.since(uncut.line.due_at) > LATE_AFTER;
    let overdue: Vec<&Uncut> = tenant.expired_not_disconnected.iter().filter(overdue).collect();
    findings.extend(overdue.iter().map(|uncut| still_connected(&uncut.line, now)));
    let named: HashSet<RouterId> = overdue.iter().map(|uncut| uncut.line.router).collect();
    for router in &tenant.routers {
        match tenant.nases.iter().find(|nas| nas.router == router.id) {
            Some(nas) => findings.extend(nases::judge(nas, now)),
            None => findings.extend(judge_router(router, clock, now)),
        }
        if !named.contains(&router.id) {
            findings.extend(judge_orders(router, now));
        }
    }
    findings.extend(diagnose_senders::judge(&tenant.senders));
    findings.extend(diagnose_money::judge(&tenant.money, &tenant.name, now));
    findings.extend(tenant.plans_not_kept.iter().map(|not_kept| {
        let what = format!(
            "{} does not keep all of plan {}: {}",
            not_kept.routers.join(", "),
            not_kept.plan,
            not_kept.instead.join("; ")
        );
        let advice = "have it ask by RADIUS (address radius://IP), or sell another plan there";
        Finding::new(what, advice)
    }));
    if tenant.jobs_given_up > 0 {
        let why = tenant.last_given_up.clone();
        let because = why.as_deref().map(|why| format!("; the last one: {why}"));
        let what = format!(
            "{} messages of {} could not be sent in the last day{}",
            tenant.jobs_given_up,
            tenant.name,
            because.unwrap_or_default()
        );
        let advice = "see them with `lango job list --state given-up`, mend what is named, then \
                      `lango job retry --all-given-up`";
        findings.push(Finding { why, ..Finding::new(what, advice) });
    }
    findings
}

fn still_connected(line: &Line, now: Timestamp) -> Finding {
    let overdue = now.since(line.due_at);
    let why = line.last_error.as_deref().unwrap_or("the router has not been reached since");
    let (label, wanted, router) = (&line.label, &line.wanted, &line.router_name);
    let what = format!(
        "{label} should be {wanted} for {overdue} and {router} has not confirmed it: {why}"
    );
    let advice = format!(
        "it is tried again by itself until it is done; {}",
        remedy(line.last_error.as_deref(), router)
    );
    Finding {
        who: Some(label.clone()),
        router: Some(router.clone()),
        since: Some(line.due_at),
        why: line.last_error.clone(),
        ..Finding::new(what, advice)
    }
}

fn judge_router(router: &RouterDiagnosis, clock: ClockHealth, now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    let name = &router.name;
    let about = |what: String, advice: String| Finding {
        router: Some(name.clone()),
        ..Finding::new(what, advice)
    };
    if !router.reachable {
        let since = match router.last_contact {
            Some(at) => format!("has not answered for {}", now.since(at)),
            None => "has never answered".to_owned(),
        };
        let why = router.last_error.as_deref().unwrap_or("is `lango serve` running?");
        let advice = remedy(router.last_error.as_deref(), name);
        findings.push(Finding {
            since: router.last_contact,
            why: router.last_error.clone(),
            ..about(format!("router {name} {since}: {why}"), advice)
        });
    }
    let skew = router.observed.as_ref().and_then(|seen| seen.clock_ahead_seconds);
    if let Some(ahead) = skew.filter(|ahead| is_its_own_fault(*ahead, clock)) {
        let direction = if ahead > 0 { "ahead of" } else { "behind" };
        let off = Span::seconds(ahead.abs());
        let what = format!("the clock of router {name} is {off} {direction} ours");
        let advice = match clock.routers {
            0 | 1 => {
                "no other router says which of the two is wrong: see `timedatectl` here, then set \
                 up NTP on it: /system ntp client set enabled=yes servers=pool.ntp.org"
            }
            _ => "set up NTP on it: /system ntp client set enabled=yes servers=pool.ntp.org",
        };
        findings.push(about(what, advice.to_owned()));
    }
    if !router.strangers.is_empty() {
        let (count, one) = (router.strangers.len(), router.strangers.first());
        let such = one.map(|one| format!(", such as {} in {}", one.name, one.menu));
        findings.push(about(
            format!(
                "router {name} has {count} objects in Lango's way that it did not make{}",
                such.unwrap_or_default()
            ),
            format!("look at them with `lango sync --dry-run --router {name}`"),
        ));
    }
    findings
}

/// A router is not blamed for what is wrong with us.
fn is_its_own_fault(ahead: i64, clock: ClockHealth) -> bool {
    let agrees = |all: i64| ahead.saturating_sub(all).abs() <= CLOCKS_AGREE_SECONDS;
    ahead.abs() > CLOCK_SKEW_SECONDS && !clock.all_ahead_seconds.is_some_and(agrees)
}

/// Orders that a router could take and that nobody brings.
fn judge_orders(router: &RouterDiagnosis, now: Timestamp) -> Option<Finding> {
    let since = router.oldest_order.filter(|at| now.since(*at) > STUCK_AFTER)?;
    if !router.reachable {
        return None;
    }
    let (name, waiting) = (&router.name, router.waiting);
    let what = format!(
        "router {name} answers, and yet {waiting} orders wait for it, the oldest for {}",
        now.since(since)
    );
    let advice =
        format!("`lango sync --once --router {name}` does them now and says what it refuses");
    Some(Finding { router: Some(name.clone()), since: Some(since), ..Finding::new(what, advice) })
}

/// What an experienced operator would try first, by what went wrong. The words are those of
/// [`lango_routeros::Error`].
fn remedy(error: Option<&str>, router: &str) -> String {
    let says = |words: &str| error.is_some_and(|error| error.contains(words));
    let test = format!("`lango router test {router}` tries step by step");
    if says("refused the login") {
        return format!(
            "see its users with `/user print` there, then give the right login with `lango router \
             change {router} --password`; {test}"
        );
    }
    if says("certificate that is not trusted") {
        return format!(
            "if you gave it a new certificate, pin it with `lango router change {router} \
             --fingerprint HEX` ({test} and shows it); if nobody did, somebody stands in between"
        );
    }
    if says("broke the protocol") {
        return format!(
            "see its ports with `/ip service print` there, then `lango router change {router} \
             --address ADDRESS`; {test}"
        );
    }
    if says("cannot be reached") || says("did not answer") {
        return format!(
            "check its power and line, then `/ip service print` there (is the API on, and open for \
             this machine?) and its firewall; {test}"
        );
    }
    format!("check power, line and login: {test}")
}

#[cfg(test)]
mod tests {
    use super::super::Seen;
    use super::*;
    use lango_domain::ids::Id;
    use lango_routeros::{Error as RouterError, Trap, TrapKind};

    const NOW: Timestamp = Timestamp::from_micros(1_795_000_000_000_000);

    fn router(name: &str, clock_ahead_seconds: Option<i64>) -> RouterDiagnosis {
        RouterDiagnosis {
            id: RouterId::from_raw(1),
            name: name.to_owned(),
            reachable: true,
            observed: Some(Seen {
                version: "7.20".to_owned(),
                identity: name.to_owned(),
                board: "RB750".to_owned(),
                uptime_seconds: 60,
                clock_ahead_seconds,
                active_sessions: 0,
            }),
            last_contact: Some(NOW - Span::seconds(5)),
            last_sync: None,
            last_error: None,
            waiting: 0,
            oldest_order: None,
            strangers: Vec::new(),
        }
    }

    fn verdict(ahead: &[i64]) -> Option<i64> {
        let routers: Vec<RouterDiagnosis> =
            ahead.iter().map(|ahead| router("R", Some(*ahead))).collect();
        judge_clocks(routers.iter(), NOW).all_ahead_seconds
    }

    #[test]
    fn if_all_routers_agree_against_us_then_our_clock_is_wrong() {
        assert_eq!(verdict(&[600, 605, 598]), Some(600));
        assert_eq!(verdict(&[-3_600, -3_601]), Some(-3_600));
        assert_eq!(verdict(&[600]), None, "one against one says nothing");
        assert_eq!(verdict(&[600, 0]), None, "one router is with us");
        assert_eq!(verdict(&[600, -600]), None, "they do not agree");
        assert_eq!(verdict(&[2, 1, 0]), None, "all is well");
        let never_set = -(NOW.micros() / 1_000_000);
        assert_eq!(verdict(&[never_set, never_set]), None, "two routers that woke in 1970");
    }

    #[test]
    fn our_fault_is_told_once_and_not_as_the_routers() {
        let clock = ClockHealth { routers: 2, all_ahead_seconds: Some(600) };
        let told = judge_our_clock(clock).unwrap();
        assert!(told.what.contains("10m slow") && told.what.contains("too late"), "{told:?}");
        assert!(judge_router(&router("R1", Some(605)), clock, NOW).is_empty());
        let other = judge_router(&router("R2", Some(-900)), clock, NOW);
        assert!(other[0].what.contains("15m behind ours"), "{other:?}");
        let fast = judge_our_clock(ClockHealth { routers: 2, all_ahead_seconds: Some(-60) });
        assert!(fast.unwrap().what.contains("too early"));
    }

    #[test]
    fn a_router_that_was_silent_for_long_is_no_witness() {
        let mut silent = router("R1", Some(600));
        silent.last_contact = Some(NOW - Span::hours(2));
        let routers = [silent, router("R2", Some(600))];
        let judged = judge_clocks(routers.iter(), NOW);
        assert_eq!(judged, ClockHealth { routers: 1, all_ahead_seconds: None });
    }

    #[test]
    fn what_to_do_follows_from_what_the_router_said() {
        let (router, user) = ("10.0.0.1:8728".into(), "lango".into());
        let message = "invalid user name or password (6)".into();
        let trap = Trap { kind: TrapKind::Other, message, category: None };
        let login = RouterError::LoginRefused { router, user, trap }.to_string();
        assert!(remedy(Some(&login), "R1").contains("lango router change R1 --password"));
        let router: std::sync::Arc<str> = "10.0.0.1:8729".into();
        let problem = "another fingerprint".into();
        let stranger = RouterError::Untrusted { router: router.clone(), problem }.to_string();
        assert!(remedy(Some(&stranger), "R1").contains("--fingerprint"));
        let problem = "HTTP".into();
        let port = RouterError::Protocol { router: router.clone(), problem }.to_string();
        assert!(remedy(Some(&port), "R1").contains("--address"));
        let cause = std::sync::Arc::new(std::io::ErrorKind::TimedOut.into());
        let away = RouterError::Unreachable { router, hint: "no answer", cause }.to_string();
        assert!(remedy(Some(&away), "R1").contains("power and line"));
        for error in [Some(login), Some(stranger), Some(port), Some(away), None] {
            assert!(remedy(error.as_deref(), "R1").contains("lango router test R1"));
        }
    }

    #[test]
    fn work_that_nobody_does_is_a_finding_and_work_in_hand_is_none() {
        assert_eq!(judge_jobs(None, 0, NOW), None);
        assert_eq!(judge_jobs(Some(NOW - Span::minutes(1)), 3, NOW), None);
        let stuck = judge_jobs(Some(NOW - Span::hours(2)), 3, NOW).unwrap();
        assert!(stuck.what.contains("oldest for 2h"), "{stuck:?}");
        let mut busy = router("R1", Some(0));
        (busy.waiting, busy.oldest_order) = (2, Some(NOW - Span::minutes(1)));
        assert_eq!(judge_orders(&busy, NOW), None);
        busy.oldest_order = Some(NOW - Span::hours(1));
        let stuck = judge_orders(&busy, NOW).unwrap();
        assert_eq!((stuck.router.as_deref(), stuck.since), (Some("R1"), busy.oldest_order));
    }
}
