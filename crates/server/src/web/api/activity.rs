//! The account of what happened, and the proofs: cuts that routers confirmed.

use crate::web::api::door::{Ask, Doors, Reply, Shown, Sign};
use crate::web::api::list::{Limit, Page, Place, walk};
use crate::web::api::problem::Problem;
use crate::web::api::routers::LogQuery;
use crate::web::api::sessions::AgeSort;
use crate::web::api::table::Paged;
use crate::web::api::words::{Line, Whole};
use lango_domain::ids::{ActivityId, CutId, GrantId, Id, RouterId};
use lango_domain::time::Timestamp;
use lango_store::activity::{self, Activity};
use lango_store::cuts::Cut as StoredCut;
use lango_store::{Order, Tx, cuts};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A line of the account.
#[derive(Serialize, JsonSchema, Clone, Debug)]
#[schemars(rename = "Activity")]
pub(crate) struct Entry {
    id: ActivityId,
    at: Timestamp,
    /// Who: engine, router, cli, payment, or a token by its name
    actor: String,
    grant: Option<GrantId>,
    router: Option<RouterId>,
    /// What happened, a word: started, renewed, ended, cut, paid, router down …
    what: String,
    /// The facts, as a person reads them
    detail: String,
}

impl Shown for Entry {}

impl From<Activity> for Entry {
    fn from(line: Activity) -> Entry {
        let Activity { id, at, actor, grant, router, what, detail, .. } = line;
        Entry { id, at, actor, grant, router, what, detail }
    }
}

/// A cut that a router confirmed.
#[derive(Serialize, JsonSchema, Debug)]
struct Cut {
    id: CutId,
    router: RouterId,
    grant: GrantId,
    /// When access was to end
    due_at: Timestamp,
    /// When the router had confirmed that it has ended
    confirmed_at: Timestamp,
    lateness_ms: i64,
    attempts: i64,
    /// Who made it so: lango, or the router by its own deadline
    confirmed_by: String,
    sessions_ended: i64,
}

impl Shown for Cut {}

impl From<StoredCut> for Cut {
    fn from(cut: StoredCut) -> Cut {
        Cut {
            id: CutId::from_raw(cut.id),
            router: cut.router,
            grant: cut.grant,
            due_at: cut.due_at,
            confirmed_at: cut.confirmed_at,
            lateness_ms: cut.lateness.as_millis(),
            attempts: cut.attempts,
            confirmed_by: cut.confirmed_by,
            sessions_ended: cut.sessions_ended,
        }
    }
}

/// Which lines are listed.
#[derive(Deserialize, JsonSchema, Clone, Debug)]
#[serde(deny_unknown_fields)]
struct ActivityQuery {
    grant: Option<GrantId>,
    router: Option<RouterId>,
    /// Only lines of that word
    what: Option<Line<50>>,
    sort: Option<AgeSort>,
    cursor: Option<String>,
    limit: Option<Limit>,
}

impl Paged for ActivityQuery {
    fn going_on(&self, cursor: Option<String>) -> ActivityQuery {
        ActivityQuery { cursor, limit: Some(Whole(500)), ..self.clone() }
    }
}

/// Which cuts are listed.
#[derive(Deserialize, JsonSchema, Clone, Debug)]
#[serde(deny_unknown_fields)]
struct CutsQuery {
    grant: Option<GrantId>,
    router: Option<RouterId>,
    /// Only those that were at least so late
    late_ms: Option<Whole<0, 4_000_000_000>>,
    sort: Option<AgeSort>,
    cursor: Option<String>,
    limit: Option<Limit>,
}

impl Paged for CutsQuery {
    fn going_on(&self, cursor: Option<String>) -> CutsQuery {
        CutsQuery { cursor, limit: Some(Whole(500)), ..self.clone() }
    }
}

pub(crate) fn open(doors: &mut Doors) {
    let list = Sign::list("/api/v1/activity", "list_activity")
        .about("activity", "Who or what changed which thing, when and why");
    doors.open_list(list, async |ask: Ask<(), ActivityQuery>| page(&ask).await);
    let show = Sign::get("/api/v1/activity/{activity}", "show_activity")
        .about("activity", "One line of the account");
    doors.open(show, async |ask: Ask<ActivityId>| {
        let (tenant, id) = (ask.tenant(), ask.path);
        let find = async move |tx: &mut Tx<'_>| activity::find(tx, tenant, id).await;
        let found = ask.here.app.store().read(find).await?;
        found.map(|line| Reply::ok(Entry::from(line))).ok_or_else(|| Problem::missing("line"))
    });
    let list = Sign::list("/api/v1/cuts", "list_cuts")
        .about("cuts", "Cuts that routers confirmed: deadline, confirmation, lateness");
    doors.open_list(list, async |ask: Ask<(), CutsQuery>| cuts_page(&ask).await);
    let show = Sign::get("/api/v1/cuts/{cut}", "show_cut").about("cuts", "One cut");
    doors.open(show, async |ask: Ask<CutId>| {
        let (tenant, id) = (ask.tenant(), ask.path.raw());
        let find = async move |tx: &mut Tx<'_>| cuts::by_id(tx, tenant, id).await;
        let found = ask.here.app.store().read(find).await?;
        found.map(|cut| Reply::ok(Cut::from(cut))).ok_or_else(|| Problem::missing("cut"))
    });
}

