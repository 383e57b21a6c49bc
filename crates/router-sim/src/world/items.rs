//! Owns reading and writing items whatever their menu: rows out; checked adds, sets and removals
//! in; and what else in the router follows from such a write.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use super::menu::{Access, Kind, Shape};
use super::menus::{MENUS, Place};
use super::row::{Row, Told, Wanted, id_text, parse_id};
use super::table::Id;
use super::trap::Trap;
use super::units::{Civil, duration_text};
use super::{Deadline, World};

/// Where a path leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Spot {
    Table(Place),
    HotspotActive,
    HotspotHost,
    HotspotCookie,
    PppActive,
    Connection,
    Resource,
    Clock,
    Log,
}

static SPOTS: LazyLock<HashMap<&'static str, Spot>> = LazyLock::new(|| {
    let tables = MENUS.iter().map(|(place, menu)| (menu.path, Spot::Table(*place)));
    let live = [
        ("/ip/hotspot/active", Spot::HotspotActive),
        ("/ip/hotspot/host", Spot::HotspotHost),
        ("/ip/hotspot/cookie", Spot::HotspotCookie),
        ("/ppp/active", Spot::PppActive),
        ("/ip/firewall/connection", Spot::Connection),
        ("/system/resource", Spot::Resource),
        ("/system/clock", Spot::Clock),
        ("/log", Spot::Log),
    ];
    tables.chain(live).collect()
});

/// One written attribute: its name and its raw value; `None` unsets it.
pub(crate) type Attribute<'a> = (&'a str, Option<&'a [u8]>);

/// The same after checking: its place in the menu and its normalised value.
type Written = (usize, Option<Vec<u8>>);

impl Spot {
    pub(crate) fn of(path: &str) -> Option<Spot> {
        SPOTS.get(path).copied()
    }

    /// Whether the menu is settings: one object without an id.
    pub(crate) fn is_single(self) -> bool {
        match self {
            Spot::Table(place) => MENUS[place as usize].1.shape == Shape::Single,
            Spot::Resource | Spot::Clock => true,
            _ => false,
        }
    }
}

impl World {
    /// Every id of a menu in print order.
    pub(crate) fn ids(&self, spot: Spot) -> Vec<Id> {
        match spot {
            Spot::Table(place) => self.table(place).ids().collect(),
            Spot::HotspotActive => {
                self.hotspot.actives.keys().map(|ip| u32::from(*ip).into()).collect()
            }
            Spot::HotspotHost => self.hotspot.hosts.keys().copied().collect(),
            Spot::HotspotCookie => self.hotspot.cookies.keys().copied().collect(),
            Spot::PppActive => self.ppp.sessions.keys().copied().collect(),
            Spot::Connection => self.connections.rows.keys().copied().collect(),
            Spot::Resource | Spot::Clock => vec![1],
            Spot::Log => {
                let first = self.log_number - self.log.len() as u64;
                (first + 1..=self.log_number).collect()
            }
        }
    }

    /// Ids that may have `name=value`, found without looking at all; `None`: look at all.
    pub(crate) fn indexed(&self, spot: Spot, name: &str, value: &[u8]) -> Option<Vec<Id>> {
        let text = std::str::from_utf8(value).ok()?;
        if name == ".id" {
            return Some(parse_id(text).into_iter().collect());
        }
        match (spot, name) {
            (Spot::Table(place), _) => self.table(place).indexed(name, value),
            (Spot::HotspotActive, "user") => Some(self.hotspot.actives_of(text)),
            (Spot::HotspotActive, "address") => Some(
                text.parse::<std::net::Ipv4Addr>()
                    .map(|ip| u32::from(ip).into())
                    .into_iter()
                    .collect(),
            ),
            (Spot::HotspotActive, "mac-address") => Some(self.hotspot.actives_at(text)),
            (Spot::HotspotHost, "mac-address") => Some(self.hotspot.hosts_at(text)),
            (Spot::HotspotHost, "address") => Some(self.hotspot.hosts_on(text)),
            (Spot::HotspotCookie, "user") => Some(self.hotspot.cookies_of(text)),
            (Spot::HotspotCookie, "mac-address") => Some(self.hotspot.cookies_at(text)),
            (Spot::PppActive, "name") => Some(self.ppp.sessions_of(text)),
            (Spot::PppActive, "address") => Some(self.ppp.sessions_on(text)),
            _ => None,
        }
    }

