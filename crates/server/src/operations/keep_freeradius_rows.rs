//! FreeRADIUS's tables are brought to what grants say: rows of logins, page by page, and the
//! routers as NASes. Compares and writes the difference only; twice is once. Names and NASes that
//! are somebody else's are left alone and reported.

use crate::app::App;
use crate::enforcement::MARK;
use crate::enforcement::freeradius::{Owner, difference, marked, owner, wanted};
use crate::operations::add_router::{RouterAddress, RouterLogin, RouterProtocol};
use crate::radius::why_off;
use lango_domain::access::Access;
use lango_domain::ids::{GrantId, Id, RouterId, TenantId};
use lango_domain::time::{Span, Timestamp};
use lango_store::freeradius::{self, Attribute, Changes, KeptRow, Nas, Subject};
use lango_store::routers::Router;
use lango_store::tenants::Tenant;
use lango_store::{Error, Tx};
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

/// How many grants or names one transaction takes.
const PAGE: i64 = 500;
/// How long a customer whose grant has ended still reads why; then his rows go.
const REMEMBERED: Span = Span::days(30);
/// The fact that everybody writes who writes rows: of two passes at once the second begins again
/// and finds the work done.
const TURN: &str = "freeradius.turn";

/// What was brought in step.
#[derive(Debug, Default, serde::Serialize)]
pub struct Kept {
    /// Grants with a login.
    pub grants: usize,
    /// Rows that were added, changed or removed.
    pub written: usize,
    /// Grants that cannot stand in the tables.
    pub in_the_way: Vec<InTheWay>,
    /// NASes that were added, changed or removed: FreeRADIUS reads them when it starts.
    pub nases_written: usize,
}

/// A grant that cannot stand in the tables, and why.
#[derive(Clone, Debug, serde::Serialize)]
pub struct InTheWay {
    /// Which grant.
    pub grant: GrantId,
    /// What staff may see of its login.
    pub label: String,
    /// What keeps it out, and what to do.
    pub why: String,
}

/// Brings FreeRADIUS's tables to what grants and routers say at `now`.
///
/// # Errors
/// A fault of the store, or a login that was sealed with another key. What was written before it
/// stays; the next pass goes on.
pub async fn keep_rows(app: &App, now: Timestamp) -> Result<Kept, Error> {
    let mut kept = Kept { written: forget_strays(app, now).await?, ..Kept::default() };
    let shops = shops(app).await?;
    let mut after = GrantId::from_raw(0);
    loop {
        let page = keep_page(app, &shops, after, now).await?;
        kept.grants += page.grants;
        kept.written += page.changes.len();
        kept.in_the_way.extend(page.in_the_way);
        match page.last {
            Some(last) => after = last,
            None => break,
        }
    }
    kept.nases_written = keep_nases(app).await?;
    Ok(kept)
}

/// What is known of all businesses while a pass lasts.
struct Known {
    tenants: HashMap<TenantId, Tenant>,
    /// The routers that ask by RADIUS, and from where.
    asking: HashMap<RouterId, IpAddr>,
}

type Shops = Arc<Known>;

async fn shops(app: &App) -> Result<Shops, Error> {
    let all = async |tx: &mut Tx<'_>| {
        Ok((lango_store::tenants::all(tx).await?, lango_store::routers::all(tx).await?))
    };
    let (tenants, routers) = app.store().read(all).await?;
    let tenants = tenants.into_iter().map(|tenant| (tenant.id, tenant)).collect();
    let asking = routers.iter().filter_map(|router| match place(router)? {
        (RouterProtocol::Radius, address) => Some((router.id, address)),
        _ => None,
    });
    Ok(Arc::new(Known { tenants, asking: asking.collect() }))
}

/// What a page of grants wants.
#[derive(Default)]
struct Page {
    grants: usize,
    changes: Changes,
    in_the_way: Vec<InTheWay>,
    /// The last grant of it; none if it was the last page.
    last: Option<GrantId>,
}

/// Looks first, and takes its turn at writing only if something is to be written.
async fn keep_page(
    app: &App,
    shops: &Shops,
    after: GrantId,
    now: Timestamp,
) -> Result<Page, Error> {
    let (desk, known) = (app.clone(), Arc::clone(shops));
    let look = async move |tx: &mut Tx<'_>| compare_page(tx, &desk, &known, after, now).await;
    let page = app.store().report(look).await?;
    if page.changes.is_empty() {
        return Ok(page);
    }
    let (desk, known) = (app.clone(), Arc::clone(shops));
    app.store()
        .write(async move |tx: &mut Tx<'_>| {
            lango_store::facts::keep(tx, TURN, &now.to_string()).await?;
            let page = compare_page(tx, &desk, &known, after, now).await?;
            freeradius::apply(tx, &page.changes).await?;
            Ok(page)
        })
        .await
}

