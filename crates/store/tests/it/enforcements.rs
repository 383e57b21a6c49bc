//! What is wanted, what routers confirmed, and the work between the two.

use lango_domain::ids::{GrantId, Id, RouterId};
use lango_domain::quantity::DataSize;
use lango_domain::time::{Span, Timestamp};
use lango_domain::wanted::{Profile, Wanted};
use lango_store::enforcements::{self, Confirmation, Failure, Seen, Wish, Work};
use lango_store::{Result, Sql, Store, Tx, args, routers, sql};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

use crate::seed::{self, NOW};

crate::on_both!(with lango_store::schema::MIGRATIONS;
    the_same_wish_makes_no_work_and_another_one_does,
    of_two_wishes_at_once_the_last_counts,
    what_is_confirmed_is_no_work,
    a_stale_attempt_changes_nothing,
    a_confirmation_of_an_older_wish_leaves_the_newer_one_as_work,
    a_report_that_comes_twice_is_one_proof,
    a_failure_waits_and_a_router_that_is_back_is_tried_at_once,
    what_a_router_lost_is_repaired,
    a_late_report_does_not_settle_a_repair,
    whoever_is_to_be_off_and_is_not_is_listed,
    what_a_router_should_hold_is_read_in_pages,
    what_was_seen_is_kept_for_each_router,
    what_is_long_over_is_forgotten,
    a_removed_router_has_no_work,
    any_order_of_reports_keeps_the_queue_true,
);

const ON: Wanted = Wanted::Allowed(Profile {
    speed: None,
    devices: 1,
    deadline: None,
    data: None,
    metered: false,
});
const TWO: Wanted = Wanted::Allowed(Profile {
    speed: None,
    devices: 2,
    deadline: None,
    data: None,
    metered: false,
});

fn router() -> RouterId {
    RouterId::from_raw(1)
}

/// The nth grant of the first tenant.
fn grant(number: i64) -> GrantId {
    GrantId::from_raw(1 + number * seed::TENANTS)
}

async fn with_grants(store: &Store, count: i64) {
    store
        .write(async move |tx: &mut Tx<'_>| {
            seed::add_shops(tx).await?;
            let grants: Vec<_> =
                (0..count).map(|n| seed::grant(grant(n).raw())).map(free).collect();
            lango_store::grants::insert(tx, &grants, NOW).await
        })
        .await
        .unwrap();
}

fn free(mut new: lango_store::grants::NewGrant) -> lango_store::grants::NewGrant {
    new.stored.grant.customer = None;
    new
}

fn wish(number: i64, wanted: Wanted) -> Wish {
    let tenant = seed::tenant_of(1);
    Wish { router: router(), grant: grant(number), tenant, wanted, due_at: NOW }
}

