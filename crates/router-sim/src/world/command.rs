//! Owns what a command word does, whoever sent it: the binary API, REST or a script.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};

use lango_routeros::values::MacAddress;

use super::World;
use super::hotspot::LoginBy;
use super::items::Spot;
use super::menu::Range;
use super::menus::Place;
pub(crate) use super::query::Query;
use super::row::{Row, Wanted, id_text};
use super::table::Id;
use super::trap::Trap;

/// A command as it came in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Command {
    /// `/ip/hotspot/user/add`
    pub(crate) path: String,
    pub(crate) attributes: Vec<(String, Vec<u8>)>,
    pub(crate) query: Query,
}

/// What the router says to a command.
#[derive(Debug)]
pub(crate) enum Answer {
    Rows(Vec<Row>),
    /// `!done =ret=`
    Value(String),
    Done,
    Reboot,
    Quit,
}

/// What somebody may do: the policies of his group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Permissions {
    policies: Vec<String>,
}

impl Permissions {
    pub(crate) fn of_list(list: &str) -> Permissions {
        let granted =
            list.split(',').filter(|policy| !policy.is_empty() && !policy.starts_with('!'));
        Permissions { policies: granted.map(str::to_owned).collect() }
    }

    /// What the console may do.
    pub(crate) fn everything() -> Permissions {
        Permissions {
            policies: super::menus::POLICIES.iter().map(|policy| (*policy).to_owned()).collect(),
        }
    }

    pub(crate) fn allows(&self, policy: &str) -> bool {
        self.policies.iter().any(|other| other == policy)
    }

    pub(crate) fn without(mut self, taken: &[String]) -> Permissions {
        self.policies.retain(|policy| !taken.contains(policy));
        self
    }

    fn demand(&self, policy: &str) -> Result<(), Trap> {
        if self.allows(policy) { Ok(()) } else { Err(Trap::not_permitted()) }
    }
}

/// How a service meets a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Open,
    /// The service is disabled.
    Closed,
    /// `address=` of the service does not cover the source.
    Ignored,
}

impl Command {
    pub(crate) fn of(path: impl Into<String>) -> Command {
        Command { path: path.into(), ..Command::default() }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<Vec<u8>>) -> Command {
        self.attributes.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn value(&self, name: &str) -> Option<&[u8]> {
        self.attributes.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_slice())
    }

    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.value(name).map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// Menu and verb: `/ip/hotspot/user` and `add`.
    pub(crate) fn split(&self) -> (&str, &str) {
        self.path.rsplit_once('/').unwrap_or(("", &self.path))
    }

    /// Attributes to be written: not those that pick items or steer the command.
    fn written(&self) -> Vec<super::items::Attribute<'_>> {
        let steering = [".id", "numbers", "once", ".proplist", "copy-from"];
        self.attributes
            .iter()
            .filter(|(name, _)| !steering.contains(&name.as_str()))
            .map(|(name, value)| match name.strip_prefix('!') {
                Some(name) => (name, None),
                None => (name.as_str(), Some(value.as_slice())),
            })
            .collect()
    }
}

impl World {
    /// Does what a command says.
    pub(crate) fn execute(
        &mut self,
        command: &Command,
        permissions: &Permissions,
    ) -> Result<Answer, Trap> {
        match command.path.as_str() {
            "/quit" => return Ok(Answer::Quit),
            "/execute" => return self.run_execute(command, permissions),
            "/system/reboot" => {
                permissions.demand("reboot")?;
                return Ok(Answer::Reboot);
            }
            "/tool/fetch" => {
                permissions.demand("test")?;
                return self.fetch(command);
            }
            "/ping" | "/tool/ping" => {
                permissions.demand("test")?;
                return Ok(Answer::Rows(Vec::new()));
            }
            _ => {}
        }
        let (menu, verb) = command.split();
        let spot = self.spot(menu)?;
        match verb {
            "monitor" if spot == Spot::Table(Place::Radius) => {
                permissions.demand("read")?;
                let ids = self.picked(spot, command)?;
                Ok(Answer::Rows(ids.into_iter().map(|id| self.monitor_radius(id)).collect()))
            }
            "monitor" if spot == Spot::Table(Place::RadiusIncoming) => {
                permissions.demand("read")?;
                Ok(Answer::Rows(vec![self.monitor_incoming()]))
            }
            "print" | "getall" | "get" => {
                permissions.demand("read")?;
                self.print(spot, command, permissions)
            }
            _ => {
                permissions.demand(if needs_policy(spot) { "policy" } else { "write" })?;
                self.change(spot, verb, command, permissions)
            }
        }
    }

