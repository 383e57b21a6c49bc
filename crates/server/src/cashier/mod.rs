//! The engine for money: asks phones for what was begun, reads what providers say, asks what they
//! did not say, compares their lists with ours, and renews what renews itself from a wallet.
//!
//! Each question is a task of its own and each gateway has its own places, so that a dead provider
//! delays no other. Must never ask for the same money twice: before a question goes out it is
//! written down that it may have, and from then on it is only asked what became of it.

mod charge;
mod comparison;
mod letter;
pub(crate) mod postbox;

use crate::app::App;
use crate::observe::pulse::Engine;
use crate::operations::renew_itself::renew_due;
use lango_domain::ids::{GatewayId, PaymentId};
use lango_domain::time::{Span, Timestamp};
use lango_store::gateways::Gateway;
use lango_store::inbox::Letter;
use lango_store::{Error, Topic, Tx};
use std::collections::HashMap;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How many messages of one gateway are read at once. Each may ask its provider back.
const LETTERS_OF_ONE: usize = 24;
/// How many questions one provider is asked at once.
const QUESTIONS_OF_ONE: usize = 16;
/// How long something claimed is ours: longer than a provider may take to answer twice.
const LEASE: Span = Span::seconds(90);
/// The longest sleep: wakes can be lost, the timer finds what they would have told.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);

/// Works until stopped; what is under way is finished.
pub async fn run(app: App, stop: CancellationToken) {
    let news = app.store().subscribe(Topic::Money);
    let mut crew = Crew::default();
    app.pulse().beat(Engine::Cashier, app.clock().now());
    while !stop.is_cancelled() {
        let begun = crew.begin_what_is_due(&app).await.unwrap_or_else(|error| {
            tracing::error!(%error, "money could not be looked after; trying again");
            0
        });
        app.pulse().beat(Engine::Cashier, app.clock().now());
        if begun > 0 {
            continue;
        }
        let until = crew.next_look(&app).await;
        tokio::select! {
            () = stop.cancelled() => {}
            () = news.woken() => {}
            () = app.clock().sleep_until(until) => {}
            () = tokio::time::sleep(LONGEST_SLEEP) => {}
            Some(done) = crew.tasks.join_next() => crew.done(done.ok()),
        }
    }
    while crew.tasks.join_next().await.is_some() {}
}

/// Does everything that is due now, to the end. For tests and for commands.
///
/// # Errors
/// A fault of the store.
pub async fn pass(app: &App) -> Result<usize, Error> {
    let (mut crew, mut done) = (Crew::default(), 0);
    loop {
        let begun = crew.begin_what_is_due(app).await?;
        done += begun;
        match crew.tasks.join_next().await {
            Some(ended) => crew.done(ended.ok()),
            None if begun == 0 => return Ok(done),
            None => {}
        }
    }
}

/// Asks a provider now what became of a payment, for somebody who wants to know.
///
/// # Errors
/// A fault of the store. That the provider says nothing is none: the payment says so.
pub async fn ask_now(app: &App, id: PaymentId) -> Result<(), Error> {
    charge::ask_now(app, id).await
}

/// What sort of work somebody is at, and for which gateway.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Place {
    Letter(GatewayId),
    Question(GatewayId),
    List(GatewayId),
}

/// Who is under way. Each gateway has places of its own, so that one whose provider does not answer
/// keeps nobody else waiting.
#[derive(Default)]
struct Crew {
    tasks: JoinSet<Place>,
    busy: HashMap<Place, usize>,
}

struct Work {
    letters: Vec<Letter>,
    questions: Vec<(GatewayId, PaymentId)>,
    lists: Vec<Gateway>,
}

