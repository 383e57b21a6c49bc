//! What is written of tenants, grants, money and devices, and how it comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use lango_domain::grant::{State, Window};
use lango_domain::ids::{CustomerId, GrantId, Id, RouterId, TenantId};
use lango_domain::mac_address::MacAddress;
use lango_domain::plan::EndedBy;
use lango_domain::quantity::DataSize;
use lango_domain::time::{Span, Timestamp};
use lango_store::grants::{NewGrant, StoredGrant};
use lango_store::{
    Error, Result, Store, Tx, activity, customers, cuts, facts, grants, plans, receipts, routers,
    sessions, tenants,
};

use crate::seed::{self, NOW};

crate::on_both!(with lango_store::schema::MIGRATIONS;
    a_grant_comes_back_as_it_was_stored,
    what_is_due_comes_longest_overdue_first,
    a_grant_that_ends_is_no_longer_due,
    a_change_of_an_old_version_is_not_stored,
    changes_at_once_lose_nothing,
    pages_of_grants_show_each_once,
    grants_that_end_soon_are_listed_soonest_first,
    one_receipt_is_kept_once,
    two_customers_cannot_have_one_number,
    pages_of_customers_go_by_name,
    accounts_are_read_latest_first,
    equal_terms_are_kept_once,
    a_removed_router_frees_its_name,
    a_session_ends_once,
    devices_retire_when_long_unseen,
    facts_are_replaced,
);

/// The first tenant; its grants have the numbers 1, 21, 41, …
fn tenant() -> TenantId {
    seed::tenant_of(1)
}

/// A running grant of the first tenant.
fn running(number: i64, ends_at: Timestamp) -> NewGrant {
    let mut new = seed::grant(1 + number * seed::TENANTS);
    let window = Window { started: NOW, ends_at: Some(ends_at), ended_by: EndedBy::Wall };
    new.stored.grant.state = State::Active(window);
    new.stored.grant.customer = None;
    new
}