    /// The menu at a path, if this router has it.
    pub(crate) fn spot(&self, path: &str) -> Result<Spot, Trap> {
        if self
            .make
            .absent
            .iter()
            .any(|absent| path == absent || path.starts_with(&format!("{absent}/")))
        {
            return Err(Trap::no_such_prefix());
        }
        Spot::of(path).ok_or_else(Trap::no_such_prefix)
    }

    fn print(
        &self,
        spot: Spot,
        command: &Command,
        permissions: &Permissions,
    ) -> Result<Answer, Trap> {
        let ids = self.selected(spot, command)?;
        if command.value("count-only").is_some() {
            return Ok(Answer::Value(ids.len().to_string()));
        }
        let wanted = Wanted::parse(command.value(".proplist"));
        let sensitive = permissions.allows("sensitive");
        let rows = ids.into_iter().filter_map(|id| self.row(spot, id, &wanted, sensitive));
        Ok(Answer::Rows(rows.collect()))
    }

    /// The items that a print is about.
    fn selected(&self, spot: Spot, command: &Command) -> Result<Vec<Id>, Trap> {
        if command.value(".id").is_some() || command.value("numbers").is_some() {
            return self.picked(spot, command);
        }
        Ok(self.matching(spot, &command.query))
    }

    /// Ids of all rows that match, using an index where the query allows one.
    pub(crate) fn matching(&self, spot: Spot, query: &Query) -> Vec<Id> {
        if query.is_empty() {
            return self.ids(spot);
        }
        let candidates = query
            .necessary()
            .filter_map(|(name, value)| self.indexed(spot, name, value))
            .min_by_key(Vec::len)
            .or_else(|| self.any_indexed(spot, query));
        let matches = |id: &Id| {
            self.row(spot, *id, &Wanted::All, true).is_some_and(|row| query.matches(&row))
        };
        let mut ids = candidates.unwrap_or_else(|| self.ids(spot));
        ids.retain(matches);
        ids
    }

    /// What a disjunction can match at all, in the menu's order, if all of it is indexed.
    fn any_indexed(&self, spot: Spot, query: &Query) -> Option<Vec<Id>> {
        let alternatives = query.alternatives();
        let found: Option<Vec<Vec<Id>>> =
            alternatives.iter().map(|(name, value)| self.indexed(spot, name, value)).collect();
        let found: HashSet<Id> =
            found.filter(|found| !found.is_empty())?.into_iter().flatten().collect();
        Some(self.ids(spot).into_iter().filter(|id| found.contains(id)).collect())
    }

    /// Items named by `.id` or `numbers`, several separated by commas.
    fn picked(&self, spot: Spot, command: &Command) -> Result<Vec<Id>, Trap> {
        if spot.is_single() {
            return Ok(vec![1]);
        }
        let words = command.text(".id").or_else(|| command.text("numbers"));
        let words = words.ok_or_else(|| Trap::missing(".id"))?;
        words.split(',').map(|word| self.resolve(spot, word.trim())).collect()
    }

