//! PPPoE subscriptions. Disabling the secret alone leaves the session, ending the session alone
//! has the client back in seconds: a cut is both, then a reading.

use super::hotspot::stranger;
use super::owner::{self, CUT_BY_GUARD, Owner, SESSIONS_OUTDATED, mark, mark_with};
use super::profiles::{self, Treatments};
use super::visit::{Difference, ROUNDS, Task, Visit, Write, any_of_few, each, pick, to_set};
use super::{connections, firewall};
use crate::enforcement::Order;
use lango_domain::access::Access;
use lango_domain::wanted::Wanted;
use lango_routeros::menus::{Menu, PppActive, PppSecret};
use lango_routeros::values::Prefix;
use lango_routeros::{Error, Print};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::Ipv4Addr;

/// What is read of a secret; the password only shows with the policy `sensitive`.
pub(super) const SECRET_PROPERTIES: [&str; 8] =
    [".id", "name", "password", "service", "profile", "remote-address", "comment", "disabled"];

/// What an order says of a secret.
struct Login<'o> {
    name: &'o str,
    password: &'o str,
    address: Option<Ipv4Addr>,
}

fn login(order: &Order) -> Login<'_> {
    match &order.access {
        Access::Pppoe { name, password, address } => {
            Login { name, password: password.reveal(), address: *address }
        }
        Access::Hotspot { name, password } => {
            Login { name, password: password.reveal(), address: None }
        }
        Access::StaticIp { address, .. } => {
            Login { name: "", password: "", address: Some(*address) }
        }
    }
}

/// How a secret of ours is not as wanted; nothing if it is. The fixed address is apart.
pub(super) fn differences(order: &Order, row: &PppSecret) -> Vec<Difference> {
    let word = order.wanted.word();
    if order.wanted == Wanted::Cut {
        let said = format!("secret is enabled, wanted {word}");
        return match row.disabled {
            true => Vec::new(),
            false => vec![Difference::new("disabled", "yes", said)],
        };
    }
    let login = login(order);
    let mut all = Vec::new();
    let profile = profiles::ppp_name(order.wanted);
    if row.profile != profile {
        let said = format!("profile is {}, wanted {profile}", row.profile);
        all.push(Difference::new("profile", profile, said));
    }
    if row.row.str("password").is_some_and(|password| password != login.password) {
        all.push(Difference::new("password", login.password, "password is another"));
    }
    if row.service.as_deref() != Some("pppoe") {
        let service = row.service.as_deref().unwrap_or("any");
        all.push(Difference::new("service", "pppoe", format!("service is {service}")));
    }
    if let Some(address) = login.address
        && fixed_address(row) != Some(address)
    {
        let said = format!("its address is not the fixed {address}");
        all.push(Difference::new("remote-address", address.to_string(), said));
    }
    if row.disabled {
        let said = format!("secret is disabled, wanted {word}");
        all.push(Difference::new("disabled", "no", said));
    }
    all
}

fn fixed_address(row: &PppSecret) -> Option<Ipv4Addr> {
    row.remote_address.as_deref().and_then(Prefix::parse).and_then(Prefix::single_ipv4)
}

/// Whether the secret has an address or pool of its own that it should not have.
pub(super) fn has_stray_address(order: &Order, row: &PppSecret) -> bool {
    order.wanted != Wanted::Cut && login(order).address.is_none() && row.remote_address.is_some()
}

/// Brings every open PPPoE order to what it wants.
pub(super) async fn act(visit: &Visit<'_>, tasks: &mut [Task<'_>]) -> Result<(), Error> {
    if tasks.iter().any(is_walled)
        && let Some(problem) = firewall::ensure(visit).await?
    {
        for task in tasks.iter_mut().filter(|task| is_walled(task)) {
            task.fail(format!("{problem}; Lango could not repair it"));
        }
    }
    let mut swept = vec![false; tasks.len()];
    for round in 0..ROUNDS {
        if !tasks.iter().any(Task::is_open) {
            break;
        }
        let known = profiles::ensure_ppp(visit, tasks).await?;
        let written = settle_secrets(visit, tasks, &known, round).await?;
        let ended = end_sessions(visit, tasks, &mut swept).await?;
        let busy: HashSet<usize> = written.union(&ended).copied().collect();
        for (at, task) in tasks.iter_mut().enumerate() {
            if task.order.wanted == Wanted::Cut && task.is_open() && !busy.contains(&at) {
                task.confirm();
            }
        }
    }
    Ok(())
}

fn is_walled(task: &Task<'_>) -> bool {
    task.order.wanted == Wanted::Walled
}

fn names(tasks: &[Task<'_>]) -> Vec<(&'static str, String)> {
    let open = tasks.iter().filter(|task| task.is_open());
    each("name", open.map(|task| login(task.order).name))
}

async fn secrets(visit: &Visit<'_>, tasks: &[Task<'_>]) -> Result<Vec<PppSecret>, Error> {
    let mut print = Print::of(PppSecret::PATH).only(&SECRET_PROPERTIES);
    if let Some(query) = any_of_few(&names(tasks)) {
        print = print.matching(query);
    }
    let rows = visit.connection.print(print).await?;
    Ok(rows.into_iter().filter_map(PppSecret::from_row).collect())
}