async fn with_shops(store: &Store) {
    store.write(async |tx: &mut Tx<'_>| seed::add_shops(tx).await).await.unwrap();
}

async fn add(store: &Store, new: Vec<NewGrant>) {
    with_shops(store).await;
    store.write(async move |tx: &mut Tx<'_>| grants::insert(tx, &new, NOW).await).await.unwrap();
}

async fn grant(store: &Store, id: GrantId) -> StoredGrant {
    store.read(async |tx: &mut Tx<'_>| grants::one(tx, id).await).await.unwrap()
}

async fn due(store: &Store, now: Timestamp) -> Vec<GrantId> {
    let due = store.write(async move |tx: &mut Tx<'_>| grants::due(tx, now, 2).await).await;
    due.unwrap().iter().map(|stored| stored.grant.id).collect()
}

async fn save(store: &Store, stored: &StoredGrant) -> Result<()> {
    let stored = vec![stored.clone()];
    store.write(async move |tx: &mut Tx<'_>| grants::save(tx, &stored).await).await
}

async fn a_grant_comes_back_as_it_was_stored(store: &Store) {
    let new = running(1, NOW + Span::hours(1));
    add(store, vec![new.clone()]).await;
    let id = new.stored.grant.id;
    let (hash, label) = (new.login_hash.clone(), new.stored.label.clone());
    store
        .read(async |tx: &mut Tx<'_>| {
            assert_eq!(grants::one(tx, id).await?, new.stored);
            assert_eq!(grants::access(tx, id).await?, new.access);
            assert_eq!(grants::by_login(tx, tenant(), &hash).await?.as_ref(), Some(&new.stored));
            assert_eq!(grants::by_label(tx, tenant(), &label).await?, [new.stored.clone()]);
            let elsewhere = TenantId::from_raw(2);
            assert_eq!(grants::by_login(tx, elsewhere, &hash).await?, None);
            assert_eq!(grants::by_label(tx, elsewhere, &label).await?, []);
            assert_eq!(grants::find(tx, GrantId::from_raw(99)).await?, None);
            Ok(())
        })
        .await
        .unwrap();
    let twin = NewGrant { stored: running(2, NOW).stored, ..new };
    let twice = store.write(async move |tx: &mut Tx<'_>| {
        grants::insert(tx, std::slice::from_ref(&twin), NOW).await
    });
    let conflict = twice.await.unwrap_err();
    assert!(conflict.unique().unwrap().is("grants", &["login_hash", "tenant_id"]), "{conflict}");
}

async fn what_is_due_comes_longest_overdue_first(store: &Store) {
    let ends = [NOW - Span::seconds(1), NOW - Span::seconds(9), NOW, NOW + Span::seconds(1)];
    let new: Vec<_> = (0..).zip(ends).map(|(number, ends)| running(number, ends)).collect();
    let id = |at: usize| new[at].stored.grant.id;
    let (first, second) = (id(1), id(0));
    add(store, new).await;
    assert_eq!(due(store, NOW).await, [first, second], "two at a time");
    assert_eq!(due(store, NOW - Span::seconds(5)).await, [first]);
    assert_eq!(due(store, NOW - Span::seconds(10)).await, []);
    let next = store.read(async |tx: &mut Tx<'_>| grants::next_deadline(tx).await).await;
    assert_eq!(next.unwrap(), Some(NOW - Span::seconds(9)));
}

async fn a_grant_that_ends_is_no_longer_due(store: &Store) {
    let new = running(1, NOW);
    add(store, vec![new.clone()]).await;
    let mut stored = new.stored;
    stored.grant.state = State::Ended {
        ends_at: Some(NOW),
        at: NOW,
        reason: lango_domain::grant::EndReason::TimeUp,
    };
    save(store, &stored).await.unwrap();
    assert_eq!(due(store, NOW + Span::days(1)).await, []);
    let next = store.read(async |tx: &mut Tx<'_>| grants::next_deadline(tx).await).await;
    assert_eq!(next.unwrap(), None);
    stored.version += 1;
    assert_eq!(grant(store, stored.grant.id).await, stored);
}

async fn a_change_of_an_old_version_is_not_stored(store: &Store) {
    let new = running(1, NOW);
    add(store, vec![new.clone(), running(2, NOW)]).await;
    let id = new.stored.grant.id;
    let mut mine = grant(store, id).await;
    let theirs = mine.clone();
    mine.grant.meter.data = DataSize::megabytes(1);
    save(store, &mine).await.unwrap();
    let other = running(2, NOW).stored;
    let stale = vec![other.clone(), theirs];
    let refused = store.write(async move |tx: &mut Tx<'_>| grants::save(tx, &stale).await).await;
    assert!(matches!(refused, Err(Error::Retry { .. })), "{refused:?}");
    assert_eq!(grant(store, id).await.grant.meter.data, DataSize::megabytes(1));
    assert_eq!(grant(store, other.grant.id).await.version, 1, "its neighbour was undone too");
}

async fn use_a_megabyte(store: &Store, id: GrantId) -> Result<()> {
    store
        .write(async move |tx: &mut Tx<'_>| {
            let mut stored = grants::one(tx, id).await?;
            stored.grant.meter.data = stored.grant.meter.data + DataSize::megabytes(1);
            grants::save(tx, &[stored]).await
        })
        .await
}

async fn changes_at_once_lose_nothing(store: &Store) {
    let new = running(1, NOW);
    let id = new.stored.grant.id;
    add(store, vec![new]).await;
    let mut users = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = store.clone();
        users.spawn(async move { use_a_megabyte(&store, id).await });
    }
    for used in users.join_all().await {
        used.unwrap();
    }
    let stored = grant(store, id).await;
    assert_eq!((stored.grant.meter.data, stored.version), (DataSize::megabytes(8), 9));
}

/// SQLite has one writer, so nobody can come between; in PostgreSQL another node can.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_was_overtaken_runs_again() {
    let store = lango_store::testing::postgres(lango_store::schema::MIGRATIONS).await;
    let new = running(1, NOW);
    let id = new.stored.grant.id;
    add(&store, vec![new]).await;
    let runs = Arc::new(AtomicU32::new(0));
    let (count, other, runtime) =
        (Arc::clone(&runs), Store::clone(&store), tokio::runtime::Handle::current());
    store
        .write(async move |tx: &mut Tx<'_>| {
            let mut stored = grants::one(tx, id).await?;
            if count.fetch_add(1, Ordering::Relaxed) == 0 {
                let (other, runtime) = (other.clone(), runtime.clone());
                // A thread of its own, because a transaction may not await this.
                let overtaking = move || runtime.block_on(use_a_megabyte(&other, id));
                std::thread::spawn(overtaking).join().unwrap()?;
            }
            stored.grant.meter.data = stored.grant.meter.data + DataSize::megabytes(10);
            grants::save(tx, &[stored]).await
        })
        .await
        .unwrap();
    assert_eq!(runs.load(Ordering::Relaxed), 2);
    assert_eq!(grant(&store, id).await.grant.meter.data, DataSize::megabytes(11));
}

async fn pages_of_grants_show_each_once(store: &Store) {
    let new: Vec<_> = (0..7).map(|number| running(number, NOW)).collect();
    let mut all: Vec<_> = new.iter().map(|new| &new.stored.grant).collect();
    all.sort_by_key(|grant| grant.id);
    let kind = lango_domain::grant::GrantKind::Voucher;
    let expected: Vec<GrantId> =
        all.iter().filter(|grant| grant.kind == kind).map(|grant| grant.id).collect();
    assert!(expected.len() > 1 && expected.len() < 7, "some are of another kind");
    add(store, new.clone()).await;
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = store
            .read(async |tx: &mut Tx<'_>| grants::page(tx, tenant(), kind, after, 2).await)
            .await
            .unwrap();
        let Some(last) = page.last() else { break };
        assert_eq!((last.plan.as_str(), last.state.as_str()), ("One day", "active"));
        after = Some(last.id);
        seen.extend(page.iter().map(|line| line.id));
    }
    assert_eq!(seen, expected);
    let all_routers = store.read(async |tx: &mut Tx<'_>| {
        grants::for_all_routers(tx, tenant(), expected[0], 100).await
    });
    let all_routers: Vec<_> = all_routers.await.unwrap().iter().map(|g| g.grant.id).collect();
    let after_first: Vec<_> = all.iter().map(|g| g.id).filter(|id| *id > expected[0]).collect();
    assert_eq!(all_routers, after_first);
}

async fn grants_that_end_soon_are_listed_soonest_first(store: &Store) {
    let minutes = [50, 10, 30, 70].map(|minutes| NOW + Span::minutes(minutes));
    add(store, (0..).zip(minutes).map(|(number, ends)| running(number, ends)).collect()).await;
    let ends = store
        .read(async |tx: &mut Tx<'_>| {
            assert_eq!(grants::count_running(tx, tenant(), NOW + Span::minutes(30)).await?, 2);
            grants::ending(tx, tenant(), NOW + Span::minutes(10), NOW + Span::hours(1), 9).await
        })
        .await
        .unwrap();
    let ends: Vec<_> = ends.into_iter().map(|line| line.ends_at.unwrap()).collect();
    assert_eq!(ends, [NOW + Span::minutes(30), NOW + Span::minutes(50)]);
}