async fn want(store: &Store, wishes: Vec<Wish>) {
    store
        .write(async move |tx: &mut Tx<'_>| enforcements::want(tx, &wishes, NOW).await)
        .await
        .unwrap();
}

async fn claim(store: &Store, now: Timestamp) -> Vec<Work> {
    let lease = now + Span::seconds(30);
    let claim = async move |tx: &mut Tx<'_>| enforcements::claim(tx, router(), now, lease, 9).await;
    store.write(claim).await.unwrap()
}

fn confirmation(work: &Work) -> Confirmation {
    Confirmation {
        grant: work.grant,
        attempt: work.attempt,
        revision: work.revision,
        access: work.wanted.word(),
        by: "lango",
    }
}

async fn confirm(store: &Store, work: &Work) -> Vec<GrantId> {
    let all = [confirmation(work)];
    let confirm =
        async move |tx: &mut Tx<'_>| enforcements::confirm_each(tx, router(), &all, NOW).await;
    store.write(confirm).await.unwrap()
}

async fn fail(store: &Store, work: &Work, retry_at: Timestamp) {
    let error = "no answer".to_owned();
    let all = [Failure { grant: work.grant, attempt: work.attempt, retry_at, error }];
    let fail = async move |tx: &mut Tx<'_>| enforcements::fail(tx, router(), &all).await;
    store.write(fail).await.unwrap();
}

async fn repair(store: &Store, number: i64) -> u64 {
    let all = [(grant(number), "the account is gone".to_owned())];
    let repair = async move |tx: &mut Tx<'_>| enforcements::repair(tx, router(), &all, NOW).await;
    store.write(repair).await.unwrap()
}

async fn next(store: &Store) -> Option<Timestamp> {
    let next = async |tx: &mut Tx<'_>| enforcements::next_attempt(tx, router()).await;
    store.read(next).await.unwrap()
}

async fn the_same_wish_makes_no_work_and_another_one_does(store: &Store) {
    with_grants(store, 1).await;
    want(store, vec![wish(0, ON)]).await;
    let work = claim(store, NOW).await;
    assert_eq!((work[0].revision, work[0].attempt, work[0].wanted), (1, 1, ON));
    confirm(store, &work[0]).await;
    want(store, vec![wish(0, ON)]).await;
    assert_eq!(next(store).await, None);
    want(store, vec![wish(0, TWO)]).await;
    let work = claim(store, NOW).await;
    assert_eq!((work[0].revision, work[0].attempt, work[0].wanted), (2, 2, TWO));
}

async fn of_two_wishes_at_once_the_last_counts(store: &Store) {
    with_grants(store, 2).await;
    want(store, vec![wish(0, ON), wish(1, ON), wish(0, Wanted::Cut)]).await;
    let work = claim(store, NOW).await;
    let found: Vec<_> = work.iter().map(|work| (work.grant, work.wanted, work.revision)).collect();
    assert_eq!(found.len(), 2);
    assert!(found.contains(&(grant(0), Wanted::Cut, 1)), "{found:?}");
}

async fn what_is_confirmed_is_no_work(store: &Store) {
    with_grants(store, 2).await;
    want(store, vec![wish(0, ON), wish(1, Wanted::Cut)]).await;
    let work = claim(store, NOW).await;
    assert_eq!(claim(store, NOW).await.len(), 0, "all of it is claimed");
    for work in &work {
        assert_eq!(confirm(store, work).await, [work.grant]);
    }
    assert_eq!(next(store).await, None);
    let open = async |tx: &mut Tx<'_>| enforcements::open_of_grant(tx, grant(0)).await;
    assert_eq!(store.read(open).await.unwrap(), []);
}

async fn a_stale_attempt_changes_nothing(store: &Store) {
    with_grants(store, 1).await;
    want(store, vec![wish(0, Wanted::Cut)]).await;
    let late = claim(store, NOW).await.remove(0);
    let held = claim(store, NOW + Span::minutes(1)).await.remove(0);
    let lease = next(store).await;
    assert_eq!(confirm(store, &late).await, []);
    fail(store, &late, NOW).await;
    assert_eq!(next(store).await, lease, "the holder's lease runs on");
    assert_eq!(confirm(store, &held).await, [grant(0)]);
    assert_eq!(next(store).await, None);
}

async fn a_confirmation_of_an_older_wish_leaves_the_newer_one_as_work(store: &Store) {
    with_grants(store, 1).await;
    want(store, vec![wish(0, ON)]).await;
    let work = claim(store, NOW).await.remove(0);
    want(store, vec![wish(0, Wanted::Cut)]).await;
    assert_eq!(confirm(store, &work).await, [grant(0)]);
    let open = async |tx: &mut Tx<'_>| enforcements::open_of_grant(tx, grant(0)).await;
    let line = store.read(open).await.unwrap().remove(0);
    assert_eq!((line.wanted.as_str(), line.confirmed.as_deref()), ("cut", Some("allowed")));
    let work = claim(store, NOW).await.remove(0);
    assert_eq!((work.wanted, work.revision), (Wanted::Cut, 2));
}

async fn a_report_that_comes_twice_is_one_proof(store: &Store) {
    with_grants(store, 1).await;
    want(store, vec![wish(0, Wanted::Cut)]).await;
    let work = claim(store, NOW).await.remove(0);
    assert_eq!(confirm(store, &work).await, [grant(0)]);
    assert_eq!(confirm(store, &work).await, []);
    fail(store, &work, NOW).await;
    assert_eq!(next(store).await, None, "what is confirmed does not fail");
}

async fn a_failure_waits_and_a_router_that_is_back_is_tried_at_once(store: &Store) {
    with_grants(store, 1).await;
    want(store, vec![wish(0, Wanted::Cut)]).await;
    let work = claim(store, NOW).await.remove(0);
    fail(store, &work, NOW + Span::seconds(10)).await;
    assert_eq!(claim(store, NOW + Span::seconds(9)).await.len(), 0);
    assert_eq!(next(store).await, Some(NOW + Span::seconds(10)));
    store
        .write(async |tx: &mut Tx<'_>| enforcements::try_at_once(tx, router(), NOW).await)
        .await
        .unwrap();
    let work = claim(store, NOW).await.remove(0);
    assert_eq!((work.failures, work.attempt, work.due_at), (1, 2, NOW));
    let line = async |tx: &mut Tx<'_>| enforcements::open_of_grant(tx, grant(0)).await;
    let line = store.read(line).await.unwrap().remove(0);
    assert_eq!(line.last_error.as_deref(), Some("no answer"));
}

async fn what_a_router_lost_is_repaired(store: &Store) {
    with_grants(store, 2).await;
    want(store, vec![wish(0, ON)]).await;
    assert_eq!(repair(store, 0).await, 0, "there is work for it already");
    let work = claim(store, NOW).await.remove(0);
    confirm(store, &work).await;
    assert_eq!(repair(store, 0).await, 1);
    assert_eq!(repair(store, 1).await, 0, "nothing was ever wanted of it");
    let work = claim(store, NOW).await.remove(0);
    assert_eq!((work.wanted, work.revision), (ON, 1));
    assert_eq!(confirm(store, &work).await, [grant(0)]);
    assert_eq!(next(store).await, None);
}

async fn a_late_report_does_not_settle_a_repair(store: &Store) {
    with_grants(store, 1).await;
    want(store, vec![wish(0, ON)]).await;
    let before = claim(store, NOW).await.remove(0);
    confirm(store, &before).await;
    repair(store, 0).await;
    assert_eq!(confirm(store, &before).await, []);
    assert_eq!(next(store).await, Some(NOW));
}

async fn whoever_is_to_be_off_and_is_not_is_listed(store: &Store) {
    with_grants(store, 4).await;
    let overdue = |number, minutes| Wish {
        due_at: NOW - Span::minutes(minutes),
        ..wish(number, Wanted::Cut)
    };
    want(store, vec![overdue(0, 1), overdue(1, 9), wish(2, Wanted::Walled), wish(3, ON)]).await;
    let (uncut, pending) = store
        .read(async |tx: &mut Tx<'_>| {
            let uncut = enforcements::uncut(tx, seed::tenant_of(1), 9).await?;
            Ok((uncut, enforcements::count_pending(tx, router()).await?))
        })
        .await
        .unwrap();
    let listed: Vec<_> = uncut.iter().map(|line| line.grant).collect();
    assert_eq!(listed, [grant(1), grant(0), grant(2)]);
    assert_eq!((uncut[0].router_name.as_str(), pending), ("router 1", 4));
}

async fn what_a_router_should_hold_is_read_in_pages(store: &Store) {
    with_grants(store, 3).await;
    want(store, vec![wish(0, ON), wish(1, TWO), wish(2, Wanted::Cut)]).await;
    let work = claim(store, NOW).await;
    let second = work.iter().find(|work| work.grant == grant(1)).unwrap();
    confirm(store, second).await;
    let (first, rest) = store
        .read(async |tx: &mut Tx<'_>| {
            let first = enforcements::expected(tx, router(), Id::from_raw(0), 2).await?;
            Ok((first, enforcements::expected(tx, router(), grant(1), 2).await?))
        })
        .await
        .unwrap();
    let first: Vec<_> = first.iter().map(|e| (e.grant, e.wanted, e.pending)).collect();
    assert_eq!(first, [(grant(0), ON, true), (grant(1), TWO, false)]);
    assert_eq!(rest.iter().map(|e| e.grant).collect::<Vec<_>>(), [grant(2)]);
}