async fn compare_page(
    tx: &mut Tx<'_>,
    app: &App,
    shops: &Shops,
    after: GrantId,
    now: Timestamp,
) -> Result<Page, Error> {
    let subjects = freeradius::subjects(tx, after, now - REMEMBERED, PAGE).await?;
    let is_full = subjects.len() as i64 == PAGE;
    let last = subjects.last().filter(|_| is_full).map(|subject| subject.stored.grant.id);
    let mut page = Page { grants: subjects.len(), last, ..Page::default() };
    let logins = logins(app, subjects)?;
    let names: Vec<String> = logins.iter().map(|(_, access)| access.login()).collect();
    let kept = by_name(freeradius::rows_of(tx, &names).await?);
    let mut claimed = HashSet::new();
    for (subject, access) in &logins {
        let name = access.login();
        let there = kept.get(&name).map(Vec::as_slice).unwrap_or_default();
        match rows_for(subject, access, shops, there, claimed.contains(&name)) {
            Ok(changes) => page.add(changes),
            Err((changes, why)) => {
                page.add(changes);
                let (grant, label) = (subject.stored.grant.id, subject.stored.label.clone());
                page.in_the_way.push(InTheWay { grant, label, why });
            }
        }
        claimed.insert(name);
    }
    Ok(page)
}

impl Page {
    fn add(&mut self, changes: Changes) {
        self.changes.add.extend(changes.add);
        self.changes.change.extend(changes.change);
        self.changes.remove.extend(changes.remove);
    }
}

fn logins(app: &App, subjects: Vec<Subject>) -> Result<Vec<(Subject, Access)>, Error> {
    let open = |subject: Subject| {
        let access = app.open_access(subject.stored.grant.id, &subject.access)?;
        Ok((subject, access))
    };
    subjects.into_iter().map(open).collect()
}

fn by_name(rows: Vec<KeptRow>) -> HashMap<String, Vec<KeptRow>> {
    let mut by_name: HashMap<String, Vec<KeptRow>> = HashMap::new();
    for row in rows {
        by_name.entry(row.says.name.clone()).or_default().push(row);
    }
    by_name
}

/// What is to be written for a grant; or why nothing can be, and what goes all the same.
fn rows_for(
    subject: &Subject,
    access: &Access,
    shops: &Shops,
    there: &[KeptRow],
    is_claimed: bool,
) -> Result<Changes, (Changes, String)> {
    const TAKEN: &str = "the name is another customer's of Lango: FreeRADIUS knows no businesses \
                         and no kinds of login; give one of them another name";
    const STRANGE: &str = "the name has rows in radcheck or radreply that are not Lango's: remove \
                           them, and Lango will write its own";
    let grant = &subject.stored.grant;
    let is_ours = match owner(there) {
        Owner::Grant(owner) if owner == grant.id => true,
        Owner::Nobody if !is_claimed => false,
        Owner::Nobody | Owner::Grant(_) => return Err((Changes::default(), TAKEN.to_owned())),
        Owner::Stranger => return Err((Changes::default(), STRANGE.to_owned())),
    };
    let goes = || if is_ours { difference(&[], there) } else { Changes::default() };
    let only_at = match subject.stored.router.map(|router| shops.asking.get(&router)) {
        // Good at one router only, which asks nobody.
        Some(None) => return Ok(goes()),
        Some(Some(address)) => Some(*address),
        None => None,
    };
    match wanted(grant, access, &refusal(subject, shops), only_at) {
        Ok(rows) => Ok(difference(&rows, there)),
        Err(why) => Err((goes(), why.to_string())),
    }
}

fn refusal(subject: &Subject, shops: &Shops) -> String {
    let grant = &subject.stored.grant;
    let Some(tenant) = shops.tenants.get(&grant.tenant) else { return String::new() };
    why_off(grant, subject.language.unwrap_or(tenant.language))
}

/// Removes the rows of names that are ours by a grant that is gone or long over. Returns how many.
async fn forget_strays(app: &App, now: Timestamp) -> Result<usize, Error> {
    let (mut removed, mut after) = (0, String::new());
    loop {
        let from = after.clone();
        let look = async move |tx: &mut Tx<'_>| strays(tx, &from, now).await;
        let (changes, last) = app.store().report(look).await?;
        if !changes.is_empty() {
            let from = after.clone();
            removed += app
                .store()
                .write(async move |tx: &mut Tx<'_>| {
                    lango_store::facts::keep(tx, TURN, &now.to_string()).await?;
                    let (changes, _) = strays(tx, &from, now).await?;
                    freeradius::apply(tx, &changes).await?;
                    Ok(changes.len())
                })
                .await?;
        }
        match last {
            Some(last) => after = last,
            None => return Ok(removed),
        }
    }
}