async fn one_receipt_is_kept_once(store: &Store) {
    let new = running(1, NOW);
    let id = new.stored.grant.id.raw();
    add(store, vec![new, running(2, NOW)]).await;
    let first = seed::receipt(id);
    let again =
        receipts::Receipt { id: 7, grant: running(2, NOW).stored.grant.id, ..first.clone() };
    let later = receipts::Receipt { id: id + 1, receipt: "RCP-2".to_owned(), ..first.clone() };
    let (one, two, three) = (first.clone(), again.clone(), later.clone());
    let kept = store
        .write(async move |tx: &mut Tx<'_>| {
            Ok([
                receipts::keep(tx, &one).await?,
                receipts::keep(tx, &two).await?,
                receipts::keep(tx, &three).await?,
            ])
        })
        .await
        .unwrap();
    assert_eq!(kept, [true, false, true], "the second names the first one's receipt");
    store
        .read(async |tx: &mut Tx<'_>| {
            let found = receipts::find(tx, tenant(), "mpesa", &first.receipt).await?;
            assert_eq!(found.as_ref(), Some(&first));
            assert_eq!(receipts::find(tx, tenant(), "cash", &first.receipt).await?, None);
            assert_eq!(receipts::page(tx, tenant(), None, 1).await?, [later.clone()]);
            assert_eq!(receipts::page(tx, tenant(), Some(later.id), 9).await?, [first.clone()]);
            assert_eq!(receipts::of_grant(tx, first.grant).await?, [first.clone(), later.clone()]);
            assert_eq!(receipts::of_grant(tx, again.grant).await?, []);
            Ok(())
        })
        .await
        .unwrap();
}

