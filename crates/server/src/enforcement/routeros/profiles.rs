//! Profiles on the router: one for each speed and number of devices, made when first needed.
//! Theirs is the name prefix; a hotspot's user profile has no comment to carry a mark.

use super::visit::{Task, Visit, Write, is_refusal};
use crate::enforcement::LoginKind;
use lango_domain::quantity::Speed;
use lango_domain::wanted::{Profile, Wanted};
use lango_routeros::Error;
use lango_routeros::menus::{HotspotUserProfile, Menu, PppProfile};
use lango_routeros::values::{PerDirection, RateLimit};
use lango_routeros::{Print, TrapKind};
use std::collections::{BTreeMap, HashMap};

/// The address list of those who may only see the pay page.
pub(super) const WALLED: &str = "lango-walled";

const PPPOE_SERVER: &str = "/interface/pppoe-server/server";

/// What a new PPP profile takes over from the one that the server uses by default: without an
/// address pool nobody who dials in would get an address.
const INHERITED: [&str; 5] =
    ["local-address", "remote-address", "dns-server", "interface-list", "change-tcp-mss"];

/// A hotspot profile's name: `lango-2M-5M-1`, `lango-max-3`.
pub(super) fn hotspot_name(profile: Profile) -> String {
    format!("lango-{}-{}", speed_name(profile.speed), profile.devices)
}

/// A PPP profile's name: `lango-2M-5M`, with `-multi` where several may dial in together.
pub(super) fn ppp_name(wanted: Wanted) -> String {
    match wanted.profile() {
        Some(profile) if profile.devices > 1 => format!("{}-multi", ppp_speed(profile)),
        Some(profile) => ppp_speed(profile),
        None => WALLED.to_owned(),
    }
}

fn ppp_speed(profile: Profile) -> String {
    format!("lango-{}", speed_name(profile.speed))
}

fn speed_name(speed: Option<Speed>) -> String {
    speed.map_or_else(|| "max".to_owned(), |speed| speed.to_string().replace('/', "-"))
}

/// A speed as a queue or profile limits it: the router receives what the customer uploads.
pub(super) fn rate(speed: Speed) -> PerDirection<u64> {
    PerDirection { upload: speed.upload, download: speed.download }
}

fn rate_limit(speed: Option<Speed>) -> Option<RateLimit> {
    speed.map(|speed| RateLimit::of(rate(speed)))
}

fn rate_text(speed: Option<Speed>) -> String {
    rate_limit(speed).map(|limit| limit.to_string()).unwrap_or_default()
}

/// What a profile does to a session's packets, by the profile's name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Treatment {
    rate: Option<RateLimit>,
    list: Option<String>,
}

/// Every profile on the router by name.
pub(super) type Treatments = HashMap<String, Treatment>;

/// Whether sessions begun under one profile are not what the other would make them.
pub(super) fn differ(known: &Treatments, before: &str, after: &str) -> bool {
    before != after && known.get(before) != known.get(after)
}

