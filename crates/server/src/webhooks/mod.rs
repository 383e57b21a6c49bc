//! The engine that tells webhooks what happened: at least once, each by itself, so that a dead or
//! slow address delays no other. The order is not promised; the place in the message tells it.
//!
//! Must never reach into our own network for somebody who may only write an address down: where a
//! name leads is looked up once, and only that address is connected to.

mod post;

use crate::app::App;
use crate::observe::pulse::Engine;
use crate::operations::webhook;
use lango_domain::ids::WebhookId;
use lango_domain::time::{Span, Timestamp};
use lango_store::activity::{self, Activity};
use lango_store::webhooks::{self, Delivery, Due, Webhook};
use lango_store::{Error, Tx};
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How many lines are told at once.
const AT_ONCE: usize = 128;
/// How many of them one webhook may be told.
const OF_ONE: usize = 4;
/// The same for one whose last try failed: it may take ten seconds for each line of a long queue.
const OF_ONE_THAT_FAILS: usize = 1;
/// How long a claimed line is ours.
const LEASE: Span = Span::seconds(60);
/// For how long a line is tried.
const PATIENCE: Span = Span::hours(24);
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What came of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Answer {
    status: Option<u16>,
    error: Option<String>,
}

/// Works until stopped; what is under way is finished.
pub async fn run(app: App, stop: CancellationToken) {
    let mut crew = Crew::default();
    // One that never gets through a pass must be seen to stand still as well.
    app.pulse().beat(Engine::Webhooks, app.clock().now());
    while !stop.is_cancelled() {
        if let Err(error) = crew.look(&app).await {
            tracing::error!(%error, "webhooks could not be told; trying again");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
            Some(done) = crew.tasks.join_next() => crew.done(done.ok()),
        }
    }
    while crew.tasks.join_next().await.is_some() {}
}

/// Tells everything that is due, to the end. For tests and for commands.
///
/// # Errors
/// A fault of the store.
pub async fn pass(app: &App) -> Result<usize, Error> {
    let (mut crew, mut told) = (Crew::default(), 0);
    loop {
        let begun = crew.look(app).await?;
        match crew.tasks.join_next().await {
            Some(done) => crew.done(done.ok()),
            None if begun == 0 => return Ok(told),
            None => {}
        }
        told += begun;
    }
}

/// Who is under way, and to whom.
#[derive(Default)]
struct Crew {
    tasks: JoinSet<(WebhookId, bool)>,
    busy: HashMap<WebhookId, usize>,
    failing: HashSet<WebhookId>,
}

impl Crew {
    /// Begins what is due, as far as there is room. What there is no room for stays in the queue.
    async fn look(&mut self, app: &App) -> Result<usize, Error> {
        let begun = self.begin_what_is_due(app).await?;
        app.pulse().beat(Engine::Webhooks, app.clock().now());
        Ok(begun)
    }

    async fn begin_what_is_due(&mut self, app: &App) -> Result<usize, Error> {
        let now = app.clock().now();
        let is_due = async |tx: &mut Tx<'_>| webhooks::next(tx).await;
        if app.store().read(is_due).await?.is_none_or(|next| next > now) {
            return Ok(0);
        }
        let waiting = async move |tx: &mut Tx<'_>| webhooks::waiting(tx, now).await;
        let turns = self.turns(app.store().read(waiting).await?);
        if turns.is_empty() {
            return Ok(0);
        }
        let claim = async move |tx: &mut Tx<'_>| {
            let mut claimed = Vec::new();
            for (webhook, room) in &turns {
                claimed.extend(webhooks::claim(tx, *webhook, now, now + LEASE, *room).await?);
            }
            Ok(claimed)
        };
        let claimed = app.store().write(claim).await?;
        let begun = claimed.len();
        claimed.into_iter().for_each(|due| self.begin(app, due));
        Ok(begun)
    }

    /// Who is told how many lines now. Whoever is told least at this moment comes first.
    fn turns(&self, mut waiting: Vec<WebhookId>) -> Vec<(WebhookId, i64)> {
        let busy = |webhook: &WebhookId| self.busy.get(webhook).copied().unwrap_or_default();
        waiting.sort_by_key(busy);
        let mut room = AT_ONCE.saturating_sub(self.tasks.len());
        let mut turns = Vec::new();
        for webhook in waiting {
            let most = if self.failing.contains(&webhook) { OF_ONE_THAT_FAILS } else { OF_ONE };
            let turn = most.saturating_sub(busy(&webhook)).min(room);
            if turn > 0 {
                room -= turn;
                turns.push((webhook, turn as i64));
            }
        }
        turns
    }

    fn begin(&mut self, app: &App, due: Due) {
        *self.busy.entry(due.webhook).or_default() += 1;
        let app = app.clone();
        self.tasks.spawn(async move {
            let id = due.webhook;
            let was_told = tell(&app, due).await.unwrap_or_else(|error| {
                tracing::warn!(%error, webhook.id = %id, "a try could not be recorded");
                false
            });
            (id, was_told)
        });
    }

    fn done(&mut self, told: Option<(WebhookId, bool)>) {
        let Some((webhook, was_told)) = told else { return };
        if was_told {
            self.failing.remove(&webhook);
        } else {
            self.failing.insert(webhook);
        }
        if let Some(busy) = self.busy.get_mut(&webhook) {
            *busy -= 1;
        }
        self.busy.retain(|_, busy| *busy > 0);
    }
}