fn customer(number: i64, name: &str) -> customers::Customer {
    let id = CustomerId::from_raw(number * seed::TENANTS + 1);
    customers::Customer { name: name.to_owned(), ..seed::customer(id) }
}

async fn two_customers_cannot_have_one_number(store: &Store) {
    with_shops(store).await;
    let (anna, ben) = (customer(1, "Anna"), customer(2, "Ben"));
    let one = anna.clone();
    store.write(async move |tx: &mut Tx<'_>| customers::insert(tx, &one).await).await.unwrap();
    let same = customers::Customer { phone: anna.phone.clone(), ..ben.clone() };
    let conflict = store.write(async move |tx: &mut Tx<'_>| customers::insert(tx, &same).await);
    let conflict = conflict.await.unwrap_err();
    assert!(conflict.unique().unwrap().is("customers", &["tenant_id", "phone"]), "{conflict}");
    // Without a number there may be many.
    for id in [3, 4] {
        let silent = customers::Customer { phone: None, ..customer(id, "Carl") };
        let kept = store.write(async move |tx: &mut Tx<'_>| customers::insert(tx, &silent).await);
        kept.await.unwrap();
    }
    let phone = anna.phone.clone().unwrap();
    let found = store
        .read(async |tx: &mut Tx<'_>| customers::by_phone(tx, tenant(), &phone).await)
        .await
        .unwrap();
    assert_eq!(found, Some(anna));
}

async fn pages_of_customers_go_by_name(store: &Store) {
    with_shops(store).await;
    let names = ["zuri", "Anna", "anna", "Ömer", "Ben"];
    let all: Vec<_> = (1..).zip(names).map(|(number, name)| customer(number, name)).collect();
    let mut expected = all.clone();
    expected.sort_by_key(|customer| (customer.name.to_lowercase(), customer.id));
    store
        .write(async move |tx: &mut Tx<'_>| {
            for customer in &all {
                customers::insert(tx, customer).await?;
            }
            Ok(())
        })
        .await
        .unwrap();
    let mut seen: Vec<customers::Customer> = Vec::new();
    loop {
        let page = store
            .read(async |tx: &mut Tx<'_>| customers::page(tx, tenant(), seen.last(), 2).await)
            .await
            .unwrap();
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    assert_eq!(seen, expected);
}

async fn accounts_are_read_latest_first(store: &Store) {
    let new = running(1, NOW);
    let grant = new.stored.grant.id;
    add(store, vec![new]).await;
    let line = |id: i64, grant| activity::Activity {
        id: Id::from_raw(id),
        tenant: tenant(),
        at: NOW,
        actor: "engine".to_owned(),
        grant,
        router: Some(RouterId::from_raw(1)),
        what: "made".to_owned(),
        detail: "of paper".to_owned(),
    };
    let cut = |id| cuts::Cut {
        id,
        tenant: tenant(),
        router: RouterId::from_raw(1),
        grant,
        due_at: NOW,
        confirmed_at: NOW + Span::millis(80),
        lateness: Span::millis(80),
        attempts: 2,
        confirmed_by: "router".to_owned(),
        sessions_ended: 3,
    };
    let lines = [line(1, Some(grant)), line(2, None), line(3, Some(grant))];
    let proofs = [cut(1), cut(2), cut(3)];
    let (l, p) = (lines.clone(), proofs.clone());
    store
        .write(async move |tx: &mut Tx<'_>| {
            activity::append(tx, &l).await?;
            cuts::insert(tx, &p).await
        })
        .await
        .unwrap();
    let [first, second, third] = lines;
    let [cut_1, cut_2, cut_3] = proofs;
    store
        .read(async |tx: &mut Tx<'_>| {
            let latest = activity::page(tx, tenant(), None, 2).await?;
            assert_eq!(latest, [third.clone(), second.clone()]);
            let rest = activity::page(tx, tenant(), Some(second.id), 2).await?;
            assert_eq!(rest, [first.clone()]);
            assert_eq!(activity::of_grant(tx, grant).await?, [first.clone(), third.clone()]);
            assert_eq!(activity::page(tx, TenantId::from_raw(2), None, 2).await?, []);
            assert_eq!(cuts::page(tx, tenant(), None, 2).await?, [cut_3.clone(), cut_2.clone()]);
            assert_eq!(cuts::page(tx, tenant(), Some(2), 2).await?, [cut_1.clone()]);
            assert_eq!(
                cuts::of_grant(tx, grant).await?,
                [cut_1.clone(), cut_2.clone(), cut_3.clone()]
            );
            Ok(())
        })
        .await
        .unwrap();
}

async fn equal_terms_are_kept_once(store: &Store) {
    with_shops(store).await;
    let one_day = seed::plan(tenant());
    let (copy, longer) = (one_day.terms.clone(), {
        let mut terms = one_day.terms.clone();
        terms.clock.wall = Some(Span::days(2));
        terms
    });
    let ids = store
        .write(async move |tx: &mut Tx<'_>| {
            let known = plans::keep_terms(tx, tenant(), &copy, 777).await?;
            let new = plans::keep_terms(tx, tenant(), &longer, 778).await?;
            Ok((known, new, plans::keep_terms(tx, tenant(), &longer, 779).await?))
        })
        .await
        .unwrap();
    assert_eq!(ids, (1, 778, 778));
    let stored = store
        .read(async |tx: &mut Tx<'_>| {
            let stored = plans::one(tx, one_day.id).await?;
            assert_eq!(plans::by_name(tx, tenant(), "One day").await?.as_ref(), Some(&stored));
            assert_eq!(plans::of_tenant(tx, tenant()).await?, [stored.clone()]);
            Ok(stored)
        })
        .await
        .unwrap();
    assert_eq!((stored.plan, stored.terms_id), (one_day, 1));
}

async fn a_removed_router_frees_its_name(store: &Store) {
    with_shops(store).await;
    let old = seed::router(1);
    let new = routers::Router { id: RouterId::from_raw(777), ..old.clone() };
    let again = new.clone();
    store
        .write(async move |tx: &mut Tx<'_>| {
            routers::note_failure(tx, new.id, "no such router is no fault", NOW).await?;
            routers::remove(tx, old.id, NOW).await?;
            routers::insert(tx, &new).await
        })
        .await
        .unwrap();
    let ids = store
        .read(async |tx: &mut Tx<'_>| {
            assert_eq!(tenants::all(tx).await?.len(), 20);
            assert_eq!(tenants::one(tx, tenant()).await?, seed::tenant(tenant()));
            let of_tenant = routers::of_tenant(tx, tenant()).await?;
            assert!(of_tenant.contains(&again), "{of_tenant:?}");
            routers::ids_of_tenant(tx, tenant()).await
        })
        .await
        .unwrap();
    assert_eq!(ids, [21, 41, 777].map(RouterId::from_raw));
}

