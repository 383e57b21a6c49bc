//! A complete reading of a router, compared with what is expected. Changes nothing, and has no
//! answer at all when any part of the reading failed.

use super::guard::{self, Guards};
use super::hotspot::{self, Found, Tolerance, USER_PROPERTIES, used};
use super::owner::{self, Owner, RETIRED};
use super::pppoe::{self, SECRET_PROPERTIES};
use super::presence;
use super::visit::{Visit, is_refusal, lacks_menu, pick, said};
use super::{firewall, profiles, static_ip};
use crate::enforcement::{LoginKind, Online, Order, Survey};
use lango_domain::ids::GrantId;
use lango_domain::wanted::Wanted;
use lango_routeros::menus::{
    AddressListEntry, FilterRule, HotspotActive, HotspotBinding, HotspotCookie, HotspotUser,
    HotspotUserProfile, Menu, PppActive, PppProfile, PppSecret, Schedule, SimpleQueue,
};
use lango_routeros::{Error, Print};
use lango_store::routers::Stranger;
use std::collections::{HashMap, HashSet};

/// What a survey is for.
pub(super) struct Expected<'o> {
    hotspot: Vec<&'o Order>,
    ppp: Vec<&'o Order>,
    address: Vec<&'o Order>,
    grants: HashSet<GrantId>,
}

