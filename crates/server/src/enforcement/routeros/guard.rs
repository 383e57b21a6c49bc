//! The second deadline where a menu has none of its own: a scheduler entry on the router that
//! ends one grant by itself should the router lose us, and then removes itself.
//!
//! Its time stands in its comment, since the router's clock and ours differ and what it shows of
//! its next run depends on version and zone. A first run comes one interval after the entry was
//! made, so a guard is never changed: it is removed and made anew.

use super::connections;
use super::owner::{self, CUT_BY_GUARD, mark, mark_with, object_name};
use super::setup::quoted;
use super::static_ip::{EXPIRED, PAID};
use super::visit::{Task, Visit, Write, is_refusal};
use crate::enforcement::Order;
use lango_domain::access::Access;
use lango_domain::ids::GrantId;
use lango_domain::time::{Span, Timestamp};
use lango_domain::wanted::RouterDeadline;
use lango_routeros::Error;
use lango_routeros::menus::{Menu, Schedule};
use lango_routeros::values::write_duration;
use std::collections::HashMap;
use std::time::Duration;

/// Only what ends this soon has a guard; later ends get theirs from a later survey.
pub const GUARD_HORIZON: Span = Span::hours(24);

/// How much later than our own timer the router acts. We are the first, it is the second; and a
/// customer who renews while the line to his router is broken must not be cut by a router that
/// cannot have heard of it, unless the line stays broken for longer than this.
pub const ROUTER_MARGIN: Duration = Duration::from_secs(10 * 60);

const NOTE: &str = "until ";

/// When the router is to end a grant by a guard, if it needs one.
pub(super) fn due(order: &Order, now: Timestamp) -> Option<Timestamp> {
    let profile = order.wanted.profile()?;
    let Some(RouterDeadline::At(end)) = profile.deadline else { return None };
    // One device's limit-uptime is exact; that of several runs faster than time.
    let exact = matches!(order.access, Access::Hotspot { .. }) && profile.devices <= 1;
    (!exact && end.since(now) <= GUARD_HORIZON).then_some(end)
}

/// The guards on a router by grant.
pub(super) type Guards = HashMap<GrantId, Vec<Schedule>>;

/// Reads the guards of these grants, or all.
pub(super) async fn read(visit: &Visit<'_>, grants: Option<&[GrantId]>) -> Result<Guards, Error> {
    let rows: Vec<Schedule> = match grants {
        None => visit.connection.all(None).await?,
        Some(grants) => {
            let names: Vec<_> = grants.iter().map(|grant| ("name", object_name(*grant))).collect();
            visit.rows(&names).await?
        }
    };
    let mut guards = Guards::new();
    for row in rows {
        if let owner::Owner::Grant(grant, _) = owner::owner(row.comment.as_deref()) {
            guards.entry(grant).or_default().push(row);
        }
    }
    Ok(guards)
}

/// Whether what the router has is the one guard that is due then, or none if none may be made.
pub(super) fn is_right(present: &[Schedule], due: Option<Timestamp>, may_add: bool) -> bool {
    match (present, due) {
        ([], due) => due.is_none() || !may_add,
        ([row], Some(due)) => {
            !row.disabled && row.run_count.unwrap_or(0) == 0 && until(row) == Some(seconds(due))
        }
        _ => false,
    }
}

fn until(row: &Schedule) -> Option<i64> {
    owner::note(row.comment.as_deref()).strip_prefix(NOTE)?.parse().ok()
}

fn seconds(at: Timestamp) -> i64 {
    at.micros().div_euclid(1_000_000)
}

