//! Subscriptions with a fixed address and no login. The rules are set once ([`super::firewall`]);
//! who may pass is data in address lists without timeout, which survive a reboot.

use super::owner::{self, CUT_BY_GUARD, Owner, RETIRED, mark, object_name};
use super::profiles::{self, WALLED};
use super::visit::{ROUNDS, Task, Values, Visit, Write, any_of_few};
use super::{connections, firewall};
use crate::enforcement::{MARK, Order};
use lango_domain::access::Access;
use lango_domain::wanted::Wanted;
use lango_routeros::Error;
use lango_routeros::menus::{AddressListEntry, Menu, SimpleQueue};
use lango_routeros::values::{PerDirection, Prefix, write_rates};
use std::collections::{BTreeSet, HashMap};
use std::net::Ipv4Addr;

/// Who may use the internet.
pub(super) const PAID: &str = "lango-paid";
/// Who may not.
pub(super) const EXPIRED: &str = "lango-expired";

/// Our lists.
pub(super) const LISTS: [&str; 3] = [PAID, EXPIRED, WALLED];

/// The list in which an address belongs.
pub(super) fn list_of(wanted: Wanted) -> &'static str {
    match wanted {
        Wanted::Allowed(_) | Wanted::Throttled(_) => PAID,
        Wanted::Walled => WALLED,
        Wanted::Cut => EXPIRED,
    }
}

fn address_of(order: &Order) -> Option<Ipv4Addr> {
    match order.access {
        Access::StaticIp { address, .. } => Some(address),
        Access::Hotspot { .. } | Access::Pppoe { .. } => None,
    }
}

/// Entries of our lists by address.
pub(super) type Entries = HashMap<Ipv4Addr, Vec<AddressListEntry>>;

/// Sorts entries by address; those of other lists and of whole networks are nobody's here.
pub(super) fn by_address(rows: Vec<AddressListEntry>) -> Entries {
    let mut entries = Entries::new();
    for row in rows {
        let address = Prefix::parse(&row.address).and_then(Prefix::single_ipv4);
        // A session's entry is the router's own and goes with the session.
        if let Some(address) =
            address.filter(|_| LISTS.contains(&row.list.as_str()) && !row.dynamic)
        {
            entries.entry(address).or_default().push(row);
        }
    }
    entries
}

/// Brings every open static order to what it wants.
pub(super) async fn act(visit: &Visit<'_>, tasks: &mut [Task<'_>]) -> Result<(), Error> {
    if let Some(problem) = firewall::ensure(visit).await? {
        for task in tasks.iter_mut() {
            task.fail(format!("{problem}; Lango could not repair it"));
        }
        return Ok(());
    }
    let mut swept = vec![false; tasks.len()];
    for round in 0..ROUNDS {
        if !tasks.iter().any(Task::is_open) {
            break;
        }
        let entries = read_entries(visit, tasks).await?;
        let queues = read_queues(visit, tasks).await?;
        let mut writes = Vec::new();
        for (at, task) in tasks.iter_mut().enumerate().filter(|(_, task)| task.is_open()) {
            let steps = settle(task, &entries, &queues, round);
            // Clean and swept: read back after the last write.
            if steps.is_empty() && (swept[at] || task.order.wanted.is_online()) {
                task.confirm();
            }
            writes.extend(steps.into_iter().map(|write| (at, write)));
        }
        visit.carry_out(tasks, writes).await?;
        sweep(visit, tasks, &mut swept).await?;
    }
    Ok(())
}

async fn read_entries(visit: &Visit<'_>, tasks: &[Task<'_>]) -> Result<Entries, Error> {
    let open = tasks.iter().filter(|task| task.is_open());
    entries_of(visit, open.filter_map(|task| address_of(task.order)).collect()).await
}

/// The entries of few addresses, or of our lists: others' lists can be huge.
async fn entries_of(visit: &Visit<'_>, addresses: Vec<Ipv4Addr>) -> Result<Entries, Error> {
    let conditions: Vec<_> =
        addresses.iter().map(|address| ("address", address.to_string())).collect();
    let conditions = if any_of_few(&conditions).is_some() || conditions.is_empty() {
        conditions
    } else {
        LISTS.map(|list| ("list", list.to_owned())).to_vec()
    };
    Ok(by_address(visit.rows(&conditions).await?))
}