impl<'o> Expected<'o> {
    fn of(orders: &'o [Order]) -> Expected<'o> {
        let kind = |kind| orders.iter().filter(move |o| LoginKind::of(&o.access) == kind).collect();
        Expected {
            hotspot: kind(LoginKind::Hotspot),
            ppp: kind(LoginKind::Ppp),
            address: kind(LoginKind::Address),
            grants: orders.iter().map(|order| order.grant).collect(),
        }
    }
}

/// Every reading of one kind of menu: none if the router lacks it and nobody expects it.
async fn read<M: Menu>(visit: &Visit<'_>, needed: bool) -> Result<Option<Vec<M>>, Error> {
    optional(visit.connection.all(None).await, needed)
}

async fn read_more<M: Menu>(
    visit: &Visit<'_>,
    properties: &[&str],
    needed: bool,
) -> Result<Option<Vec<M>>, Error> {
    let rows = visit.connection.print(Print::of(M::PATH).only(properties)).await;
    Ok(optional(rows, needed)?.map(|rows| rows.into_iter().filter_map(M::from_row).collect()))
}

fn optional<T>(rows: Result<T, Error>, needed: bool) -> Result<Option<T>, Error> {
    match rows {
        Err(error) if lacks_menu(&error) && !needed => Ok(None),
        rows => rows.map(Some),
    }
}

/// Reads and compares; `guards` says whether this router takes guards.
pub(super) async fn take(
    visit: &Visit<'_>,
    orders: &[Order],
    guards: bool,
) -> Result<(Survey, Vec<HotspotUser>), Error> {
    let expected = Expected::of(orders);
    let mut survey = Survey::default();
    let users = survey_hotspot(visit, &expected, &mut survey).await?;
    survey_ppp(visit, &expected, &mut survey).await?;
    survey_addresses(visit, &expected, &mut survey).await?;
    survey_guards(visit, orders, &expected, guards, &mut survey).await?;
    Ok((survey, users))
}

fn stranger(survey: &mut Survey, menu: &str, name: &str, why: String) {
    survey.strangers.push(Stranger { menu: menu.to_owned(), name: name.to_owned(), why });
}

/// Reports what carries our mark for a grant that this router should not have.
fn note_orphan(
    survey: &mut Survey,
    expected: &Expected<'_>,
    menu: &str,
    name: &str,
    comment: Option<&str>,
) {
    match owner::owner(comment) {
        Owner::Grant(grant, _) if !expected.grants.contains(&grant) => {
            let why = "carries Lango's mark but belongs to no grant of this router";
            stranger(survey, menu, name, why.to_owned());
        }
        Owner::Grant(..) | Owner::Lango(_) | Owner::Foreign => {}
    }
}

// ---------------------------------------------------------------------------------------------
// Hotspot

async fn survey_hotspot(
    visit: &Visit<'_>,
    expected: &Expected<'_>,
    survey: &mut Survey,
) -> Result<Vec<HotspotUser>, Error> {
    let needed = !expected.hotspot.is_empty();
    let Some(users) = read_more::<HotspotUser>(visit, &USER_PROPERTIES, needed).await? else {
        return Ok(Vec::new());
    };
    let profiles: Vec<HotspotUserProfile> = read(visit, needed).await?.unwrap_or_default();
    let sessions: Vec<HotspotActive> = read(visit, needed).await?.unwrap_or_default();
    let cookies: Vec<HotspotCookie> = read(visit, needed).await?.unwrap_or_default();
    let bindings: Vec<HotspotBinding> = read(visit, needed).await?.unwrap_or_default();
    survey.observed.active_sessions += sessions.len() as u64;
    let live = grouped(&sessions, |row| &row.user);
    let rows = grouped(&users, |row| &row.name);
    let remembered: HashSet<&str> = cookies.iter().map(|cookie| cookie.user.as_str()).collect();
    for order in &expected.hotspot {
        let login = order.access.login();
        let live = live.get(login.as_str()).map(Vec::as_slice).unwrap_or_default();
        let rows = rows.get(login.as_str()).map(Vec::as_slice).unwrap_or_default();
        let row = pick(rows.iter().copied(), order, |row| row.comment.as_deref());
        if let Some(row) = row
            && !owner::is_marked(row.comment.as_deref())
        {
            stranger(survey, HotspotUser::PATH, &login, hotspot::stranger(&login));
            continue;
        }
        if is_of_other(row.and_then(|row| row.comment.as_deref()), order)
            && !order.wanted.is_online()
        {
            continue;
        }
        let mut texts = user_texts(visit, order, row, live, &profiles);
        if !order.wanted.is_online() {
            texts.extend(sessions_of_cut(order, live.len()));
            let remembered = remembered.contains(login.as_str());
            texts.extend(remembered.then(|| "a cookie would log a device in again".to_owned()));
        }
        survey.differences.extend(texts.into_iter().map(|text| (order.grant, text)));
        survey.online.extend(hotspot_online(order, row, live));
    }
    for user in &users {
        note_orphan(survey, expected, HotspotUser::PATH, &user.name, user.comment.as_deref());
    }
    survey_bindings(expected, &bindings, survey);
    Ok(users)
}

fn is_of_other(comment: Option<&str>, order: &Order) -> bool {
    matches!(owner::owner(comment), Owner::Grant(of, _) if of != order.grant)
}

fn grouped<M>(rows: &[M], name: fn(&M) -> &String) -> HashMap<&str, Vec<&M>> {
    let mut map: HashMap<&str, Vec<&M>> = HashMap::new();
    for row in rows {
        map.entry(name(row).as_str()).or_default().push(row);
    }
    map
}

fn user_texts(
    visit: &Visit<'_>,
    order: &Order,
    row: Option<&HotspotUser>,
    live: &[&HotspotActive],
    profiles: &[HotspotUserProfile],
) -> Vec<String> {
    let Some(row) = row else {
        let missing = format!("user is missing, wanted {}", order.wanted.word());
        return if order.wanted.is_online() { vec![missing] } else { Vec::new() };
    };
    let found = Found { row, used: used(row, live.iter().copied()) };
    let differences = hotspot::differences(order, &found, visit.now, Tolerance::LOOSE);
    let mut texts = Vec::new();
    if !differences.is_empty() {
        texts.push(said(&differences));
    }
    if order.wanted.is_online() {
        texts.extend(mark_text(row.comment.as_deref(), order));
        let of_profile = profiles.iter().find(|profile| profile.name == row.profile);
        let wanted = order.wanted.profile();
        texts.extend(
            of_profile
                .zip(wanted)
                .filter(|_| differences.is_empty())
                .and_then(|(row, profile)| profiles::hotspot_difference(row, profile)),
        );
    }
    texts
}

fn mark_text(comment: Option<&str>, order: &Order) -> Option<String> {
    if owner::note(comment) == owner::SESSIONS_OUTDATED {
        return Some("sessions run at the old speed".to_owned());
    }
    (!owner::is_of(comment, order.grant)).then(|| "the mark is another grant's".to_owned())
}

fn sessions_of_cut(order: &Order, count: usize) -> Option<String> {
    (count > 0).then(|| format!("{count} active session(s), wanted {}", order.wanted.word()))
}

fn hotspot_online(
    order: &Order,
    row: Option<&HotspotUser>,
    live: &[&HotspotActive],
) -> Option<Online> {
    let sessions: Vec<_> = live.iter().map(|row| presence::hotspot_session(row)).collect();
    let (past, data) = row.map(presence::past).unwrap_or_default();
    presence::online(order.grant, sessions, past, data)
}

fn survey_bindings(expected: &Expected<'_>, bindings: &[HotspotBinding], survey: &mut Survey) {
    let ended: HashMap<String, &Order> = expected
        .hotspot
        .iter()
        .filter(|order| !order.wanted.is_online())
        .flat_map(|order| order.devices.iter().map(|mac| (mac.to_string(), *order)))
        .collect();
    for binding in bindings {
        let comment = binding.comment.as_deref();
        let mac = binding.mac_address.map(|mac| mac.to_string());
        let name = mac.clone().unwrap_or_else(|| binding.id.to_string());
        note_orphan(survey, expected, HotspotBinding::PATH, &name, comment);
        let bypassed = binding.kind.as_deref() == Some("bypassed") && !binding.disabled;
        let Some(order) = mac.and_then(|mac| ended.get(&mac)).filter(|_| bypassed) else {
            continue;
        };
        if owner::is_marked(comment) {
            let text = format!("device {name} is bypassed, wanted {}", order.wanted.word());
            survey.differences.push((order.grant, text));
        } else {
            let why = "lets a device through whose time has ended, and is not Lango's".to_owned();
            stranger(survey, HotspotBinding::PATH, &name, why);
        }
    }
}

// ---------------------------------------------------------------------------------------------
// PPP

async fn survey_ppp(
    visit: &Visit<'_>,
    expected: &Expected<'_>,
    survey: &mut Survey,
) -> Result<(), Error> {
    let needed = !expected.ppp.is_empty();
    let Some(secrets) = read_more::<PppSecret>(visit, &SECRET_PROPERTIES, needed).await? else {
        return Ok(());
    };
    let sessions: Vec<PppActive> = read(visit, needed).await?.unwrap_or_default();
    let profiles: Vec<PppProfile> =
        if needed { read(visit, needed).await?.unwrap_or_default() } else { Vec::new() };
    survey.observed.active_sessions += sessions.len() as u64;
    let wall = match expected.ppp.iter().any(|order| order.wanted == Wanted::Walled) {
        true => firewall::problem(&visit.connection.all::<FilterRule>(None).await?),
        false => None,
    };
    let data = presence::ppp_data(visit, &sessions).await?;
    let rows = grouped(&secrets, |row| &row.name);
    let live = grouped(&sessions, |row| &row.name);
    for order in &expected.ppp {
        let login = order.access.login();
        let live = live.get(login.as_str()).map(Vec::as_slice).unwrap_or_default();
        let rows = rows.get(login.as_str()).map(Vec::as_slice).unwrap_or_default();
        let row = pick(rows.iter().copied(), order, |row| row.comment.as_deref());
        if let Some(row) = row
            && !owner::is_marked(row.comment.as_deref())
        {
            stranger(survey, PppSecret::PATH, &login, hotspot::stranger(&login));
            continue;
        }
        if is_of_other(row.and_then(|row| row.comment.as_deref()), order)
            && !order.wanted.is_online()
        {
            continue;
        }
        let mut texts = secret_texts(order, row, &profiles);
        if order.wanted == Wanted::Cut {
            texts.extend(sessions_of_cut(order, live.len()));
        }
        if order.wanted == Wanted::Walled {
            texts.extend(wall.clone());
        }
        survey.differences.extend(texts.into_iter().map(|text| (order.grant, text)));
        let sessions: Vec<_> = live.iter().map(|row| presence::ppp_session(row, &data)).collect();
        survey.online.extend(presence::online(
            order.grant,
            sessions,
            Default::default(),
            Default::default(),
        ));
    }
    for secret in &secrets {
        note_orphan(survey, expected, PppSecret::PATH, &secret.name, secret.comment.as_deref());
    }
    Ok(())
}

fn secret_texts(order: &Order, row: Option<&PppSecret>, profiles: &[PppProfile]) -> Vec<String> {
    let Some(row) = row else {
        let missing = format!("secret is missing, wanted {}", order.wanted.word());
        return if order.wanted == Wanted::Cut { Vec::new() } else { vec![missing] };
    };
    let differences = pppoe::differences(order, row);
    let mut texts = Vec::new();
    if !differences.is_empty() {
        texts.push(said(&differences));
    }
    if order.wanted != Wanted::Cut {
        texts.extend(mark_text(row.comment.as_deref(), order));
        let stray = pppoe::has_stray_address(order, row);
        texts.extend(stray.then(|| "it has an address of its own, wanted none".to_owned()));
        let of_profile = profiles.iter().find(|profile| profile.name == row.profile);
        texts.extend(
            of_profile
                .filter(|_| differences.is_empty())
                .and_then(|profile| profiles::ppp_difference(profile, order.wanted)),
        );
    }
    texts
}

// ---------------------------------------------------------------------------------------------
// Addresses and guards

async fn survey_addresses(
    visit: &Visit<'_>,
    expected: &Expected<'_>,
    survey: &mut Survey,
) -> Result<(), Error> {
    let conditions = static_ip::LISTS.map(|list| ("list", list.to_owned()));
    let rows: Vec<AddressListEntry> = visit.rows(&conditions).await?;
    for row in rows.iter().filter(|row| static_ip::LISTS.contains(&row.list.as_str())) {
        let retired = owner::owner(row.comment.as_deref()) == Owner::Lango(RETIRED);
        if !retired {
            let comment = row.comment.as_deref();
            note_orphan(survey, expected, AddressListEntry::PATH, &row.address, comment);
        }
        if !row.dynamic && !owner::is_marked(row.comment.as_deref()) {
            let why = static_ip::foreign_entry(row);
            stranger(survey, AddressListEntry::PATH, &row.address, why);
        }
    }
    if expected.address.is_empty() {
        return Ok(());
    }
    let rules: Vec<FilterRule> = visit.connection.all(None).await?;
    let queues: Vec<SimpleQueue> = visit.connection.all(None).await?;
    let problem = firewall::problem(&rules);
    let entries = static_ip::by_address(rows);
    for order in &expected.address {
        let mut texts = static_ip::differences(order, &entries, &queues);
        texts.extend(problem.clone());
        survey.differences.extend(texts.into_iter().map(|text| (order.grant, text)));
    }
    for queue in &queues {
        note_orphan(survey, expected, SimpleQueue::PATH, &queue.name, queue.comment.as_deref());
    }
    Ok(())
}

async fn survey_guards(
    visit: &Visit<'_>,
    orders: &[Order],
    expected: &Expected<'_>,
    may_add: bool,
    survey: &mut Survey,
) -> Result<(), Error> {
    let guards: Guards = match guard::read(visit, None).await {
        Err(error) if is_refusal(&error) => return Ok(()),
        guards => guards?,
    };
    for order in orders {
        let present = guards.get(&order.grant).map(Vec::as_slice).unwrap_or_default();
        if !guard::is_right(present, guard::due(order, visit.now), may_add) {
            let text = "its guard on the router is missing or not as wanted".to_owned();
            survey.differences.push((order.grant, text));
        }
    }
    for row in guards.values().flatten() {
        note_orphan(survey, expected, Schedule::PATH, &row.name, row.comment.as_deref());
    }
    Ok(())
}
