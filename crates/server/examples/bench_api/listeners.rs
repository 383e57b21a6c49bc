//! A thousand listen, something happens, and each notes when he heard of it.

use crate::load::{Shop, client, post};
use anyhow::{Context, bail};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::{Bytes, Incoming};
use lango_domain::time::Span;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How long anybody waits for what should come within a second.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two events.
const PAUSE: Duration = Duration::from_millis(200);

/// How long after it was asked for each listener heard of each event, sorted.
pub(crate) async fn run(shop: &Shop, count: usize, events: usize) -> anyhow::Result<Vec<Span>> {
    let mut listeners = JoinSet::new();
    for _ in 0..count {
        let body = listen(shop).await?;
        listeners.spawn(heard(body, events));
    }
    let (http, mut sent) = (client(), Vec::new());
    for number in 0..events {
        tokio::time::sleep(PAUSE).await;
        sent.push(Instant::now());
        let name = format!("{{\"name\":\"Event {number}\"}}");
        post(&http, shop, "/api/v1/customers", name).await?;
    }
    let mut took = Vec::new();
    while let Some(heard) = listeners.join_next().await {
        let heard = heard.context("a listener broke")??;
        took.extend(heard.iter().zip(&sent).map(|(heard, sent)| Span::from(*heard - *sent)));
    }
    took.sort();
    Ok(took)
}

async fn listen(shop: &Shop) -> anyhow::Result<Incoming> {
    let request = Request::get(format!("{}/api/v1/events", shop.url))
        .header("authorization", format!("Bearer {}", shop.token))
        .body(Full::<Bytes>::default())?;
    let response = client().request(request).await.context("listening")?;
    if !response.status().is_success() {
        bail!("listening: {}", response.status());
    }
    Ok(response.into_body())
}

/// When each of the next events was heard.
async fn heard(mut body: Incoming, events: usize) -> anyhow::Result<Vec<Instant>> {
    let (mut times, mut text) = (Vec::new(), String::new());
    while times.len() < events {
        let frame = tokio::time::timeout(PATIENCE, body.frame()).await;
        let Ok(Some(Ok(frame))) = frame else { break };
        let Some(data) = frame.data_ref() else { continue };
        text.push_str(std::str::from_utf8(data)?);
        while let Some(end) = text.find("\n\n") {
            if text[..end].contains("event: customer added") {
                times.push(Instant::now());
            }
            text.drain(..end + 2);
        }
    }
    Ok(times)
}