async fn strays(
    tx: &mut Tx<'_>,
    after: &str,
    now: Timestamp,
) -> Result<(Changes, Option<String>), Error> {
    let marks = freeradius::marks(tx, after, PAGE).await?;
    let last = marks.last().filter(|_| marks.len() as i64 == PAGE).map(|(name, _)| name.clone());
    let ids: Vec<GrantId> = marks.iter().filter_map(|(_, mark)| marked(mark)).collect();
    let live: HashSet<GrantId> =
        freeradius::live(tx, &ids, now - REMEMBERED).await?.into_iter().collect();
    let is_stray = |mark: &str| marked(mark).is_some_and(|grant| !live.contains(&grant));
    let names: Vec<String> =
        marks.into_iter().filter(|(_, mark)| is_stray(mark)).map(|(name, _)| name).collect();
    if names.is_empty() {
        return Ok((Changes::default(), last));
    }
    let nothing: &[Attribute] = &[];
    let mut changes = Changes::default();
    for rows in by_name(freeradius::rows_of(tx, &names).await?).values() {
        changes.remove.extend(difference(nothing, rows).remove);
    }
    Ok((changes, last))
}

/// Routers that ask by RADIUS stand in `nas` with the secret that Lango knows of them. A row that
/// an operator made for one is used as it is.
async fn keep_nases(app: &App) -> Result<usize, Error> {
    let desk = app.clone();
    let look = async move |tx: &mut Tx<'_>| nas_changes(tx, &desk).await;
    if app.store().report(look).await?.is_empty() {
        return Ok(0);
    }
    let desk = app.clone();
    app.store()
        .write(async move |tx: &mut Tx<'_>| {
            lango_store::facts::keep(tx, TURN, "nas").await?;
            let changes = nas_changes(tx, &desk).await?;
            for change in &changes {
                match change {
                    NasChange::Add(nas) => freeradius::add_nas(tx, nas).await?,
                    NasChange::Change(nas) => freeradius::change_nas(tx, nas).await?,
                    NasChange::Remove(id) => freeradius::remove_nas(tx, *id).await?,
                }
            }
            Ok(changes.len())
        })
        .await
}

enum NasChange {
    Add(Nas),
    Change(Nas),
    Remove(i64),
}

async fn nas_changes(tx: &mut Tx<'_>, app: &App) -> Result<Vec<NasChange>, Error> {
    let there = freeradius::nases(tx).await?;
    let (mut changes, mut marks) = (Vec::new(), HashSet::new());
    for router in lango_store::routers::all(tx).await? {
        if let Some(nas) = wanted_nas(app, &router)? {
            marks.extend(nas.description.clone());
            changes.extend(nas_change(nas, &there));
        }
    }
    let stale = there.iter().filter(|nas| {
        let mark = nas.description.as_deref().filter(|mark| mark.starts_with(MARK));
        mark.is_some_and(|mark| !marks.contains(mark))
    });
    changes.extend(stale.map(|nas| NasChange::Remove(nas.id)));
    Ok(changes)
}

fn wanted_nas(app: &App, router: &Router) -> Result<Option<Nas>, Error> {
    let Some((RouterProtocol::Radius, address)) = place(router) else { return Ok(None) };
    let clear = app.open_credentials(router.id, &router.credentials)?;
    let login: Option<RouterLogin> = serde_json::from_slice(&clear).ok();
    Ok(login.map(|login| Nas {
        id: 0,
        address: address.to_string(),
        name: short_name(&router.name),
        secret: login.password,
        description: Some(format!("{MARK}{}", router.id)),
    }))
}

fn nas_change(wanted: Nas, there: &[Nas]) -> Option<NasChange> {
    match there.iter().find(|nas| nas.description == wanted.description) {
        Some(ours) => {
            let wanted = Nas { id: ours.id, ..wanted };
            (*ours != wanted).then_some(NasChange::Change(wanted))
        }
        None if there.iter().any(|nas| nas.address == wanted.address) => None,
        None => Some(NasChange::Add(wanted)),
    }
}

/// How a router is spoken to and at which address, if that is known.
pub(crate) fn place(router: &Router) -> Option<(RouterProtocol, IpAddr)> {
    let known: RouterAddress = serde_json::from_str(&router.endpoint).ok()?;
    Some((known.protocol, known.host.parse().ok()?))
}

/// FreeRADIUS prints it into its log.
fn short_name(name: &str) -> String {
    let plain = |sign: char| if sign.is_ascii_alphanumeric() { sign } else { '-' };
    name.chars().take(32).map(plain).collect()
}