/// Replaces the guards of orders that are to be online. Before anything else: an old guard must
/// not fire on what was just renewed, so one that cannot be removed fails its order, and where no
/// guard may be made the old ones go all the same. Says whether the router took the new ones.
pub(super) async fn renew(
    visit: &Visit<'_>,
    tasks: &mut [Task<'_>],
    may_add: bool,
) -> Result<bool, Error> {
    let concerns = |task: &Task<'_>| task.is_open() && task.order.wanted.is_online();
    settle(visit, tasks, concerns, may_add).await
}

/// Removes the guards of orders that were ended. After everything else: until then they stand by.
pub(super) async fn dismiss(visit: &Visit<'_>, tasks: &mut [Task<'_>]) -> Result<(), Error> {
    let concerns = |task: &Task<'_>| task.is_confirmed() && !task.order.wanted.is_online();
    settle(visit, tasks, concerns, false).await.map(drop)
}

async fn settle(
    visit: &Visit<'_>,
    tasks: &mut [Task<'_>],
    concerns: impl Fn(&Task<'_>) -> bool,
    may_add: bool,
) -> Result<bool, Error> {
    let grants: Vec<GrantId> =
        tasks.iter().filter(|task| concerns(task)).map(|task| task.order.grant).collect();
    let guards = match read(visit, Some(&grants)).await {
        Err(error) if is_refusal(&error) => return Ok(false),
        guards => guards?,
    };
    let (mut removals, mut additions) = (Vec::new(), Vec::new());
    for (at, task) in tasks.iter().enumerate().filter(|(_, task)| concerns(task)) {
        let order = task.order;
        let present = guards.get(&order.grant).map(Vec::as_slice).unwrap_or_default();
        let due = due(order, visit.now);
        if is_right(present, due, may_add) {
            continue;
        }
        let rows = present.iter().map(|row| (at, Write::Remove(Schedule::PATH, row.id.clone())));
        removals.extend(rows);
        additions.extend(due.filter(|_| may_add).map(|due| guard(order, due, visit.now)));
    }
    visit.carry_out(tasks, removals).await?;
    // A router that allows no scheduler still serves: our own timer is the first deadline.
    visit.are_taken(additions).await
}

fn guard(order: &Order, due: Timestamp, now: Timestamp) -> Write {
    let interval = due.since(now).to_std() + ROUTER_MARGIN;
    let whole = Duration::from_secs(interval.as_secs() + u64::from(interval.subsec_nanos() > 0));
    Write::Add(
        Schedule::PATH,
        vec![
            ("name", object_name(order.grant)),
            ("interval", write_duration(whole)),
            ("on-event", script(order)),
            ("policy", "read,write".to_owned()),
            ("comment", mark_with(order.grant, &format!("{NOTE}{}", seconds(due)))),
        ],
    )
}

/// The cut, in the router's language. Each line stands alone: one that fails stops no other.
fn script(order: &Order) -> String {
    let noted = quoted(&mark_with(order.grant, CUT_BY_GUARD));
    let mut lines = match &order.access {
        Access::Hotspot { name, .. } => {
            let name = quoted(name);
            vec![
                format!("/ip hotspot user set [find name={name}] disabled=yes comment={noted}"),
                format!("/ip hotspot cookie remove [find user={name}]"),
                format!("/ip hotspot active remove [find user={name}]"),
            ]
        }
        Access::Pppoe { name, address, .. } => {
            let name = quoted(name);
            let mut lines = vec![
                format!("/ppp secret set [find name={name}] disabled=yes comment={noted}"),
                format!("/ppp active remove [find name={name}]"),
            ];
            lines.extend(address.map(connections::script));
            lines
        }
        Access::StaticIp { address, .. } => {
            let comment = quoted(&mark(order.grant));
            vec![
                format!(
                    "/ip firewall address-list set [find list={PAID} comment={comment}] \
                     list={EXPIRED} comment={noted}"
                ),
                connections::script(*address),
            ]
        }
    };
    lines.push(format!(
        "/system scheduler remove [find name={}]",
        quoted(&object_name(order.grant))
    ));
    let guarded = lines.into_iter().map(|line| match line.starts_with(':') {
        true => line,
        false => format!(":do {{{line}}} on-error={{}}"),
    });
    guarded.collect::<Vec<_>>().join("\n")
}
