//! Live events: the lines of the account as they come (Server-Sent Events, HTML standard 9.2). Who
//! was away says in `Last-Event-ID` what he heard last and misses nothing.

use crate::feed::listener::Listener;
use crate::web::api::activity::Entry;
use crate::web::api::door::{Ask, Doors, Raw, RawKind, Sign};
use crate::web::api::problem::Problem;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, StreamExt, stream};
use lango_domain::time::Span;
use lango_store::activity::Placed;
use schemars::JsonSchema;
use serde::Deserialize;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

/// How often something is sent when nothing happens, so that nobody in between hangs up.
const ALIVE_EVERY: Duration = Duration::from_secs(15);
/// How long a stream lasts at most. Who is cut off here comes back with a token that is looked at.
const LONGEST: Span = Span::hours(1);

/// From where on somebody listens.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
struct EventsQuery {
    /// What he heard last, where he cannot send Last-Event-ID; 0 is everything
    #[schemars(range(min = 0))]
    after: Option<u32>,
}

pub(crate) fn open(doors: &mut Doors) {
    let events = Sign::get("/api/v1/events", "listen")
        .about("activity", "The lines of the account as they come (Server-Sent Events)");
    let kind = RawKind("text/event-stream");
    doors.open_raw(events, kind, async |ask: Ask<(), EventsQuery>| listen(&ask).await);
}

async fn listen(ask: &Ask<(), EventsQuery>) -> Result<Raw, Problem> {
    let after = match ask.header("last-event-id") {
        Some(heard) => Some(heard.trim().parse().map_err(|_| {
            Problem::unreadable("it must be the id of an event").at("last-event-id")
        })?),
        None => ask.query.after.map(i64::from),
    };
    let listener = Listener::new(&ask.here.app, ask.tenant(), after).await?;
    let latest = ask.now() + LONGEST;
    let until = ask.caller.token().expires_at.map_or(latest, |expires_at| expires_at.min(latest));
    let clock = ask.here.app.clock().clone();
    let over = async move { clock.sleep_until(until).await };
    let reset = stream::iter(listener.began_anew().map(|last| Ok(reset(last))));
    let events = reset.chain(events(listener)).take_until(Box::pin(over));
    let alive = KeepAlive::new().interval(ALIVE_EVERY);
    Ok(Raw { response: Sse::new(events).keep_alive(alive).into_response() })
}

/// A fault of the store ends the stream; the listener comes back and goes on where it was.
fn events(listener: Listener) -> impl Stream<Item = Result<Event, Infallible>> {
    let batches = stream::unfold(listener, |mut listener| async move {
        let lines = listener.next().await.ok()??;
        Some((lines, listener))
    });
    batches.flat_map(|lines| stream::iter(lines.into_iter().map(|placed| Ok(event(&placed)))))
}

/// Who heard more than there is here has to look around again: an older backup was restored.
fn reset(last: i64) -> Event {
    let data = serde_json::json!({ "last": last }).to_string();
    Event::default().id(last.to_string()).event("reset").data(data)
}

fn event(placed: &Arc<Placed>) -> Event {
    let line = Entry::from(placed.line.clone());
    let event = Event::default().id(placed.place.to_string()).event(&placed.line.what);
    // Ids, instants and text: serialising cannot fail.
    event.json_data(&line).unwrap_or_default()
}