async fn a_session_ends_once(store: &Store) {
    let new = running(1, NOW);
    let (grant, router) = (new.stored.grant.id, RouterId::from_raw(1));
    add(store, vec![new]).await;
    let session = |id| sessions::Session {
        id: Id::from_raw(id),
        tenant: tenant(),
        router,
        grant,
        mac: None,
        address: None,
        started_at: NOW,
        ended_at: None,
        uptime: Span::ZERO,
        data: DataSize::ZERO,
    };
    let (first, second) = (session(1), session(2));
    let ended = sessions::Session {
        ended_at: Some(NOW + Span::minutes(1)),
        uptime: Span::minutes(1),
        data: DataSize::megabytes(5),
        ..first.clone()
    };
    let e = ended.clone();
    let (one, two) = (first.clone(), second.clone());
    store
        .write(async move |tx: &mut Tx<'_>| {
            sessions::open(tx, &one).await?;
            sessions::open(tx, &two).await?;
            sessions::close(tx, e.id, NOW + Span::minutes(1), e.uptime, e.data).await?;
            sessions::close(tx, e.id, NOW + Span::minutes(9), Span::ZERO, DataSize::ZERO).await
        })
        .await
        .unwrap();
    store
        .read(async |tx: &mut Tx<'_>| {
            assert_eq!(sessions::open_on(tx, router).await?, [second.clone()]);
            assert_eq!(sessions::open_of_grant(tx, router, grant).await?, [second.clone()]);
            assert_eq!(sessions::open_on(tx, RouterId::from_raw(2)).await?, []);
            assert_eq!(sessions::of_grant(tx, grant, 9).await?, [second.clone(), ended.clone()]);
            Ok(())
        })
        .await
        .unwrap();
}