/// Makes sure of the hotspot profiles that open orders want, and tells what each profile does.
pub(super) async fn ensure_hotspot(
    visit: &Visit<'_>,
    tasks: &mut [Task<'_>],
) -> Result<Treatments, Error> {
    let wanted: BTreeMap<String, Profile> = tasks
        .iter()
        .filter(|task| task.is_open() && LoginKind::of(&task.order.access) == LoginKind::Hotspot)
        .filter_map(|task| task.order.wanted.profile())
        .map(|profile| (hotspot_name(profile), profile))
        .collect();
    if wanted.is_empty() {
        return Ok(Treatments::new());
    }
    let present: Vec<HotspotUserProfile> = visit.connection.all(None).await?;
    for (name, profile) in &wanted {
        let row = present.iter().find(|row| row.name == *name);
        if let Some(write) = hotspot_write(name, *profile, row)
            && let Err(error) = refusal(visit.carry_out_alone(write).await)?
        {
            fail_users(tasks, &error, |wanted| wanted.profile().map(hotspot_name), name);
        }
    }
    let mut known: Treatments = present
        .into_iter()
        .map(|row| (row.name, Treatment { rate: row.rate_limit, list: row.address_list }))
        .collect();
    for (name, profile) in wanted {
        let list = known.get(&name).and_then(|before| before.list.clone());
        known.insert(name, Treatment { rate: rate_limit(profile.speed), list });
    }
    Ok(known)
}

fn hotspot_write(name: &str, profile: Profile, row: Option<&HotspotUserProfile>) -> Option<Write> {
    let devices = profile.devices.max(1).to_string();
    let path = HotspotUserProfile::PATH;
    let Some(row) = row else {
        let mut values = vec![("name", name.to_owned()), ("shared-users", devices)];
        if profile.speed.is_some() {
            values.push(("rate-limit", rate_text(profile.speed)));
        }
        return Some(Write::Add(path, values));
    };
    let mut values = Vec::new();
    if row.shared_users.as_deref().unwrap_or("1") != devices {
        values.push(("shared-users", devices));
    }
    if row.rate_limit != rate_limit(profile.speed) {
        values.push(("rate-limit", rate_text(profile.speed)));
    }
    (!values.is_empty()).then(|| Write::Set(path, row.id.clone(), values))
}

/// How a hotspot profile on the router is not what its name says; none if it is or is absent.
pub(super) fn hotspot_difference(row: &HotspotUserProfile, profile: Profile) -> Option<String> {
    hotspot_write(&row.name, profile, Some(row))
        .map(|_| format!("profile {} has another speed or number of devices", row.name))
}

/// Makes sure of the PPP profiles that open orders want, and tells what each profile does.
pub(super) async fn ensure_ppp(
    visit: &Visit<'_>,
    tasks: &mut [Task<'_>],
) -> Result<Treatments, Error> {
    let wanted: BTreeMap<String, Wanted> = tasks
        .iter()
        .filter(|task| task.is_open() && task.order.wanted != Wanted::Cut)
        .map(|task| (ppp_name(task.order.wanted), task.order.wanted))
        .collect();
    if wanted.is_empty() {
        return Ok(Treatments::new());
    }
    let print = Print::of(PppProfile::PATH).only(&PPP_PROPERTIES);
    let rows = visit.connection.print(print).await?;
    let present: Vec<PppProfile> = rows.into_iter().filter_map(PppProfile::from_row).collect();
    let missing = wanted.keys().any(|name| !present.iter().any(|row| row.name == *name));
    let inherited = if missing { inherited(visit, &present).await? } else { Vec::new() };
    for (name, wanted) in &wanted {
        let row = present.iter().find(|row| row.name == *name);
        if let Err(error) = refusal(write_ppp(visit, name, *wanted, row, &inherited).await)? {
            fail_users(tasks, &error, |wanted| Some(ppp_name(*wanted)), name);
        }
    }
    let mut known: Treatments = present
        .into_iter()
        .map(|row| (row.name, Treatment { rate: row.rate_limit, list: row.address_list }))
        .collect();
    for (name, wanted) in wanted {
        let rate = rate_limit(wanted.profile().and_then(|profile| profile.speed));
        known.insert(name, Treatment { rate, list: address_list(wanted).map(str::to_owned) });
    }
    Ok(known)
}

const PPP_PROPERTIES: [&str; 10] = [
    ".id",
    "name",
    "rate-limit",
    "only-one",
    "address-list",
    INHERITED[0],
    INHERITED[1],
    INHERITED[2],
    INHERITED[3],
    INHERITED[4],
];

fn address_list(wanted: Wanted) -> Option<&'static str> {
    (wanted == Wanted::Walled).then_some(WALLED)
}

fn only_one(wanted: Wanted) -> &'static str {
    match wanted.profile() {
        Some(profile) if profile.devices == 1 => "yes",
        _ => "default",
    }
}

async fn inherited(
    visit: &Visit<'_>,
    present: &[PppProfile],
) -> Result<Vec<(&'static str, String)>, Error> {
    let print = Print::of(PPPOE_SERVER).only(&[".id", "default-profile", "disabled"]);
    let servers = match visit.connection.print(print).await {
        Err(error) if is_refusal(&error) => Vec::new(),
        servers => servers?,
    };
    let server = servers.iter().find(|row| !row.flag("disabled")).or(servers.first());
    let name = server.and_then(|row| row.str("default-profile")).unwrap_or("default");
    let Some(model) = present.iter().find(|row| row.name == name) else { return Ok(Vec::new()) };
    Ok(INHERITED
        .into_iter()
        .filter_map(|property| Some((property, model.row.optional(property)?)))
        .collect())
}