async fn page(ask: &Ask<(), ActivityQuery>) -> Result<Reply<Page<Entry>>, Problem> {
    let (query, tenant, store) = (&ask.query, ask.tenant(), ask.here.app.store());
    let order = AgeSort::order(query.sort);
    if let Some(grant) = query.grant {
        return of_grant(ask, grant, order).await;
    }
    let place = Place::read("activity", order, query.limit, query.cursor.as_deref())?;
    if let Some(router) = query.router {
        super::routers::one(ask, router).await?;
    }
    let only_router = query.router;
    let read = |from: Option<ActivityId>, limit: i64| {
        let store = store.clone();
        async move {
            let read = async move |tx: &mut Tx<'_>| match only_router {
                Some(router) => activity::of_router(tx, router, order, from, limit).await,
                None => activity::listed(tx, tenant, order, from, limit).await,
            };
            store.read(read).await
        }
    };
    let keep = |line: &Activity| query.keeps(line);
    let (rows, next) = walk(&place, query.what.is_none(), read, |line| line.id, keep).await?;
    Ok(Reply::ok(place.page(rows.into_iter().map(Entry::from).collect(), next)))
}

impl ActivityQuery {
    fn keeps(&self, line: &Activity) -> bool {
        self.what.as_ref().is_none_or(|what| what.0 == line.what)
            && self.router.is_none_or(|router| Some(router) == line.router)
    }
}

/// The story of one grant is short: it is one page.
async fn of_grant(
    ask: &Ask<(), ActivityQuery>,
    grant: GrantId,
    order: Order,
) -> Result<Reply<Page<Entry>>, Problem> {
    super::grants::listed(ask, grant).await?;
    let of = async move |tx: &mut Tx<'_>| activity::of_grant(tx, grant).await;
    let mut lines = ask.here.app.store().read(of).await?;
    lines.retain(|line| ask.query.keeps(line));
    if order == Order::Descending {
        lines.reverse();
    }
    Ok(Reply::ok(Page { items: lines.into_iter().map(Entry::from).collect(), next: None }))
}

/// What happened to one router, latest first.
pub(crate) async fn page_of_router(
    ask: &Ask<RouterId, LogQuery>,
    router: RouterId,
) -> Result<Page<Entry>, Problem> {
    let (query, store, order) = (&ask.query, ask.here.app.store(), Order::Descending);
    let place = Place::read("router log", order, query.limit, query.cursor.as_deref())?;
    let read = |from: Option<ActivityId>, limit: i64| {
        let store = store.clone();
        async move {
            let read = async move |tx: &mut Tx<'_>| {
                activity::of_router(tx, router, order, from, limit).await
            };
            store.read(read).await
        }
    };
    let (rows, next) = walk(&place, true, read, |line| line.id, |_| true).await?;
    Ok(place.page(rows.into_iter().map(Entry::from).collect(), next))
}

async fn cuts_page(ask: &Ask<(), CutsQuery>) -> Result<Reply<Page<Cut>>, Problem> {
    let (query, tenant, store) = (&ask.query, ask.tenant(), ask.here.app.store());
    let order = AgeSort::order(query.sort);
    let place = Place::read("cuts", order, query.limit, query.cursor.as_deref())?;
    let read = |from: Option<i64>, limit: i64| {
        let store = store.clone();
        async move {
            let read =
                async move |tx: &mut Tx<'_>| cuts::listed(tx, tenant, order, from, limit).await;
            store.read(read).await
        }
    };
    let least = query.late_ms.map_or(0, |Whole(least)| i64::from(least));
    let keep = |cut: &StoredCut| {
        query.grant.is_none_or(|grant| grant == cut.grant)
            && query.router.is_none_or(|router| router == cut.router)
            && cut.lateness.as_millis() >= least
    };
    let keeps_all = query.grant.is_none() && query.router.is_none() && least == 0;
    let (rows, next) = walk(&place, keeps_all, read, |cut| cut.id, keep).await?;
    Ok(Reply::ok(place.page(rows.into_iter().map(Cut::from).collect(), next)))
}
