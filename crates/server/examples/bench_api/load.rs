//! Questions at a fixed rate, sent when they are due whether the last one was answered or not: a
//! server that stalls is charged for every question that had to wait.

use anyhow::{Context, bail};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use lango_domain::ids::GrantId;
use lango_domain::time::Span;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

pub(crate) type Http = Client<HttpConnector, Full<Bytes>>;

/// Where to ask, and for what.
#[derive(Clone)]
pub(crate) struct Shop {
    pub(crate) url: String,
    pub(crate) token: String,
    pub(crate) grants: Vec<GrantId>,
    pub(crate) customers: Vec<String>,
}

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mix {
    /// Something that needs no looking up.
    Nothing,
    /// What screens and scripts read.
    Reads,
}

/// What came of it.
#[derive(Default)]
pub(crate) struct Asked {
    pub(crate) sent: usize,
    pub(crate) failed: usize,
    /// How long each took from the moment it was due, sorted.
    pub(crate) took: Vec<Span>,
    pub(crate) by_door: BTreeMap<&'static str, Vec<Span>>,
}

pub(crate) fn client() -> Http {
    Client::builder(TokioExecutor::new()).pool_max_idle_per_host(256).build_http()
}

/// Waits until the server has looked at its routers.
pub(crate) async fn until_ready(shop: &Shop) -> anyhow::Result<()> {
    let (http, began) = (client(), Instant::now());
    loop {
        let uri = format!("{}/readyz", shop.url);
        let request = Request::get(&uri).body(Full::default())?;
        if let Ok(response) = http.request(request).await
            && response.status().is_success()
        {
            return Ok(());
        }
        if began.elapsed() > Duration::from_secs(60) {
            bail!("the server is not ready after a minute");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Asks for so many seconds.
pub(crate) async fn run(shop: &Shop, rate: u32, seconds: u64, mix: Mix) -> anyhow::Result<Asked> {
    let (http, began) = (client(), Instant::now());
    let mut dice = fastrand::Rng::with_seed(11);
    let (mut tasks, mut asked) = (JoinSet::new(), Asked::default());
    let step = Duration::from_secs(1) / rate;
    for number in 0..rate * u32::try_from(seconds)? {
        let due = began + step * number;
        tokio::time::sleep_until(due.into()).await;
        let (name, path) = question(shop, mix, &mut dice);
        let request = Request::get(format!("{}{path}", shop.url))
            .header("authorization", format!("Bearer {}", shop.token))
            .body(Full::default())?;
        let http = http.clone();
        tasks.spawn(async move { (name, answered(&http, request).await, due.elapsed()) });
        asked.sent += 1;
    }
    for (name, ok, took) in tasks.join_all().await {
        asked.failed += usize::from(!ok);
        asked.took.push(Span::from(took));
        asked.by_door.entry(name).or_default().push(Span::from(took));
    }
    asked.took.sort();
    asked.by_door.values_mut().for_each(|took| took.sort());
    Ok(asked)
}

async fn answered(http: &Http, request: Request<Full<Bytes>>) -> bool {
    let Ok(response) = http.request(request).await else { return false };
    let ok = response.status().is_success();
    response.into_body().collect().await.is_ok() && ok
}

fn question(shop: &Shop, mix: Mix, dice: &mut fastrand::Rng) -> (&'static str, String) {
    if mix == Mix::Nothing {
        return ("nothing", "/healthz".to_owned());
    }
    match dice.u8(..100) {
        0..25 => {
            let grant = shop.grants[dice.usize(..shop.grants.len())];
            ("one grant", format!("/api/v1/grants/{grant}"))
        }
        25..45 => ("the latest 50 grants", "/api/v1/grants?limit=50".to_owned()),
        45..55 => ("the next 50 to end", "/api/v1/grants?sort=ends_at&limit=50".to_owned()),
        55..70 => {
            let name = &shop.customers[dice.usize(..shop.customers.len())];
            let search = name.replace(' ', "%20");
            ("customers by name", format!("/api/v1/customers?search={search}&limit=20"))
        }
        70..80 => ("who is online", "/api/v1/sessions?live=true&limit=50".to_owned()),
        80..86 => ("routers", "/api/v1/routers".to_owned()),
        86..92 => ("the account", "/api/v1/activity?limit=50".to_owned()),
        92..96 => ("cuts", "/api/v1/cuts?limit=50".to_owned()),
        _ => ("unused vouchers", "/api/v1/grants?state=unused&limit=50".to_owned()),
    }
}

/// Sends something and wants it to be taken.
pub(crate) async fn post(http: &Http, shop: &Shop, path: &str, body: String) -> anyhow::Result<()> {
    let request = Request::post(format!("{}{path}", shop.url))
        .header("authorization", format!("Bearer {}", shop.token))
        .body(Full::new(Bytes::from(body)))?;
    let response = http.request(request).await.context("asking the server")?;
    if !response.status().is_success() {
        bail!("{path}: {}", response.status());
    }
    Ok(())
}