    /// The object as a reader with or without the policy `sensitive` sees it.
    pub(crate) fn row(&self, spot: Spot, id: Id, wanted: &Wanted, sensitive: bool) -> Option<Row> {
        let mut row = Row::default();
        if !spot.is_single() && wanted.has(".id") {
            row.push(".id", id_text(id));
        }
        match spot {
            Spot::Table(place) => self.table_row(place, id, wanted, sensitive, &mut row)?,
            Spot::HotspotActive => self.active_row(id, &mut row)?,
            Spot::HotspotHost => self.host_row(id, &mut row)?,
            Spot::HotspotCookie => self.cookie_row(id, &mut row)?,
            Spot::PppActive => self.ppp_row(id, &mut row)?,
            Spot::Connection => self.connection_row(id, &mut row)?,
            Spot::Resource => self.resource_row(&mut row),
            Spot::Clock => self.clock_row(&mut row),
            Spot::Log => self.log_row(id, &mut row)?,
        }
        row.keep(wanted);
        Some(row)
    }

    fn table_row(
        &self,
        place: Place,
        id: Id,
        wanted: &Wanted,
        sensitive: bool,
        row: &mut Row,
    ) -> Option<()> {
        let table = self.table(place);
        let item = table.item(id)?;
        for field in table.menu.fields {
            let hidden = match field.access {
                Access::WriteOnly => true,
                Access::Sensitive => !sensitive,
                Access::Read | Access::Write => false,
            };
            if hidden || !wanted.has(field.name) || !self.has_property(place, field.name) {
                continue;
            }
            let computed = self.computed(place, id, field.name);
            let value = computed.map(|text| Cow::Owned(text.into_bytes()));
            if let Some(value) = value.or_else(|| table.value(id, field.name)) {
                row.push(field.name, value.into_owned());
            }
        }
        if table.menu.shape != Shape::Single && table.menu.field("disabled").is_some() {
            row.push("dynamic", item.dynamic.to_string());
        }
        Some(())
    }

    /// Properties that the router works out when they are read.
    fn computed(&self, place: Place, id: Id, name: &str) -> Option<String> {
        match (place, name) {
            (
                Place::HotspotUser,
                "uptime" | "bytes-in" | "bytes-out" | "packets-in" | "packets-out",
            ) => {
                let usage = self.hotspot.usage_of(id);
                Some(match name {
                    "uptime" => duration_text(usage.uptime),
                    "bytes-in" => usage.traffic.bytes_in.to_string(),
                    "bytes-out" => usage.traffic.bytes_out.to_string(),
                    "packets-in" => (usage.traffic.bytes_in / 1_000).to_string(),
                    _ => (usage.traffic.bytes_out / 1_000).to_string(),
                })
            }
            (Place::AddressList, "timeout") => {
                self.list_ends.get(&id).map(|end| duration_text(end - self.now))
            }
            (Place::Scheduler, "run-count") => {
                Some(self.schedules.get(&id).map_or(0, |schedule| schedule.runs).to_string())
            }
            (Place::Scheduler, "next-run") => {
                let next = self.schedules.get(&id)?.next_wall?;
                Some(self.wall_text(next))
            }
            _ => None,
        }
    }

    pub(super) fn wall_text(&self, wall: i64) -> String {
        let civil = Civil::at(wall);
        format!("{} {}", civil.date(self.iso_dates()), civil.time())
    }

    fn resource_row(&self, row: &mut Row) {
        row.push("uptime", duration_text(self.now - self.booted_at));
        row.push("version", self.make.version.as_str());
        row.push("free-memory", "201326592");
        row.push("total-memory", "268435456");
        row.push("free-hdd-space", "67108864");
        row.push("total-hdd-space", "134217728");
        row.push("cpu", "ARMv7");
        row.push("cpu-count", "4");
        row.push("cpu-load", "3");
        row.push("architecture-name", "arm");
        row.push("board-name", self.make.board.as_str());
        row.push("platform", "MikroTik");
    }

    fn clock_row(&self, row: &mut Row) {
        let civil = Civil::at(self.wall());
        row.push("time", civil.time());
        row.push("date", civil.date(self.iso_dates()));
        row.push("time-zone-autodetect", "true");
        row.push("time-zone-name", "UTC");
        row.push("gmt-offset", "+00:00");
        row.push("dst-active", "false");
    }