    fn change(
        &mut self,
        spot: Spot,
        verb: &str,
        command: &Command,
        permissions: &Permissions,
    ) -> Result<Answer, Trap> {
        match (spot, verb) {
            (_, "add") => {
                let id = self.add(spot, &command.written())?;
                if spot == Spot::Table(Place::Scheduler) || spot == Spot::Table(Place::Script) {
                    self.cap_policy(spot, id, permissions);
                }
                return Ok(Answer::Value(id_text(id)));
            }
            (Spot::HotspotActive, "login") => return self.login_from_outside(command),
            (Spot::Table(Place::Certificate), "sign") => {
                for id in self.picked(spot, command)? {
                    self.sign(id);
                    self.tell_change(spot, id);
                }
                return Ok(Answer::Done);
            }
            (Spot::Table(Place::Script), "run") => return self.run_stored(command, permissions),
            (Spot::HotspotHost, "make-binding") => {
                let id = *self.picked(spot, command)?.first().ok_or_else(Trap::no_such_item)?;
                let kind = command.text("type").unwrap_or_else(|| "regular".to_owned());
                return self.make_binding(id, &kind).map(|id| Answer::Value(id_text(id)));
            }
            _ => {}
        }
        let verbs = [
            "set",
            "remove",
            "enable",
            "disable",
            "unset",
            "move",
            "reset-counters",
            "reset-counters-all",
            "comment",
        ];
        if !verbs.contains(&verb) {
            return Err(Trap::no_such_command());
        }
        let ids = self.picked(spot, command)?;
        for id in ids {
            self.change_one(spot, verb, id, command)?;
        }
        Ok(Answer::Done)
    }

    fn change_one(
        &mut self,
        spot: Spot,
        verb: &str,
        id: Id,
        command: &Command,
    ) -> Result<(), Trap> {
        match verb {
            "set" | "comment" => self.set(spot, id, &command.written()),
            "remove" => self.remove(spot, id),
            "enable" => self.set(spot, id, &[("disabled", Some(b"no"))]),
            "disable" => self.set(spot, id, &[("disabled", Some(b"yes"))]),
            "unset" => {
                let name = command.text("value-name").ok_or_else(|| Trap::missing("value-name"))?;
                self.set(spot, id, &[(name.as_str(), None)])
            }
            "move" => {
                let before = command
                    .text("destination")
                    .map(|word| self.resolve(spot, &word))
                    .transpose()?;
                self.shift(spot, id, before)
            }
            "reset-counters" if spot == Spot::Table(Place::Radius) => {
                self.reset_radius_counters(id);
                Ok(())
            }
            _ if spot == Spot::Table(Place::HotspotUser) => {
                self.reset_counters(id);
                Ok(())
            }
            _ => Err(Trap::no_such_command()),
        }
    }

    /// Scripts cannot do more than whoever wrote them.
    fn cap_policy(&mut self, spot: Spot, id: Id, permissions: &Permissions) {
        let Spot::Table(place) = spot else { return };
        let table = self.table_mut(place);
        let asked = table.text(id, "policy");
        let kept: Vec<&str> =
            asked.split(',').filter(|policy| permissions.allows(policy)).collect();
        let kept = kept.join(",");
        table.put_named(id, "policy", &kept);
    }

    fn run_stored(&mut self, command: &Command, permissions: &Permissions) -> Result<Answer, Trap> {
        let spot = Spot::Table(Place::Script);
        for id in self.picked(spot, command)? {
            let source = self.table(Place::Script).text(id, "source");
            self.run_script(&source, permissions)?;
        }
        Ok(Answer::Done)
    }