async fn what_was_seen_is_kept_for_each_router(store: &Store) {
    with_grants(store, 1).await;
    let other = RouterId::from_raw(21);
    want(store, vec![wish(0, ON), Wish { router: other, ..wish(0, ON) }]).await;
    let seen = |router| Seen {
        router,
        devices: router.raw(),
        uptime: Span::minutes(5),
        data: DataSize::megabytes(3),
    };
    let read = [(grant(0), seen(router())), (grant(0), seen(other))];
    let found = store
        .write(async move |tx: &mut Tx<'_>| {
            enforcements::note_seen(tx, &read).await?;
            assert_eq!(enforcements::routers_of(tx, grant(0)).await?, [router(), other]);
            enforcements::seen(tx, grant(0)).await
        })
        .await
        .unwrap();
    assert_eq!(found, [seen(router()), seen(other)]);
}

async fn what_is_long_over_is_forgotten(store: &Store) {
    // Of these the sixth is over: the seed's half that has ended.
    with_grants(store, 1).await;
    let over = GrantId::from_raw(6);
    let new = free(seed::grant(6));
    assert!(new.stored.grant.state.is_ended());
    let wishes = [Wish { grant: over, tenant: seed::tenant_of(6), ..wish(0, Wanted::Cut) }];
    store
        .write(async move |tx: &mut Tx<'_>| {
            lango_store::grants::insert(tx, std::slice::from_ref(&new), NOW).await?;
            enforcements::want(tx, &wishes, NOW).await
        })
        .await
        .unwrap();
    want(store, vec![wish(0, Wanted::Cut)]).await;
    assert_eq!(long_over(store, NOW + Span::days(9)).await, [], "it is not confirmed");
    for work in claim(store, NOW).await {
        confirm(store, &work).await;
    }
    assert_eq!(long_over(store, NOW).await, [], "it is confirmed only now");
    assert_eq!(long_over(store, NOW + Span::days(9)).await, [over], "the other grant is not over");
    store
        .write(async move |tx: &mut Tx<'_>| enforcements::forget(tx, router(), over).await)
        .await
        .unwrap();
    assert_eq!(long_over(store, NOW + Span::days(9)).await, []);
}