    fn log_row(&self, id: Id, row: &mut Row) -> Option<()> {
        let behind = self.log_number.checked_sub(id)?;
        let index = self.log.len().checked_sub(usize::try_from(behind).ok()? + 1)?;
        let (wall, topics, message) = self.log.get(index)?;
        row.push("time", self.wall_text(*wall));
        row.push("topics", topics.as_str());
        row.push("message", message.as_str());
        Some(())
    }

    /// Creates an item.
    pub(crate) fn add(&mut self, spot: Spot, attributes: &[Attribute<'_>]) -> Result<Id, Trap> {
        let Spot::Table(place) = spot else { return Err(Trap::no_such_command()) };
        if spot.is_single() {
            return Err(Trap::no_such_command());
        }
        let before = self.place_before(place, attributes)?;
        let plain: Vec<Attribute<'_>> =
            attributes.iter().filter(|(name, _)| *name != "place-before").copied().collect();
        let written = self.checked(place, &plain)?;
        let menu = self.table(place).menu;
        let has = |name: &str| {
            written.iter().any(|(at, value)| menu.fields[*at].name == name && value.is_some())
        };
        if let Some(name) = menu.required.iter().find(|name| !has(name)) {
            return Err(Trap::missing(name));
        }
        self.refuse_twin(place, None, &written)?;
        let values = written.into_iter().filter_map(|(at, value)| Some((at, value?))).collect();
        let id = self.table_mut(place).add(values, false, before);
        self.after_add(place, id);
        self.tell_change(spot, id);
        Ok(id)
    }

    fn place_before(&self, place: Place, attributes: &[Attribute<'_>]) -> Result<Option<Id>, Trap> {
        let Some((_, Some(value))) = attributes.iter().find(|(name, _)| *name == "place-before")
        else {
            return Ok(None);
        };
        if self.table(place).menu.shape != Shape::Ordered {
            return Err(Trap::unknown_parameter("place-before"));
        }
        let text = String::from_utf8_lossy(value);
        self.resolve(Spot::Table(place), &text).map(Some)
    }

    /// Changes an item.
    pub(crate) fn set(
        &mut self,
        spot: Spot,
        id: Id,
        attributes: &[Attribute<'_>],
    ) -> Result<(), Trap> {
        let place = match spot {
            Spot::Table(place) => place,
            Spot::Clock => return Ok(()),
            _ => return Err(Trap::no_such_command()),
        };
        let written = self.checked(place, attributes)?;
        let item = self.table(place).item(id).ok_or_else(Trap::no_such_item)?;
        if item.dynamic && !(place == Place::AddressList && self.list_ends.contains_key(&id)) {
            return Err(Trap::failure("cannot change dynamic item"));
        }
        self.refuse_twin(place, Some(id), &written)?;
        for (at, value) in written {
            self.table_mut(place).put(id, at, value);
        }
        let names: Vec<&str> = attributes.iter().map(|(name, _)| *name).collect();
        self.after_set(place, id, &names);
        self.tell_change(spot, id);
        Ok(())
    }

    /// Removes an item, or ends what it stands for.
    pub(crate) fn remove(&mut self, spot: Spot, id: Id) -> Result<(), Trap> {
        match spot {
            Spot::Table(place) => self.remove_item(place, id),
            Spot::HotspotActive => self.remove_active(id),
            Spot::HotspotHost => self.remove_host(id),
            Spot::HotspotCookie => self.remove_cookie(id),
            Spot::PppActive => self.remove_ppp_session(id),
            Spot::Connection => self.remove_connection(id),
            Spot::Resource | Spot::Clock | Spot::Log => Err(Trap::no_such_command()),
        }
    }

    fn remove_item(&mut self, place: Place, id: Id) -> Result<(), Trap> {
        let table = self.table(place);
        let item = table.item(id).ok_or_else(Trap::no_such_item)?;
        if table.menu.shape == Shape::Single {
            return Err(Trap::no_such_command());
        }
        if item.dynamic && !self.list_ends.contains_key(&id) && place != Place::Lease {
            return Err(Trap::failure("can not remove dynamic item"));
        }
        if table.menu.field("default").is_some() && table.is(id, "default", "true") {
            return Err(Trap::failure("can not remove default item"));
        }
        self.drop_item(place, id);
        Ok(())
    }

    /// Takes an item away without asking whether that is allowed.
    pub(super) fn drop_item(&mut self, place: Place, id: Id) {
        if !self.table_mut(place).remove(id) {
            return;
        }
        match place {
            Place::AddressList => {
                self.list_ends.remove(&id);
                self.wide_entries.remove(&id);
            }
            Place::Scheduler => {
                self.schedules.remove(&id);
            }
            Place::HotspotUser => self.hotspot.forget_usage(id),
            _ => {}
        }
        self.tell_dead(Spot::Table(place), id);
    }

    /// Adds what the router itself makes.
    pub(super) fn add_dynamic(&mut self, place: Place, values: &[(&str, &str)]) -> Id {
        let id = self.plant(place, values);
        self.table_mut(place).mark_dynamic(id, true);
        self.tell_change(Spot::Table(place), id);
        id
    }

    /// Puts an item of an ordered menu before another, or last.
    pub(crate) fn shift(&mut self, spot: Spot, id: Id, before: Option<Id>) -> Result<(), Trap> {
        let Spot::Table(place) = spot else { return Err(Trap::no_such_command()) };
        let table = self.table_mut(place);
        if table.menu.shape != Shape::Ordered {
            return Err(Trap::no_such_command());
        }
        table.item(id).ok_or_else(Trap::no_such_item)?;
        table.shift(id, before);
        self.changes += 1;
        Ok(())
    }

    /// An item by its id or, where items have names, by its name.
    pub(crate) fn resolve(&self, spot: Spot, word: &str) -> Result<Id, Trap> {
        if let Some(id) = parse_id(word) {
            let known = match spot {
                Spot::Table(place) => self.table(place).item(id).is_some(),
                other => self.row(other, id, &Wanted::These(Vec::new()), false).is_some(),
            };
            return if known { Ok(id) } else { Err(Trap::no_such_item()) };
        }
        let Spot::Table(place) = spot else { return Err(Trap::no_such_item()) };
        let table = self.table(place);
        let named = table.menu.name.and_then(|name| table.first(name, word));
        named.ok_or_else(Trap::no_such_item)
    }

    /// Attributes as they will be kept: position in the menu and normalised value.
    fn checked(&self, place: Place, attributes: &[Attribute<'_>]) -> Result<Vec<Written>, Trap> {
        let menu = self.table(place).menu;
        let mut written = Vec::with_capacity(attributes.len());
        for (name, value) in attributes {
            let (at, field) = menu.field(name).ok_or_else(|| Trap::unknown_parameter(name))?;
            if field.access == Access::Read || !self.has_property(place, name) {
                return Err(Trap::unknown_parameter(name));
            }
            let value = match value {
                None => None,
                Some(value) => field.normalise(value)?,
            };
            if let (Kind::NameOf(other, also), Some(value)) = (field.kind, &value) {
                let text = String::from_utf8_lossy(value);
                let known = also.contains(&&*text)
                    || Spot::of(other).is_some_and(|spot| self.resolve(spot, &text).is_ok());
                if !known {
                    return Err(Trap::not_a_value_of(name));
                }
            }
            self.refuse_value(place, name, value.as_deref())?;
            written.push((at, value));
        }
        Ok(written)
    }

    /// What only this version, or the state of another menu, forbids.
    fn refuse_value(&self, place: Place, name: &str, value: Option<&[u8]>) -> Result<(), Trap> {
        let text = String::from_utf8_lossy(value.unwrap_or_default());
        match (place, name) {
            (Place::UserGroup, "policy")
                if !text.split(',').all(|policy| self.knows_policy(policy)) =>
            {
                Err(Trap::not_a_value_of(name))
            }
            (Place::Service, "certificate") if text != "none" && !self.is_signed(&text) => {
                Err(Trap::not_a_value_of(name))
            }
            _ => Ok(()),
        }
    }

    fn refuse_twin(&self, place: Place, id: Option<Id>, written: &[Written]) -> Result<(), Trap> {
        let table = self.table(place);
        let Some((names, text)) = table.menu.unique else { return Ok(()) };
        let touched = |name: &str| {
            written
                .iter()
                .find(|(at, _)| table.menu.fields[*at].name == name)
                .map(|(_, value)| value)
        };
        if id.is_some() && !names.iter().any(|name| touched(name).is_some()) {
            return Ok(());
        }
        let value_of = |name: &'static str| match (touched(name), id) {
            (Some(Some(value)), _) => Cow::Borrowed(value.as_slice()),
            (None, Some(id)) => table.value(id, name).unwrap_or_default(),
            _ => {
                let default = table.menu.field(name).and_then(|(_, field)| field.default);
                Cow::Borrowed(default.unwrap_or_default().as_bytes())
            }
        };
        let values: Vec<_> = names.iter().map(|name| (*name, value_of(name))).collect();
        match table.twin(id, &values) {
            Some(_) => Err(Trap::failure(text)),
            None => Ok(()),
        }
    }

    fn after_add(&mut self, place: Place, id: Id) {
        match place {
            Place::AddressList => self.keep_list_entry(id, true),
            Place::Scheduler => self.plan_schedule(id, true),
            Place::HotspotBinding => self.apply_binding(id),
            Place::HotspotUser => {
                let name = self.table(place).text(id, "name");
                self.arm_user(&name);
            }
            Place::PppSecret => {
                let name = self.table(place).text(id, "name");
                self.let_retry(Some(&name));
            }
            Place::PppProfile | Place::PppoeServer => self.let_retry(None),
            Place::SimpleQueue if !self.table(place).is_written(id, "name") => {
                let name = format!("queue{id}");
                self.table_mut(place).put_named(id, "name", &name);
            }
            Place::Script => {
                // The manual does not say so, but creating a script logs its whole source.
                let source = self.table(place).text(id, "source");
                self.note("system,info", format!("new script added: {source}"));
            }
            _ => {}
        }
    }

    fn after_set(&mut self, place: Place, id: Id, names: &[&str]) {
        match place {
            Place::AddressList => self.keep_list_entry(id, names.contains(&"timeout")),
            Place::Scheduler => self.plan_schedule(id, false),
            Place::HotspotBinding => self.apply_binding(id),
            Place::HotspotUser => {
                let name = self.table(place).text(id, "name");
                self.arm_user(&name);
            }
            Place::PppSecret => {
                let name = self.table(place).text(id, "name");
                self.let_retry(Some(&name));
            }
            Place::PppProfile | Place::PppoeServer => self.let_retry(None),
            _ => {}
        }
    }

    /// An entry with a timeout is dynamic: it lives in memory only.
    fn keep_list_entry(&mut self, id: Id, timeout_written: bool) {
        let table = self.table(Place::AddressList);
        let address = table.text(id, "address");
        let single = super::menu::Range::parse(&address).is_none_or(|range| range.is_single());
        let timeout = table.text(id, "timeout");
        if single {
            self.wide_entries.remove(&id);
        } else {
            self.wide_entries.insert(id);
        }
        if !timeout_written {
            return;
        }
        match super::units::duration(&timeout) {
            Some(span) if span > 0 => {
                let end = self.now + span;
                self.list_ends.insert(id, end);
                self.at(end, Deadline::ListEntry(id));
                self.table_mut(Place::AddressList).mark_dynamic(id, true);
            }
            _ => {
                self.list_ends.remove(&id);
                let dynamic = timeout == "none-dynamic";
                self.table_mut(Place::AddressList).mark_dynamic(id, dynamic);
            }
        }
        let created = self.wall_text(self.wall());
        self.table_mut(Place::AddressList).put_named(id, "creation-time", &created);
    }

    pub(super) fn check_list_entry(&mut self, id: Id) {
        if self.list_ends.get(&id).is_some_and(|end| *end <= self.now) {
            self.drop_item(Place::AddressList, id);
        }
    }

    pub(super) fn tell_change(&mut self, spot: Spot, id: Id) {
        self.changes += 1;
        self.tell(spot, |world, watch| {
            let mut row = world.row(spot, id, &Wanted::All, watch.sensitive)?;
            if !watch.query.matches(&row) {
                return None;
            }
            row.keep(&watch.wanted);
            Some(Told::Row(row))
        });
    }

    pub(super) fn tell_dead(&mut self, spot: Spot, id: Id) {
        self.changes += 1;
        self.tell(spot, |_, _| Some(Told::Dead(id_text(id))));
    }

    fn tell(&mut self, spot: Spot, told: impl Fn(&World, &super::Watch) -> Option<Told>) {
        if !self.watches.iter().any(|watch| watch.spot == spot) {
            return;
        }
        let mut watches = std::mem::take(&mut self.watches);
        watches.retain(|watch| {
            watch.spot != spot || told(self, watch).is_none_or(|told| watch.tell(told))
        });
        self.watches = watches;
    }

    pub(crate) fn watch(&mut self, watch: super::Watch) {
        self.watches.retain(|watch| !watch.told.is_closed());
        self.watches.push(watch);
    }

    pub(crate) fn unwatch(&mut self, ended: impl Fn(u64) -> bool) {
        self.watches.retain(|watch| !ended(watch.number));
    }
}