async fn write_ppp(
    visit: &Visit<'_>,
    name: &str,
    wanted: Wanted,
    row: Option<&PppProfile>,
    inherited: &[(&'static str, String)],
) -> Result<(), Error> {
    let speed = wanted.profile().and_then(|profile| profile.speed);
    let path = PppProfile::PATH;
    let Some(row) = row else {
        let mut values = inherited.to_vec();
        values.push(("name", name.to_owned()));
        values.push(("only-one", only_one(wanted).to_owned()));
        values.extend(speed.map(|_| ("rate-limit", rate_text(speed))));
        values.extend(address_list(wanted).map(|list| ("address-list", list.to_owned())));
        return add_with_comment(visit, path, values).await;
    };
    let values = ppp_values(row, wanted);
    if values.is_empty() {
        return Ok(());
    }
    visit.carry_out_alone(Write::Set(path, row.id.clone(), values)).await
}

fn ppp_values(row: &PppProfile, wanted: Wanted) -> Vec<(&'static str, String)> {
    let speed = wanted.profile().and_then(|profile| profile.speed);
    let mut values = Vec::new();
    if row.rate_limit != rate_limit(speed) {
        values.push(("rate-limit", rate_text(speed)));
    }
    if row.only_one.as_deref().unwrap_or("default") != only_one(wanted) {
        values.push(("only-one", only_one(wanted).to_owned()));
    }
    if row.address_list.as_deref() != address_list(wanted) {
        values.push(("address-list", address_list(wanted).unwrap_or_default().to_owned()));
    }
    values
}

/// How a PPP profile on the router is not what its name says.
pub(super) fn ppp_difference(row: &PppProfile, wanted: Wanted) -> Option<String> {
    let differs = !ppp_values(row, wanted).is_empty();
    differs.then(|| format!("profile {} has another speed, only-one or address-list", row.name))
}

/// Comments on profiles are not in every version.
async fn add_with_comment(
    visit: &Visit<'_>,
    path: &'static str,
    values: Vec<(&'static str, String)>,
) -> Result<(), Error> {
    let mut marked = values.clone();
    marked.push(("comment", format!("{}profile", crate::enforcement::MARK)));
    match visit.carry_out_alone(Write::Add(path, marked)).await {
        Err(error) if lacks_comment(&error) => {
            visit.carry_out_alone(Write::Add(path, values)).await
        }
        result => result,
    }
}

fn lacks_comment(error: &Error) -> bool {
    let kind = error.trap().map(|trap| &trap.kind);
    matches!(kind, Some(TrapKind::UnknownParameter(name)) if &**name == "comment")
}

/// Parts a refusal, which concerns some orders, from the end of the connection.
fn refusal(result: Result<(), Error>) -> Result<Result<(), Error>, Error> {
    match result {
        Err(error) if !is_refusal(&error) => Err(error),
        result => Ok(result),
    }
}

fn fail_users(
    tasks: &mut [Task<'_>],
    error: &Error,
    name_of: impl Fn(&Wanted) -> Option<String>,
    name: &str,
) {
    for task in tasks.iter_mut().filter(|task| task.is_open()) {
        if name_of(&task.order.wanted).as_deref() == Some(name) {
            task.fail(format!("profile `{name}` could not be made: {error}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(speed: Option<&str>, devices: u16) -> Profile {
        let speed = speed.map(|text| text.parse().unwrap());
        Profile { speed, devices, deadline: None, data: None, metered: false }
    }

    #[test]
    fn names_say_speed_and_devices() {
        assert_eq!(hotspot_name(profile(Some("2M/5M"), 1)), "lango-2M-5M-1");
        assert_eq!(hotspot_name(profile(None, 3)), "lango-max-3");
        assert_eq!(ppp_name(Wanted::Allowed(profile(Some("512k/1M"), 1))), "lango-512k-1M");
        assert_eq!(ppp_name(Wanted::Allowed(profile(None, 2))), "lango-max-multi");
        assert_eq!(ppp_name(Wanted::Walled), WALLED);
    }

    #[test]
    fn upload_is_what_the_router_receives() {
        assert_eq!(rate_text(Some("512k/1M".parse().unwrap())), "512k/1M");
    }
}