async fn read_queues(visit: &Visit<'_>, tasks: &[Task<'_>]) -> Result<Vec<SimpleQueue>, Error> {
    let online = tasks.iter().filter(|task| task.is_open() && task.order.wanted.is_online());
    let names: Vec<_> = online.map(|task| ("name", object_name(task.order.grant))).collect();
    visit.rows(&names).await
}

fn settle(
    task: &mut Task<'_>,
    entries: &Entries,
    queues: &[SimpleQueue],
    round: usize,
) -> Vec<Write> {
    let order = task.order;
    let Some(address) = address_of(order) else { return Vec::new() };
    let present = entries.get(&address).map(Vec::as_slice).unwrap_or_default();
    if let Some(foreign) = present.iter().find(|row| !owner::is_marked(row.comment.as_deref())) {
        task.fail(foreign_entry(foreign));
        return Vec::new();
    }
    if belongs_to_other(order, present) && !order.wanted.is_online() {
        task.confirm();
        return Vec::new();
    }
    let list = list_of(order.wanted);
    if round == 0 && order.wanted == Wanted::Cut {
        task.by_router = present
            .iter()
            .any(|row| row.list == list && owner::note(row.comment.as_deref()) == CUT_BY_GUARD);
    }
    let mut writes = list_writes(order, address, present);
    if order.wanted.is_online() {
        let name = object_name(order.grant);
        writes.extend(queue_write(order, address, queues.iter().find(|row| row.name == name)));
    }
    writes
}

/// An address given to a new customer: the ended grant has no say in it any more.
fn belongs_to_other(order: &Order, present: &[AddressListEntry]) -> bool {
    let of_other = |row: &AddressListEntry| match owner::owner(row.comment.as_deref()) {
        Owner::Grant(of, _) => of != order.grant,
        Owner::Lango(_) | Owner::Foreign => false,
    };
    !present.is_empty() && present.iter().all(of_other)
}

/// Says that an entry of one of our lists was not made by us.
pub(super) fn foreign_entry(row: &AddressListEntry) -> String {
    format!(
        "address {} is in address list {} without Lango's mark: remove that entry, Lango will make \
         its own",
        row.address, row.list
    )
}

/// One entry, in the right list, ours and in effect. An entry in another list is moved in one
/// write: there is no moment in which the address is in neither.
fn list_writes(order: &Order, address: Ipv4Addr, present: &[AddressListEntry]) -> Vec<Write> {
    let path = AddressListEntry::PATH;
    let list = list_of(order.wanted);
    let keep = present.iter().find(|row| row.list == list).or(present.first());
    let Some(keep) = keep else {
        let values = vec![
            ("list", list.to_owned()),
            ("address", address.to_string()),
            ("comment", mark(order.grant)),
        ];
        return vec![Write::Add(path, values)];
    };
    let mut writes: Vec<Write> = present
        .iter()
        .filter(|row| row.id != keep.id)
        .map(|row| Write::Remove(path, row.id.clone()))
        .collect();
    let values = entry_values(order, keep);
    if !values.is_empty() {
        writes.insert(0, Write::Set(path, keep.id.clone(), values));
    }
    writes
}

fn entry_values(order: &Order, row: &AddressListEntry) -> Values {
    let list = list_of(order.wanted);
    let comment = row.comment.as_deref();
    // The guard's note is the evidence that the router was first; it stays until he pays again.
    let noted = owner::note(comment) == CUT_BY_GUARD && owner::is_of(comment, order.grant);
    let ours = comment == Some(mark(order.grant).as_str()) || (noted && row.list == list);
    let mut values = Values::new();
    if row.list != list {
        values.push(("list", list.to_owned()));
    }
    if row.disabled {
        values.push(("disabled", "no".to_owned()));
    }
    if !ours {
        values.push(("comment", mark(order.grant)));
    }
    values
}