/// Returns whether there is nothing left to be told of it.
async fn tell(app: &App, due: Due) -> Result<bool, Error> {
    let (id, tenant, activity) = (due.webhook, due.tenant, due.activity);
    let read = async move |tx: &mut Tx<'_>| {
        Ok((webhooks::find(tx, id).await?, activity::find(tx, tenant, activity).await?))
    };
    let (Some(webhook), Some(line)) = app.store().read(read).await? else {
        return forget(app, due).await;
    };
    if webhook.off_since.is_some() {
        return forget(app, due).await;
    }
    let (at, began) = (app.clock().now(), Instant::now());
    let answer = match app.open_webhook(id, &webhook.secret) {
        Ok(secret) => {
            post::post(app, &webhook, &secret, &message(&line, due.place), &due, at).await
        }
        Err(error) => Answer { status: None, error: Some(error.to_string()) },
    };
    settle(app, webhook, due, answer, (at, Span::from(began.elapsed()))).await
}

async fn forget(app: &App, due: Due) -> Result<bool, Error> {
    app.store().write(async move |tx: &mut Tx<'_>| webhooks::told(tx, &due).await).await?;
    Ok(true)
}

/// What is sent.
fn message(line: &Activity, place: i64) -> String {
    serde_json::json!({
        "id": line.id, "place": place, "at": line.at, "what": line.what, "actor": line.actor,
        "tenant": line.tenant, "grant": line.grant, "router": line.router, "detail": line.detail,
    })
    .to_string()
}

async fn settle(
    app: &App,
    webhook: Webhook,
    due: Due,
    answer: Answer,
    (at, took): (Timestamp, Span),
) -> Result<bool, Error> {
    let was_told = answer.error.is_none();
    let desk = app.clone();
    let delivery = Delivery {
        id: app.id(at),
        tenant: due.tenant,
        webhook: due.webhook,
        activity: due.activity,
        attempt: due.attempt,
        at,
        took,
        status: answer.status.map(i64::from),
        error: answer.error.clone(),
    };
    let given_up = app
        .store()
        .write(async move |tx: &mut Tx<'_>| {
            webhooks::log(tx, &delivery).await?;
            match (&answer.error, answer.status) {
                (None, _) => webhooks::told(tx, &due).await.map(|_| 0),
                (Some(_), Some(410)) => {
                    webhook::switch_off(tx, &desk, webhook.id, "it said it is gone", at).await
                }
                (Some(why), _) if at.since(due.since) > PATIENCE => {
                    webhook::give_up(tx, &desk, &due, why, at).await
                }
                (Some(_), _) => {
                    webhooks::later(tx, &due, at + pause(due.attempt)).await.map(|()| 0)
                }
            }
        })
        .await?;
    app.metrics().webhook_lines_given_up.inc_by(given_up.unsigned_abs());
    Ok(was_told)
}

/// 2 s, 4 s, 8 s … up to ten minutes.
fn pause(attempt: i64) -> Span {
    let attempt = u32::try_from(attempt).unwrap_or(u32::MAX);
    Span::seconds(2i64.saturating_pow(attempt).min(600))
}