impl Crew {
    async fn begin_what_is_due(&mut self, app: &App) -> Result<usize, Error> {
        let now = app.clock().now();
        if next(app).await?.is_none_or(|next| next > now) {
            return Ok(0);
        }
        let renewed = renew_due(app, now).await?;
        let Work { letters, questions, lists } = self.claim(app, now).await?;
        let begun = renewed + letters.len() + questions.len() + lists.len();
        for letter in letters {
            let desk = app.clone();
            let place = Place::Letter(letter.gateway);
            self.begin(place, async move { letter::read(&desk, letter).await });
        }
        for (gateway, id) in questions {
            let desk = app.clone();
            let place = Place::Question(gateway);
            self.begin(place, async move { charge::look_after(&desk, id).await });
        }
        for gateway in lists {
            let desk = app.clone();
            let place = Place::List(gateway.id);
            self.begin(place, async move { comparison::compare(&desk, gateway).await });
        }
        Ok(begun)
    }

    async fn claim(&self, app: &App, now: Timestamp) -> Result<Work, Error> {
        let busy = self.busy.clone();
        let room = move |place: Place, most: usize| {
            most.saturating_sub(busy.get(&place).copied().unwrap_or_default()) as i64
        };
        app.store()
            .write(async move |tx: &mut Tx<'_>| {
                let lease = now + LEASE;
                let (mut letters, mut questions) = (Vec::new(), Vec::new());
                for gateway in lango_store::inbox::waiting(tx, now).await? {
                    let room = room(Place::Letter(gateway), LETTERS_OF_ONE);
                    letters.extend(lango_store::inbox::claim(tx, gateway, now, lease, room).await?);
                }
                for gateway in lango_store::payments::waiting(tx, now).await? {
                    let room = room(Place::Question(gateway), QUESTIONS_OF_ONE);
                    let due = lango_store::payments::claim(tx, gateway, now, lease, room).await?;
                    questions.extend(due.into_iter().map(|id| (gateway, id)));
                }
                let lists = lango_store::gateways::due(tx, now).await?;
                for gateway in &lists {
                    lango_store::gateways::compared(tx, gateway.id, None, lease).await?;
                }
                Ok(Work { letters, questions, lists })
            })
            .await
    }

    fn begin(
        &mut self,
        place: Place,
        work: impl Future<Output = Result<(), Error>> + Send + 'static,
    ) {
        *self.busy.entry(place).or_default() += 1;
        self.tasks.spawn(async move {
            // What could not be written is claimed again when its time is over.
            if let Err(error) = work.await {
                tracing::warn!(%error, "what a provider said could not be written yet");
            }
            place
        });
    }

    fn done(&mut self, place: Option<Place>) {
        // Whoever panicked does not say where he was: then nobody is there who could be asked.
        let Some(place) = place else {
            if self.tasks.is_empty() {
                self.busy.clear();
            }
            return;
        };
        if let Some(busy) = self.busy.get_mut(&place) {
            *busy -= 1;
        }
        self.busy.retain(|_, busy| *busy > 0);
    }

    /// When something falls due. What is due and has no room begins when a task is done.
    async fn next_look(&self, app: &App) -> Timestamp {
        let now = app.clock().now();
        let latest = now + Span::seconds(30);
        match next(app).await {
            Ok(Some(next)) if next > now => next.min(latest),
            _ => latest,
        }
    }
}

async fn next(app: &App) -> Result<Option<Timestamp>, Error> {
    app.store()
        .read(async move |tx: &mut Tx<'_>| {
            let next = [
                lango_store::inbox::next(tx).await?,
                lango_store::payments::next(tx).await?,
                lango_store::gateways::next_comparison(tx).await?,
                lango_store::renewals::next(tx).await?,
            ];
            Ok(next.into_iter().flatten().min())
        })
        .await
}

/// A gateway, read once for a piece of work.
async fn gateway(app: &App, id: GatewayId) -> Result<Option<Gateway>, Error> {
    app.store().read(async move |tx: &mut Tx<'_>| lango_store::gateways::find(tx, id).await).await
}

/// The headers of a message as they were kept.
fn headers(kept: &str) -> Vec<(String, String)> {
    serde_json::from_str::<Vec<(String, String)>>(kept)
        .or_else(|_| {
            serde_json::from_str::<HashMap<String, String>>(kept)
                .map(|all| all.into_iter().collect())
        })
        .unwrap_or_default()
}