async fn long_over(store: &Store, before: Timestamp) -> Vec<GrantId> {
    let over = async |tx: &mut Tx<'_>| enforcements::long_over(tx, router(), before, 9).await;
    store.read(over).await.unwrap().iter().map(|expected| expected.grant).collect()
}

async fn a_removed_router_has_no_work(store: &Store) {
    with_grants(store, 1).await;
    want(store, vec![wish(0, Wanted::Cut)]).await;
    store.write(async |tx: &mut Tx<'_>| routers::remove(tx, router(), NOW).await).await.unwrap();
    assert_eq!(next(store).await, None);
}

// ---- any order -----------------------------------------------------------------------

#[derive(Clone, Copy, Debug)]
enum Step {
    Want(Wanted),
    Claim,
    /// Reports of any claim there ever was, so most of them are late.
    Confirm(prop::sample::Index),
    Fail(prop::sample::Index),
    Repair,
    TryAtOnce,
}

fn step() -> impl Strategy<Value = Step> {
    use Step::{Claim, Confirm, Fail, Repair, TryAtOnce, Want};
    prop_oneof![
        prop::sample::select(vec![ON, TWO, Wanted::Walled, Wanted::Cut]).prop_map(Want),
        Just(Claim),
        any::<prop::sample::Index>().prop_map(Confirm),
        any::<prop::sample::Index>().prop_map(Fail),
        Just(Repair),
        Just(TryAtOnce),
    ]
}

async fn any_order_of_reports_keeps_the_queue_true(store: &Store) {
    const CASES: i64 = 60;
    with_grants(store, CASES).await;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let orders = prop::collection::vec(step(), 1..24);
    for case in 0..CASES {
        let steps = orders.new_tree(&mut runner).unwrap().current();
        play(store, case, &steps).await;
    }
}

async fn play(store: &Store, number: i64, steps: &[Step]) {
    let mut claims: Vec<Work> = Vec::new();
    // Later than any lease and any pause before it, so that whatever is work can be claimed.
    let mut now = NOW;
    for (done, step) in steps.iter().enumerate() {
        now = now + Span::minutes(5);
        let story = || format!("grant {number} after {:?}", &steps[..=done]);
        let before = row(store, number).await;
        match step {
            Step::Want(wanted) => want(store, vec![wish(number, *wanted)]).await,
            Step::Claim => claims.extend(of_grant(claim(store, now).await, number)),
            Step::Confirm(which) if !claims.is_empty() => {
                let work = which.get(&claims);
                let fresh = !confirm(store, work).await.is_empty();
                let before = before.unwrap();
                assert!(!fresh || work.attempt == before.attempt, "{}", story());
                let after = row(store, number).await.unwrap();
                if work.revision < after.revision {
                    assert_eq!(after.next_attempt_at.is_some(), before.next_attempt_at.is_some());
                }
            }
            Step::Fail(which) if !claims.is_empty() => {
                fail(store, which.get(&claims), now + Span::minutes(1)).await;
            }
            Step::Repair => drop(repair(store, number).await),
            Step::TryAtOnce => {
                let at_once =
                    async move |tx: &mut Tx<'_>| enforcements::try_at_once(tx, router(), now).await;
                store.write(at_once).await.unwrap();
            }
            Step::Confirm(_) | Step::Fail(_) => {}
        }
        if let Some(row) = row(store, number).await {
            let confirmed = row.confirmed_revision == Some(row.revision);
            assert_eq!(row.next_attempt_at.is_none(), confirmed, "{} {row:?}", story());
            if confirmed {
                assert_eq!(
                    row.confirmed_access.as_deref(),
                    Some(row.access.as_str()),
                    "{}",
                    story()
                );
            }
        }
    }
    settle(store, now + Span::minutes(5)).await;
}

/// Whatever happened, one good visit ends it.
async fn settle(store: &Store, now: Timestamp) {
    for work in claim(store, now).await {
        assert_eq!(confirm(store, &work).await, [work.grant]);
    }
    assert_eq!(next(store).await, None);
}

fn of_grant(work: Vec<Work>, number: i64) -> impl Iterator<Item = Work> {
    work.into_iter().filter(move |work| work.grant == grant(number))
}

#[derive(Debug)]
struct Stored {
    access: String,
    revision: i64,
    confirmed_revision: Option<i64>,
    confirmed_access: Option<String>,
    next_attempt_at: Option<i64>,
    attempt: i64,
}

impl lango_store::FromRow for Stored {
    fn from_row(row: &lango_store::Row<'_>) -> Result<Self> {
        Ok(Stored {
            access: row.get(0)?,
            revision: row.get(1)?,
            confirmed_revision: row.get(2)?,
            confirmed_access: row.get(3)?,
            next_attempt_at: row.get(4)?,
            attempt: row.get(5)?,
        })
    }
}

async fn row(store: &Store, number: i64) -> Option<Stored> {
    const ROW: Sql = sql!(
        "SELECT access, revision, confirmed_revision, confirmed_access, next_attempt_at, attempt \
         FROM enforcements WHERE router_id = $1 AND grant_id = $2"
    );
    store.optional(ROW, &args![router(), grant(number)]).await.unwrap()
}