async fn devices_retire_when_long_unseen(store: &Store) {
    let new = [running(1, NOW), running(2, NOW)];
    let [first, second] = [new[0].stored.grant.id, new[1].stored.grant.id];
    add(store, new.to_vec()).await;
    let [phone, laptop] = [1, 2].map(|last| MacAddress::new([2, 0, 0, 0, 0, last]));
    let retired = store
        .write(async move |tx: &mut Tx<'_>| {
            sessions::see_device(tx, tenant(), phone, first, NOW - Span::days(9)).await?;
            sessions::see_device(tx, tenant(), laptop, first, NOW - Span::days(9)).await?;
            // It came back with another voucher.
            sessions::see_device(tx, tenant(), laptop, second, NOW).await?;
            let long_ago = NOW - Span::days(5);
            let first = sessions::retire_devices(tx, tenant(), long_ago, NOW).await?;
            Ok((first, sessions::retire_devices(tx, tenant(), long_ago, NOW).await?))
        })
        .await
        .unwrap();
    assert_eq!(retired, (1, 0));
    store
        .read(async |tx: &mut Tx<'_>| {
            assert_eq!(sessions::devices_of(tx, first).await?, []);
            assert_eq!(sessions::devices_of(tx, second).await?, [laptop]);
            assert_eq!(sessions::grant_of_device(tx, tenant(), laptop).await?, Some(second));
            Ok(())
        })
        .await
        .unwrap();
}

async fn facts_are_replaced(store: &Store) {
    store
        .write(async |tx: &mut Tx<'_>| {
            assert_eq!(facts::read(tx, "key").await?, None);
            facts::keep(tx, "key", "one").await?;
            facts::keep(tx, "key", "two").await
        })
        .await
        .unwrap();
    let fact = store.read(async |tx: &mut Tx<'_>| facts::read(tx, "key").await).await;
    assert_eq!(fact.unwrap().as_deref(), Some("two"));
}
