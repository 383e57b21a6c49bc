//! A phone's browser as the portal must expect it: no script, no cookies, no memory. It loads pages,
//! sends forms and obeys a page that sends it on.

use anyhow::{Context, bail};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::net::Ipv4Addr;

/// More redirects than these lead nowhere.
const MOST_REDIRECTS: usize = 8;

/// A browser. Cheap to clone.
#[derive(Clone)]
pub(super) struct Browser {
    client: Client<HttpConnector, Full<Bytes>>,
    /// What stands before `/p/…`.
    origin: String,
    /// From where the proxy before the portal says that it asks.
    address: Option<Ipv4Addr>,
}

/// A page that stands still, or waits to send its reader on.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) path: String,
    pub(super) text: String,
}

impl Browser {
    pub(super) fn at(origin: &str) -> Browser {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Browser { client, origin: origin.to_owned(), address: None }
    }

    /// The same on a device with that address: the portal counts requests by it.
    pub(super) fn on(&self, address: Ipv4Addr) -> Browser {
        Browser { address: Some(address), ..self.clone() }
    }

    /// Loads a page.
    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Page> {
        self.load(path, None).await
    }

    /// Sends a form.
    pub(super) async fn post(&self, path: &str, form: &[(&str, &str)]) -> anyhow::Result<Page> {
        self.load(path, Some(serde_urlencoded::to_string(form)?)).await
    }

    async fn load(&self, path: &str, mut form: Option<String>) -> anyhow::Result<Page> {
        let mut path = path.strip_prefix(&self.origin).unwrap_or(path).to_owned();
        for _ in 0..MOST_REDIRECTS {
            let url = format!("{}{path}", self.origin);
            let mut request = Request::builder().uri(&url);
            if let Some(address) = self.address {
                request = request.header("x-forwarded-for", address.to_string());
            }
            let request = match form.take() {
                None => request.body(Full::default())?,
                Some(form) => request
                    .method(Method::POST)
                    .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .body(Full::new(Bytes::from(form)))?,
            };
            let response = self.client.request(request).await;
            let (head, body) = response.with_context(|| format!("loading {path}"))?.into_parts();
            if let Some(to) = head.headers.get(header::LOCATION) {
                let to = to.to_str().context("a redirect leads to no address")?;
                path = to.strip_prefix(&self.origin).unwrap_or(to).to_owned();
                continue;
            }
            let text = String::from_utf8_lossy(&body.collect().await?.to_bytes()).into_owned();
            if head.status.is_server_error() && !text.contains("<main>") {
                bail!("{path} answered {}", head.status);
            }
            return Ok(Page { path, text });
        }
        bail!("{path} redirects for ever")
    }
}

impl Page {
    /// Whether it is that screen.
    pub(super) fn is(&self, screen: &str) -> bool {
        let path = self.path.split('?').next().unwrap_or_default();
        path.rsplit('/').next() == Some(screen)
    }

    /// What it says at its top.
    pub(super) fn title(&self) -> &str {
        let (_, rest) = self.text.split_once("<title>").unwrap_or_default();
        rest.split("</title>").next().unwrap_or_default()
    }

    /// After how many seconds it sends its reader where.
    pub(super) fn sends_on(&self) -> Option<(u32, String)> {
        let (_, rest) = self.text.split_once("http-equiv=\"refresh\" content=\"")?;
        let (seconds, to) = rest.split('"').next()?.split_once(";url=")?;
        Some((seconds.parse().ok()?, unescaped(to)))
    }

    /// Where its first form leads that leads to such a screen.
    pub(super) fn form(&self, screen: &str) -> Option<String> {
        let mut forms = self.text.split("<form method=\"post\" action=\"").skip(1);
        let led = forms.find_map(|form| {
            let action = form.split('"').next()?;
            action.split('?').next()?.ends_with(screen).then_some(action)
        });
        led.map(unescaped)
    }

    /// What is sent if one chooses the plan of that name.
    pub(super) fn plan(&self, name: &str) -> Option<String> {
        let label = format!("<span>{name}<small>");
        let mut choices = self.text.split("<label class=\"k\">").skip(1);
        let choice = choices.find(|choice| choice.contains(&label))?;
        choice.split("value=\"").nth(1)?.split('"').next().map(unescaped)
    }

    /// The large button that leads elsewhere: another try, or the way out.
    pub(super) fn button(&self) -> Option<String> {
        let link = self.text.split("<a class=\"g\" href=\"").nth(1)?;
        link.split('"').next().map(unescaped)
    }

    /// The small link back to the plans.
    pub(super) fn plans(&self) -> Option<String> {
        let (before, _) = self.text.rsplit_once("stay=1\"")?;
        before.rsplit("href=\"").next().map(|link| unescaped(&format!("{link}stay=1")))
    }
}

fn unescaped(text: &str) -> String {
    text.replace("&#38;", "&").replace("&amp;", "&").replace("&#39;", "'").replace("&#34;", "\"")
}