/// Secrets first, so that nobody can dial in again. Confirms what is to be online and is; returns
/// which orders needed a write.
async fn settle_secrets(
    visit: &Visit<'_>,
    tasks: &mut [Task<'_>],
    known: &Treatments,
    round: usize,
) -> Result<HashSet<usize>, Error> {
    let secrets = secrets(visit, tasks).await?;
    let sessions: Vec<PppActive> = visit.rows(&names(tasks)).await?;
    let mut writes = Vec::new();
    for (at, task) in tasks.iter_mut().enumerate().filter(|(_, task)| task.is_open()) {
        let name = login(task.order).name;
        let rows = secrets.iter().filter(|row| row.name == name);
        let row = pick(rows, task.order, |row| row.comment.as_deref());
        let live: Vec<&PppActive> = sessions.iter().filter(|row| row.name == name).collect();
        let steps = settle_secret(task, row, &live, known, round);
        writes.extend(steps.into_iter().map(|write| (at, write)));
    }
    let written = writes.iter().map(|(at, _)| *at).collect();
    visit.carry_out(tasks, writes).await?;
    Ok(written)
}

fn settle_secret(
    task: &mut Task<'_>,
    row: Option<&PppSecret>,
    live: &[&PppActive],
    known: &Treatments,
    round: usize,
) -> Vec<Write> {
    let order = task.order;
    let cut = order.wanted == Wanted::Cut;
    let Some(row) = row else {
        return if cut { Vec::new() } else { vec![new_secret(order)] };
    };
    let comment = row.comment.as_deref();
    match owner::owner(comment) {
        Owner::Foreign => {
            task.fail(stranger(&row.name));
            return Vec::new();
        }
        Owner::Grant(of, _) if of != order.grant && cut => {
            task.confirm();
            return Vec::new();
        }
        Owner::Grant(..) | Owner::Lango(_) => {}
    }
    let mut differences = differences(order, row);
    if cut {
        if round == 0 {
            let by_guard = owner::note(comment) == CUT_BY_GUARD;
            task.by_router = by_guard && row.disabled && live.is_empty();
        }
        return set(row, &differences);
    }
    if round == 0 && row.row.raw("password").is_none() {
        let password = login(order).password;
        differences.push(Difference::new("password", password, "password is not shown"));
    }
    settle_online(task, row, live, known, differences)
}

/// As for hotspot accounts: what changed the speed ends the sessions, which dial in again by
/// themselves, and a note survives a crash in between.
fn settle_online(
    task: &mut Task<'_>,
    row: &PppSecret,
    live: &[&PppActive],
    known: &Treatments,
    mut differences: Vec<Difference>,
) -> Vec<Write> {
    let order = task.order;
    let comment = row.comment.as_deref();
    let outdated = owner::note(comment) == SESSIONS_OUTDATED;
    let stray = has_stray_address(order, row);
    let moved = stray || differences.iter().any(|d| d.name == "remote-address");
    let mut writes = Vec::new();
    if stray {
        writes.push(Write::Unset(PppSecret::PATH, row.id.clone(), "remote-address"));
    }
    let changed = moved || profiles::differ(known, &row.profile, &profiles::ppp_name(order.wanted));
    if !live.is_empty() && changed {
        let note = mark_with(order.grant, SESSIONS_OUTDATED);
        differences.push(Difference::new("comment", note, "sessions have the old speed"));
    } else if outdated && differences.is_empty() && !stray {
        let sessions = live.iter().map(|row| Write::End(PppActive::PATH, row.id.clone()));
        writes.extend(sessions);
        differences.push(Difference::new("comment", mark(order.grant), ""));
    } else if !outdated && comment != Some(mark(order.grant).as_str()) {
        differences.push(Difference::new("comment", mark(order.grant), "mark is not plain"));
    }
    writes.extend(set(row, &differences));
    if writes.is_empty() {
        task.confirm();
    }
    writes
}

fn set(row: &PppSecret, differences: &[Difference]) -> Vec<Write> {
    match differences {
        [] => Vec::new(),
        differences => vec![Write::Set(PppSecret::PATH, row.id.clone(), to_set(differences))],
    }
}

fn new_secret(order: &Order) -> Write {
    let login = login(order);
    let mut values = vec![
        ("name", login.name.to_owned()),
        ("password", login.password.to_owned()),
        ("service", "pppoe".to_owned()),
        ("profile", profiles::ppp_name(order.wanted)),
        ("comment", mark(order.grant)),
    ];
    values.extend(login.address.map(|address| ("remote-address", address.to_string())));
    Write::Add(PppSecret::PATH, values)
}

/// Ends every session of what is cut, right after reading it, and then its connections.
async fn end_sessions(
    visit: &Visit<'_>,
    tasks: &mut [Task<'_>],
    swept: &mut [bool],
) -> Result<HashSet<usize>, Error> {
    let cuts: HashMap<&str, usize> = tasks
        .iter()
        .enumerate()
        .filter(|(_, task)| task.is_open() && task.order.wanted == Wanted::Cut)
        .map(|(at, task)| (login(task.order).name, at))
        .collect();
    let conditions = each("name", cuts.keys().copied());
    let sessions: Vec<PppActive> = visit.rows(&conditions).await?;
    let mut addresses = BTreeSet::new();
    let mut writes = Vec::new();
    for session in &sessions {
        let Some(at) = cuts.get(session.name.as_str()).copied() else { continue };
        addresses.extend(session.address.and_then(Prefix::single_ipv4));
        writes.push((at, Write::End(PppActive::PATH, session.id.clone())));
    }
    for at in cuts.values().copied().filter(|at| !swept[*at]) {
        addresses.extend(login(tasks[at].order).address);
    }
    let cuts: Vec<usize> = cuts.into_values().collect();
    let ended = writes.iter().map(|(at, _)| *at).collect();
    visit.carry_out(tasks, writes).await?;
    connections::remove_of(visit, &addresses).await?;
    for at in cuts {
        swept[at] = true;
    }
    Ok(ended)
}
