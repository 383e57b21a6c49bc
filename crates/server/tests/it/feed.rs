//! What happened reaches who listens: once, in order, whoever wrote it and whoever was away.

use crate::api::House;
use crate::harness::{Engine, NOON};
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use lango_domain::ids::TenantId;
use lango_domain::role::Role;
use lango_domain::time::Span;
use lango_server::app::App;
use lango_server::feed;
use lango_server::feed::listener::Listener;
use lango_server::observe::pulse::{self, Engine as Part};
use lango_server::webhooks;
use lango_store::Tx;
use lango_store::activity::Activity;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(20);

/// Writes a line whose id was made so long ago.
async fn write(app: &App, tenant: TenantId, what: &str, ago: Span) {
    let line = Activity {
        id: app.id(NOON - ago),
        tenant,
        at: NOON,
        actor: "test".to_owned(),
        grant: None,
        router: None,
        what: what.to_owned(),
        detail: String::new(),
    };
    app.store()
        .write(async move |tx: &mut Tx<'_>| {
            lango_store::activity::append(tx, std::slice::from_ref(&line)).await
        })
        .await
        .unwrap();
}

async fn heard(listener: &mut Listener, count: usize) -> Vec<String> {
    let mut all = Vec::new();
    while all.len() < count {
        let lines = tokio::time::timeout(PATIENCE, listener.next()).await.unwrap().unwrap();
        all.extend(lines.unwrap().iter().map(|placed| placed.line.what.clone()));
    }
    all
}

async fn last_place(app: &App) -> i64 {
    app.store()
        .read(async |tx: &mut Tx<'_>| lango_store::activity::last_place(tx).await)
        .await
        .unwrap()
}

async fn nothing_is_missed(engine: Engine) {
    let house = House::on(engine).await;
    let (app, tenant) = (&house.app, house.ours.tenant);
    while feed::pass(app).await.unwrap() > 0 {}
    let begin = last_place(app).await;
    let mut live = Listener::new(app, tenant, None).await.unwrap();
    // Ids are made before the commit: a later line with an earlier id.
    write(app, tenant, "one", Span::ZERO).await;
    feed::pass(app).await.unwrap();
    write(app, tenant, "two", Span::hours(1)).await;
    write(app, house.theirs.tenant, "not ours", Span::ZERO).await;
    feed::pass(app).await.unwrap();
    write(app, tenant, "three", Span::hours(2)).await;
    feed::pass(app).await.unwrap();
    assert_eq!(heard(&mut live, 3).await, ["one", "two", "three"]);
    // Who was away, and who begins in the middle.
    let mut back = Listener::new(app, tenant, Some(begin)).await.unwrap();
    assert_eq!(heard(&mut back, 3).await, ["one", "two", "three"]);
    let mut middle = Listener::new(app, tenant, Some(begin + 1)).await.unwrap();
    assert_eq!(heard(&mut middle, 2).await, ["two", "three"]);
}

async fn many_writers_and_two_feeds_give_one_order(engine: Engine) {
    let house = House::on(engine).await;
    let (app, tenant) = (house.app.clone(), house.ours.tenant);
    let stop = CancellationToken::new();
    // As two nodes do: both give places, one of them is too late.
    let feeds = [(); 2].map(|()| tokio::spawn(feed::run(app.clone(), stop.clone())));
    let begin = Listener::new(&app, tenant, None).await.unwrap();
    let mut listener = begin;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..4 {
        let app = app.clone();
        writers.spawn(async move {
            for number in 0..25 {
                write(&app, tenant, &format!("{writer}-{number}"), Span::minutes(writer)).await;
            }
        });
    }
    let mut all = Vec::new();
    while all.iter().filter(|what: &&String| what.contains('-')).count() < 100 {
        all.extend(heard(&mut listener, 1).await);
    }
    writers.join_all().await;
    let mut once: Vec<String> = all.iter().filter(|what| what.contains('-')).cloned().collect();
    for writer in 0..4 {
        let own = once.iter().filter(|what| what.starts_with(&format!("{writer}-")));
        let expected = (0..25).map(|number| format!("{writer}-{number}"));
        assert!(own.cloned().eq(expected), "what one wrote in order is heard in order: {all:?}");
    }
    once.sort();
    once.dedup();
    assert_eq!(once.len(), 100, "none twice");
    stop.cancel();
    for feed in feeds {
        feed.await.unwrap();
    }
}

macro_rules! on_both {
    ($($story:ident),+ $(,)?) => {
        mod on_sqlite { $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $story() { super::$story(super::Engine::Sqlite).await; }
        )+ }
        mod on_postgres { $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $story() { super::$story(super::Engine::Postgres).await; }
        )+ }
    };
}
on_both!(nothing_is_missed, many_writers_and_two_feeds_give_one_order);

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_listeners_hear_it_within_a_second() {
    let house = House::on(Engine::Sqlite).await;
    let (app, tenant, stop) = (house.app.clone(), house.ours.tenant, CancellationToken::new());
    let engine = tokio::spawn(feed::run(app.clone(), stop.clone()));
    let mut listeners = tokio::task::JoinSet::new();
    for _ in 0..1_000 {
        let mut listener = Listener::new(&app, tenant, None).await.unwrap();
        listeners.spawn(async move {
            loop {
                let lines = listener.next().await.unwrap().unwrap();
                if lines.iter().any(|placed| placed.line.what == "now") {
                    return Instant::now();
                }
            }
        });
    }
    write(&app, tenant, "now", Span::ZERO).await;
    let written = Instant::now();
    let last = listeners.join_all().await.into_iter().max().unwrap();
    assert!(last - written < Duration::from_secs(1), "{:?}", last - written);
    stop.cancel();
    engine.await.unwrap();
}

