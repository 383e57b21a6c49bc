//! Jobs: at least once, one for a reason, and settled only by who holds them.

use lango_domain::ids::{Id, JobId, MessageId, SenderId};
use lango_domain::time::{Span, Timestamp};
use lango_store::jobs::{self, Job, Message, NewJob};
use lango_store::messages::{self, MessageState, Report};
use lango_store::{Store, Tx};

use crate::seed::{self, NOW};

crate::on_both!(with lango_store::schema::MIGRATIONS;
    one_reason_makes_one_job_ever,
    a_claimed_job_is_not_claimed_again_before_its_lease_ends,
    who_lost_a_job_cannot_settle_it,
    a_job_that_is_put_off_comes_back_later,
    a_job_that_was_given_up_is_counted,
    a_message_of_a_job_is_kept_once,
    a_report_before_its_message_is_not_lost,
);

fn job(id: i64, reason: &str) -> NewJob {
    NewJob {
        id: JobId::from_raw(id),
        tenant: seed::tenant_of(1),
        grant: None,
        kind: "message",
        once_key: reason.to_owned(),
        payload: "{}".to_owned(),
        run_at: NOW,
    }
}

async fn push(store: &Store, job: NewJob) {
    store.write(async move |tx: &mut Tx<'_>| jobs::push(tx, &[job.clone()]).await).await.unwrap();
}

async fn claim(store: &Store, now: Timestamp) -> Vec<Job> {
    let lease = now + Span::seconds(30);
    let claim = async move |tx: &mut Tx<'_>| jobs::claim(tx, now, lease, 10).await;
    store.write(claim).await.unwrap()
}

async fn waiting(store: &Store) -> i64 {
    store.read(async |tx: &mut Tx<'_>| jobs::count_waiting(tx).await).await.unwrap()
}

async fn next_run(store: &Store) -> Option<Timestamp> {
    store.read(async |tx: &mut Tx<'_>| jobs::next_run(tx).await).await.unwrap()
}

async fn finish(store: &Store, job: &Job) {
    let job = job.clone();
    store.write(async move |tx: &mut Tx<'_>| jobs::finish(tx, &job, NOW).await).await.unwrap();
}

async fn one_reason_makes_one_job_ever(store: &Store) {
    push(store, job(1, "warn/1")).await;
    push(store, job(2, "warn/1")).await;
    push(store, job(3, "warn/2")).await;
    assert_eq!(waiting(store).await, 2);
    for job in claim(store, NOW).await {
        finish(store, &job).await;
    }
    push(store, job(4, "warn/1")).await;
    assert_eq!(waiting(store).await, 0, "also not after it is done");
}

async fn a_claimed_job_is_not_claimed_again_before_its_lease_ends(store: &Store) {
    push(store, job(1, "warn/1")).await;
    assert_eq!(claim(store, NOW - Span::seconds(1)).await.len(), 0, "it is not due yet");
    assert_eq!(claim(store, NOW).await.len(), 1);
    assert_eq!(claim(store, NOW + Span::seconds(29)).await.len(), 0);
    assert_eq!(next_run(store).await, Some(NOW + Span::seconds(30)));
    let again = claim(store, NOW + Span::seconds(30)).await;
    assert_eq!(again.iter().map(|job| job.attempt).collect::<Vec<_>>(), [2]);
}

async fn who_lost_a_job_cannot_settle_it(store: &Store) {
    push(store, job(1, "warn/1")).await;
    let lost = claim(store, NOW).await.remove(0);
    let held = claim(store, NOW + Span::minutes(1)).await.remove(0);
    finish(store, &lost).await;
    let late = lost.clone();
    store
        .write(async move |tx: &mut Tx<'_>| {
            jobs::retry(tx, &late, NOW, "late").await?;
            jobs::give_up(tx, &late, NOW, "late").await
        })
        .await
        .unwrap();
    assert_eq!(next_run(store).await, Some(NOW + Span::seconds(90)), "still held");
    finish(store, &held).await;
    assert_eq!(next_run(store).await, None);
}

async fn a_job_that_is_put_off_comes_back_later(store: &Store) {
    push(store, job(1, "warn/1")).await;
    let held = claim(store, NOW).await.remove(0);
    let later = NOW + Span::hours(1);
    store
        .write(async move |tx: &mut Tx<'_>| jobs::retry(tx, &held, later, "no network").await)
        .await
        .unwrap();
    assert_eq!(next_run(store).await, Some(later));
    assert_eq!(claim(store, later).await.len(), 1);
}

async fn a_job_that_was_given_up_is_counted(store: &Store) {
    push(store, job(1, "warn/1")).await;
    let held = claim(store, NOW).await.remove(0);
    store
        .write(async move |tx: &mut Tx<'_>| jobs::give_up(tx, &held, NOW, "no such number").await)
        .await
        .unwrap();
    let tenant = seed::tenant_of(1);
    store
        .read(async |tx: &mut Tx<'_>| {
            let before = NOW - Span::seconds(1);
            assert_eq!(jobs::count_given_up(tx, tenant, before).await?, 1);
            assert_eq!(jobs::count_given_up(tx, tenant, NOW).await?, 0);
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(waiting(store).await, 0);
}

async fn a_message_of_a_job_is_kept_once(store: &Store) {
    let message = |id, job| Message {
        id: MessageId::from_raw(id),
        tenant: seed::tenant_of(1),
        job: JobId::from_raw(job),
        grant: None,
        recipient: "+255700000000".to_owned(),
        body: "Your time ends soon".to_owned(),
        reason: "warning".to_owned(),
        sent_at: NOW,
        state: MessageState::Sent,
        state_at: NOW,
        sender: None,
        tries: Vec::new(),
        parts: 1,
        cost: None,
        last_error: None,
        poll_at: None,
        polls: 0,
    };
    let (first, second) = (message(1, 1), message(3, 2));
    let all = [first.clone(), message(2, 1), second.clone()];
    store
        .write(async move |tx: &mut Tx<'_>| {
            for message in &all {
                messages::insert(tx, message).await?;
            }
            Ok(())
        })
        .await
        .unwrap();
    store
        .read(async |tx: &mut Tx<'_>| {
            let tenant = first.tenant;
            assert_eq!(jobs::messages(tx, tenant, None, 1).await?, [second.clone()]);
            assert_eq!(jobs::messages(tx, tenant, Some(second.id), 9).await?, [first.clone()]);
            Ok(())
        })
        .await
        .unwrap();
}

async fn a_report_before_its_message_is_not_lost(store: &Store) {
    let sender = SenderId::from_raw(1);
    let message = Message {
        id: MessageId::from_raw(7),
        tenant: seed::tenant_of(1),
        job: JobId::from_raw(7),
        grant: None,
        recipient: "+255700000000".to_owned(),
        body: "Your code".to_owned(),
        reason: "credentials".to_owned(),
        sent_at: NOW,
        state: MessageState::Sent,
        state_at: NOW,
        sender: Some(sender),
        tries: Vec::new(),
        parts: 1,
        cost: Some(8_000),
        last_error: None,
        poll_at: None,
        polls: 0,
    };
    let whose = (message.tenant, sender);
    let report = |state| Report { gateway_id: "ATX1".to_owned(), state, detail: None };
    store
        .write(async move |tx: &mut Tx<'_>| {
            messages::insert(tx, &message).await?;
            let delivered = report(MessageState::Delivered);
            assert_eq!(messages::hear(tx, whose, &delivered, NOW).await?, None);
            messages::name_part(tx, sender, "ATX1", &message, NOW).await?;
            let failed = report(MessageState::Failed);
            assert_eq!(messages::hear(tx, whose, &failed, NOW).await?, Some(message.id));
            let parts = messages::parts_of(tx, message.tenant, message.id).await?;
            assert_eq!(parts.len(), 1);
            assert_eq!(parts[0].state, Some(MessageState::Delivered), "delivered stays");
            Ok(())
        })
        .await
        .unwrap();
}