    /// `/ip/hotspot/active/login`: somebody is logged in from our side.
    fn login_from_outside(&mut self, command: &Command) -> Result<Answer, Trap> {
        let ip = command.text("ip").ok_or_else(|| Trap::missing("ip"))?;
        let address: Ipv4Addr = ip.parse().map_err(|_| Trap::invalid_argument("ip"))?;
        let user = command.text("user").ok_or_else(|| Trap::missing("user"))?;
        let password = command.text("password").unwrap_or_default();
        let host = self.hotspot.host_on(address);
        let mac =
            host.map(|host| host.mac).ok_or_else(|| Trap::new(format!("unknown host IP {ip}")))?;
        if let Some(claimed) = command.text("mac-address")
            && MacAddress::parse(&claimed) != Some(mac)
        {
            return Err(Trap::new("wrong MAC provided"));
        }
        self.log_in(mac, address, &user, &password, LoginBy::Admin).map_err(Trap::new)?;
        Ok(Answer::Done)
    }

    fn run_execute(
        &mut self,
        command: &Command,
        permissions: &Permissions,
    ) -> Result<Answer, Trap> {
        permissions.demand("write")?;
        let script = command.text("script").ok_or_else(|| Trap::missing("script"))?;
        let outcome = self.run_script(&script, permissions);
        if command.value("as-string").is_none() {
            return Ok(Answer::Value(id_text(1)));
        }
        // Errors of the script come back as text, not as a trap.
        Ok(Answer::Value(outcome.unwrap_or_else(|trap| trap.message)))
    }

    /// Checks name and password of somebody who wants to use an interface such as `api`.
    pub(crate) fn check_user(
        &self,
        name: &str,
        password: &str,
        policy: &str,
        from: IpAddr,
    ) -> Result<Permissions, Trap> {
        self.check_user_by(name, policy, from, |stored| stored == password)
    }

    pub(crate) fn check_user_by(
        &self,
        name: &str,
        policy: &str,
        from: IpAddr,
        is_right: impl Fn(&str) -> bool,
    ) -> Result<Permissions, Trap> {
        let users = self.table(Place::User);
        let found = users.first("name", name).filter(|id| users.is_enabled(*id));
        let refuse = || Trap::new("invalid user name or password (6)");
        // Who comes from elsewhere hears the same as who has the wrong password.
        let found = found.filter(|id| covers(&users.text(*id, "address"), from));
        let id = found.filter(|id| is_right(&users.text(*id, "password"))).ok_or_else(refuse)?;
        let permissions = self.permissions_of(id);
        permissions.demand(policy)?;
        Ok(permissions)
    }

    fn permissions_of(&self, user: Id) -> Permissions {
        let groups = self.table(Place::UserGroup);
        let group = groups.first("name", &self.table(Place::User).text(user, "group"));
        Permissions::of_list(&group.map(|id| groups.text(id, "policy")).unwrap_or_default())
    }

    pub(crate) fn note_login(&mut self, name: &str, via: &str, inside: bool) {
        let way = if inside { "in" } else { "out" };
        self.note("system,info,account", format!("user {name} logged {way} via {via}"));
    }

    /// Whether a service takes connections from an address.
    pub(crate) fn doorkeeper(&self, service: &str, from: IpAddr) -> Door {
        let services = self.table(Place::Service);
        let Some(id) = services.first("name", service) else { return Door::Open };
        if !services.is_enabled(id) {
            return Door::Closed;
        }
        if covers(&services.text(id, "address"), from) { Door::Open } else { Door::Ignored }
    }

    /// How many connections a service takes.
    pub(crate) fn max_sessions(&self, service: &str) -> usize {
        let services = self.table(Place::Service);
        let id = services.first("name", service);
        id.and_then(|id| services.text(id, "max-sessions").parse().ok()).unwrap_or(20)
    }
}

/// Whether an `address=` that restricts where somebody comes from lets him in.
fn covers(allowed: &str, from: IpAddr) -> bool {
    let inside = |range: &str| match (Range::parse(range), from) {
        (Some(range), IpAddr::V4(from)) => range.contains(from),
        _ => false,
    };
    allowed.is_empty() || allowed.split(',').any(inside)
}

/// Users and groups are changed by whoever has the policy `policy`.
fn needs_policy(spot: Spot) -> bool {
    matches!(spot, Spot::Table(Place::User | Place::UserGroup))
}