/// Reads a stream until so many events were there: their ids and names.
async fn read_events(house: &House, headers: &[(&str, &str)], count: usize) -> Vec<(i64, String)> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let mut request = Request::get(format!("{}/api/v1/events", house.url()))
        .header("authorization", format!("Bearer {}", house.key(Role::ReadOnly)));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = client.request(request.body(Empty::new()).unwrap()).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let (mut body, mut text) = (response.into_body(), String::new());
    while text.matches("\n\n").count() < count {
        let frame = tokio::time::timeout(PATIENCE, body.frame()).await.unwrap().unwrap().unwrap();
        text += std::str::from_utf8(frame.data_ref().unwrap()).unwrap();
    }
    let field = |event: &str, name: &str| {
        let line = event.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default().trim().to_owned()
    };
    let events = text.split("\n\n").filter(|event| event.contains("id:"));
    events.map(|event| (field(event, "id:").parse().unwrap(), field(event, "event:"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_broke_off_goes_on_where_it_was() {
    let house = House::on(Engine::Sqlite).await;
    let (app, tenant, stop) = (house.app.clone(), house.ours.tenant, CancellationToken::new());
    while feed::pass(&app).await.unwrap() > 0 {}
    let begin = last_place(&app).await.to_string();
    let engine = tokio::spawn(feed::run(app.clone(), stop.clone()));
    for what in ["one", "two", "three"] {
        write(&app, tenant, what, Span::ZERO).await;
    }
    let first = read_events(&house, &[("last-event-id", &begin)], 2).await;
    assert_eq!((first[0].1.as_str(), first[1].1.as_str()), ("one", "two"));
    write(&app, tenant, "four", Span::ZERO).await;
    let heard = first[1].0.to_string();
    let rest = read_events(&house, &[("last-event-id", &heard)], 2).await;
    let names: Vec<&str> = rest.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names, ["three", "four"]);
    let wrong = house.ask_with("GET", "/api/v1/events", &[("last-event-id", "x")], "").await;
    wrong.problem(400, "unreadable");
    stop.cancel();
    engine.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_tells_what_happens_is_seen_to_stand_still() {
    let house = House::on(Engine::Sqlite).await;
    let app = &house.app;
    while feed::pass(app).await.unwrap() > 0 {}
    webhooks::pass(app).await.unwrap();
    let numbers = house.send("GET", "/metrics", &[], "").await.text();
    for engine in ["feed", "webhooks"] {
        let number = format!("lango_engine_last_pass_seconds{{engine=\"{engine}\"}}");
        assert!(numbers.contains(&number), "{numbers}");
    }
    let stand_still = async || {
        app.pulse().beat(Part::Deadlines, app.clock().now());
        pulse::keep(app).await.unwrap();
        let check = house.ask(Role::Owner, "GET", "/api/v1/check", "").await.ok(200);
        check["findings"].to_string().matches("has stood still for 10m").count()
    };
    assert_eq!(stand_still().await, 0);
    app.clock().set(app.clock().now() + Span::minutes(10));
    assert_eq!(stand_still().await, 2, "the deadlines are kept, the feed and the webhooks are not");
    feed::pass(app).await.unwrap();
    webhooks::pass(app).await.unwrap();
    assert_eq!(stand_still().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_heard_more_than_there_is_after_a_restore_is_told_so() {
    let house = House::on(Engine::Sqlite).await;
    let (app, tenant, stop) = (house.app.clone(), house.ours.tenant, CancellationToken::new());
    while feed::pass(&app).await.unwrap() > 0 {}
    let last = last_place(&app).await;
    let heard = (last + 5).to_string();
    let engine = tokio::spawn(feed::run(app.clone(), stop.clone()));
    let begin = read_events(&house, &[("last-event-id", &heard)], 1).await;
    assert_eq!(begin, [(last, "reset".to_owned())]);
    // Who listens on hears the next, although its place is one that he had before.
    let listener = tokio::spawn({
        let mut listener = Listener::new(&app, tenant, Some(last + 5)).await.unwrap();
        assert_eq!(listener.began_anew(), Some(last));
        async move { heard_one(&mut listener).await }
    });
    write(&app, tenant, "after the restore", Span::ZERO).await;
    assert_eq!(listener.await.unwrap(), "after the restore");
    let rest = read_events(&house, &[("last-event-id", &last.to_string())], 1).await;
    assert_eq!(rest[0].1, "after the restore", "who comes back with the id of the reset goes on");
    stop.cancel();
    engine.await.unwrap();
}

async fn heard_one(listener: &mut Listener) -> String {
    heard(listener, 1).await.remove(0)
}