fn queue_write(order: &Order, address: Ipv4Addr, row: Option<&SimpleQueue>) -> Option<Write> {
    let path = SimpleQueue::PATH;
    let speed = order.wanted.profile().and_then(|profile| profile.speed);
    let (Some(speed), row) = (speed, row) else {
        return row.map(|row| Write::Remove(path, row.id.clone()));
    };
    let limit = profiles::rate(speed);
    let target = format!("{address}/32");
    let wanted = |values: &mut Values| {
        values.push(("max-limit", write_rates(limit)));
        values.push(("target", target.clone()));
        values.push(("comment", mark(order.grant)));
    };
    let mut values = Values::new();
    match row {
        Some(row) if is_queue(row, address, limit) => None,
        Some(row) => {
            wanted(&mut values);
            values.push(("disabled", "no".to_owned()));
            Some(Write::Set(path, row.id.clone(), values))
        }
        None => {
            values.push(("name", object_name(order.grant)));
            wanted(&mut values);
            Some(Write::Add(path, values))
        }
    }
}

fn is_queue(row: &SimpleQueue, address: Ipv4Addr, limit: PerDirection<u64>) -> bool {
    let target = Prefix::parse(&row.target).and_then(Prefix::single_ipv4);
    target == Some(address) && row.max_limit == Some(limit) && !row.disabled
}

/// Connections from before go once the address is in its list.
async fn sweep(visit: &Visit<'_>, tasks: &[Task<'_>], swept: &mut [bool]) -> Result<(), Error> {
    let due: Vec<usize> = tasks
        .iter()
        .enumerate()
        .filter(|(at, task)| task.is_open() && !task.order.wanted.is_online() && !swept[*at])
        .map(|(at, _)| at)
        .collect();
    let addresses: BTreeSet<Ipv4Addr> =
        due.iter().filter_map(|at| address_of(tasks[*at].order)).collect();
    connections::remove_of(visit, &addresses).await?;
    for at in due {
        swept[at] = true;
    }
    Ok(())
}

/// How what a router holds for a static order is not as wanted.
pub(super) fn differences(order: &Order, entries: &Entries, queues: &[SimpleQueue]) -> Vec<String> {
    let Some(address) = address_of(order) else { return Vec::new() };
    let present = entries.get(&address).map(Vec::as_slice).unwrap_or_default();
    if belongs_to_other(order, present) && !order.wanted.is_online() {
        return Vec::new();
    }
    let mut said = Vec::new();
    if !list_writes(order, address, present).is_empty() {
        let lists: Vec<_> = present.iter().map(|row| row.list.as_str()).collect();
        let lists = if lists.is_empty() { "no list".to_owned() } else { lists.join(", ") };
        said.push(format!(
            "address {address} is in {lists} or not in effect, wanted {} ({})",
            list_of(order.wanted),
            order.wanted.word()
        ));
    }
    let name = object_name(order.grant);
    let queue = queues.iter().find(|row| row.name == name);
    if order.wanted.is_online() && queue_write(order, address, queue).is_some() {
        said.push(format!("queue {name} is not as wanted"));
    }
    said
}

/// Takes a grant's queue off, and leaves the address blocked: who still uses it has not paid.
pub(super) async fn retire(visit: &Visit<'_>, tasks: &mut [Task<'_>]) -> Result<(), Error> {
    let addresses = tasks.iter().filter_map(|task| address_of(task.order)).collect();
    let entries = entries_of(visit, addresses).await?;
    let names: Vec<_> = tasks.iter().map(|task| ("name", object_name(task.order.grant))).collect();
    let queues: Vec<SimpleQueue> = visit.rows(&names).await?;
    let mut writes = Vec::new();
    for (at, task) in tasks.iter().enumerate() {
        let grant = task.order.grant;
        let is_ours = |comment: &Option<String>| owner::is_of(comment.as_deref(), grant);
        let retired = || vec![("comment", format!("{MARK}{RETIRED}"))];
        let rows = address_of(task.order).and_then(|address| entries.get(&address));
        let entries =
            rows.into_iter().flatten().filter(|row| row.list == EXPIRED && is_ours(&row.comment));
        writes.extend(
            entries.map(|row| (at, Write::Set(AddressListEntry::PATH, row.id.clone(), retired()))),
        );
        let queues = queues.iter().filter(|row| is_ours(&row.comment));
        writes.extend(queues.map(|row| (at, Write::Remove(SimpleQueue::PATH, row.id.clone()))));
    }
    visit.carry_out(tasks, writes).await
}
