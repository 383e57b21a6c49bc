//! Sessions that RADIUS let in and that are ended by the API, because the router does not answer
//! orders by RADIUS. There are no users or secrets of ours for them: a session is its row among
//! those that are online, and it is gone when a reading shows no such row, or a younger one: a row's
//! number may be made of the address, and whoever comes back has the same.

use super::connections;
use super::visit::{ROUNDS, Visit, Write};
use crate::enforcement::LoginKind;
use lango_domain::mac_address::MacAddress;
use lango_routeros::menus::{HotspotActive, HotspotCookie, Menu, PppActive};
use lango_routeros::values::Prefix;
use lango_routeros::{Error, values};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

/// Who was let in, as his router named him.
#[derive(Clone, Copy, Debug)]
pub struct LetIn<'s> {
    /// By which sort of login.
    pub by: LoginKind,
    /// The name that logged in.
    pub name: &'s str,
    /// The device, if the router said.
    pub mac: Option<MacAddress>,
}

/// What becomes of the cookie by which a hotspot lets a device in again without a word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cookies {
    /// He is to come back at once, and hears the new terms then.
    Keep,
    /// He is not to come back.
    Remove,
}

impl LetIn<'_> {
    fn is_device(&self, seen: Option<values::MacAddress>) -> bool {
        let Some(mac) = self.mac else { return true };
        seen.is_none_or(|seen| seen.to_string() == mac.to_string())
    }
}

/// Ends his sessions and reads back until there is none of them. Whoever may come back may have done
/// so by then: he has heard the new terms. None: one is still there.
pub(super) async fn end(
    visit: &Visit<'_>,
    who: &LetIn<'_>,
    cookies: Cookies,
) -> Result<Option<u32>, Error> {
    if cookies == Cookies::Remove && who.by == LoginKind::Hotspot {
        remove_cookies(visit, who).await?;
    }
    let (mut ended, mut addresses) = (BTreeMap::new(), BTreeSet::new());
    for round in 0..ROUNDS {
        let mut online = online(visit, who).await?;
        if round > 0 && cookies == Cookies::Keep {
            online.retain(|row| !row.has_come_back(&ended));
        }
        if online.is_empty() {
            // Only now: what is online opens connections.
            connections::remove_of(visit, &addresses).await?;
            return Ok(Some(u32::try_from(ended.len()).unwrap_or(u32::MAX)));
        }
        let mut writes = Vec::with_capacity(online.len());
        for Online { id, uptime, address, end } in online {
            addresses.extend(address);
            ended.insert(id, uptime);
            writes.push(end);
        }
        visit.are_taken(writes).await?;
    }
    Ok(None)
}

/// A row among those that are online.
struct Online {
    id: String,
    uptime: Option<Duration>,
    address: Option<Ipv4Addr>,
    end: Write,
}

impl Online {
    /// Whether it began after those were ended.
    fn has_come_back(&self, ended: &BTreeMap<String, Option<Duration>>) -> bool {
        let is_younger = |before: &Option<Duration>| {
            self.uptime.zip(*before).is_some_and(|(now, before)| now < before)
        };
        ended.get(&self.id).is_none_or(is_younger)
    }
}

async fn online(visit: &Visit<'_>, who: &LetIn<'_>) -> Result<Vec<Online>, Error> {
    let is_his = |name: &str, mac| name == who.name && who.is_device(mac);
    Ok(match who.by {
        LoginKind::Hotspot => {
            let rows: Vec<HotspotActive> = visit.rows(&[("user", who.name.to_owned())]).await?;
            rows.into_iter()
                .filter(|row| is_his(&row.user, row.mac_address))
                .map(|row| {
                    let (uptime, address) = (row.uptime, row.address.and_then(Prefix::single_ipv4));
                    let id = row.id.to_string();
                    Online { id, uptime, address, end: Write::End(HotspotActive::PATH, row.id) }
                })
                .collect()
        }
        LoginKind::Ppp => {
            let rows: Vec<PppActive> = visit.rows(&[("name", who.name.to_owned())]).await?;
            rows.into_iter()
                .filter(|row| is_his(&row.name, None))
                .map(|row| {
                    let (uptime, address) = (row.uptime, row.address.and_then(Prefix::single_ipv4));
                    let id = row.id.to_string();
                    Online { id, uptime, address, end: Write::End(PppActive::PATH, row.id) }
                })
                .collect()
        }
        // An address logs in nowhere.
        LoginKind::Address => Vec::new(),
    })
}

async fn remove_cookies(visit: &Visit<'_>, who: &LetIn<'_>) -> Result<(), Error> {
    let cookies: Vec<HotspotCookie> = visit.rows(&[("user", who.name.to_owned())]).await?;
    let his = cookies
        .into_iter()
        .filter(|cookie| cookie.user == who.name && who.is_device(cookie.mac_address));
    let writes = his.map(|cookie| Write::Remove(HotspotCookie::PATH, cookie.id)).collect();
    visit.are_taken(writes).await.map(drop)
}
