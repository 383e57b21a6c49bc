//! A phone's browser: Debian's Chromium behind its own driver, spoken to in WebDriver's JSON
//! (W3C WebDriver, and `goog/cdp/execute` of ChromeDriver). Only this machine is in its world.

use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, MutexGuard};

/// One browser at a time: two on two cores are slow enough to fail by time alone.
static TURN: Mutex<()> = Mutex::const_new(());
/// The key under which WebDriver hands out elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// What a browser is like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) scripts: bool,
    pub(crate) width: u32,
    pub(crate) languages: &'static str,
}

impl Default for Kind {
    /// A small phone with everything off that a mini-browser may not have.
    fn default() -> Kind {
        Kind { scripts: false, width: 360, languages: "en" }
    }
}

/// A browser in somebody's hand.
pub(crate) struct Browser {
    driver: Child,
    address: String,
    session: String,
    client: Client<HttpConnector, Full<Bytes>>,
    /// How often something was tapped, and how many signs were typed.
    pub(crate) taps: usize,
    pub(crate) typed: usize,
    _turn: MutexGuard<'static, ()>,
}

/// What went over the air.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) requests: usize,
    pub(crate) bytes: u64,
}

impl Browser {
    pub(crate) async fn open(kind: Kind) -> Browser {
        let turn = TURN.lock().await;
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is missing: run scripts/test-browser");
        let port = port_of(&mut driver);
        let client = Client::builder(TokioExecutor::new()).build_http();
        let address = format!("http://127.0.0.1:{port}");
        let mut browser = Browser {
            driver,
            address,
            session: String::new(),
            client,
            taps: 0,
            typed: 0,
            _turn: turn,
        };
        let made = browser.send("POST", "/session", capabilities(kind)).await;
        browser.session = made["sessionId"].as_str().unwrap().to_owned();
        browser
    }

    async fn send(&self, method: &str, path: &str, body: Value) -> Value {
        self.try_send(method, path, body).await.unwrap_or_else(|told| panic!("{path}: {told}"))
    }

    async fn try_send(&self, method: &str, path: &str, body: Value) -> Result<Value, Value> {
        let body =
            if method == "GET" || method == "DELETE" { String::new() } else { body.to_string() };
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.address))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        let response = self.client.request(request).await.unwrap();
        let ok = response.status().is_success();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let mut told: Value = serde_json::from_slice(&body).unwrap();
        if ok { Ok(told["value"].take()) } else { Err(told) }
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> Value {
        self.send(method, &format!("/session/{}{path}", self.session), body).await
    }

    pub(crate) async fn visit(&self, url: &str) {
        self.ask("POST", "/url", json!({ "url": url })).await;
    }

    pub(crate) async fn url(&self) -> String {
        self.ask("GET", "/url", Value::Null).await.as_str().unwrap().to_owned()
    }

    pub(crate) async fn heading(&self) -> String {
        self.text("h1").await
    }

    /// The whole page as a person reads it.
    pub(crate) async fn page(&self) -> String {
        self.text("body").await
    }

    pub(crate) async fn text(&self, css: &str) -> String {
        for _ in 0..5 {
            let element = self.find(css).await;
            let path = format!("/session/{}/element/{element}/text", self.session);
            // A page that goes on by itself may do so between the two.
            if let Ok(text) = self.try_send("GET", &path, Value::Null).await {
                return text.as_str().unwrap().to_owned();
            }
        }
        panic!("{css} cannot be read");
    }

    async fn find(&self, css: &str) -> String {
        let found =
            self.ask("POST", "/element", json!({ "using": "css selector", "value": css })).await;
        found[ELEMENT].as_str().unwrap().to_owned()
    }

    pub(crate) async fn has(&self, css: &str) -> bool {
        let found =
            self.ask("POST", "/elements", json!({ "using": "css selector", "value": css })).await;
        found.as_array().is_some_and(|found| !found.is_empty())
    }

    pub(crate) async fn tap(&mut self, css: &str) {
        self.taps += 1;
        let element = self.find(css).await;
        self.ask("POST", &format!("/element/{element}/click"), json!({})).await;
    }

    pub(crate) async fn type_into(&mut self, css: &str, text: &str) {
        self.typed += text.chars().count();
        let element = self.find(css).await;
        self.ask("POST", &format!("/element/{element}/clear"), json!({})).await;
        self.ask("POST", &format!("/element/{element}/value"), json!({ "text": text })).await;
    }

    /// Waits until the address says so; nothing else is looked at, as a person looks at nothing else.
    #[track_caller]
    pub(crate) fn until(&self, part: &str) -> impl Future<Output = String> {
        let (part, begun) = (part.to_owned(), Instant::now());
        async move {
            loop {
                let url = self.url().await;
                if url.contains(&part) {
                    return url;
                }
                assert!(begun.elapsed() < Duration::from_secs(30), "{part} never came: {url}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    pub(crate) async fn run(&self, script: &str) -> Value {
        self.ask("POST", "/execute/sync", json!({ "script": script, "args": [] })).await
    }

    pub(crate) async fn run_until_done(&self, script: &str) -> Value {
        self.ask("POST", "/execute/async", json!({ "script": script, "args": [] })).await
    }

    pub(crate) async fn tell(&self, command: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.ask("POST", "/goog/cdp/execute", body).await
    }

    pub(crate) async fn resize(&self, width: u32, height: u32) {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": true });
        self.tell("Emulation.setDeviceMetricsOverride", size).await;
    }

    pub(crate) async fn theme(&self, theme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": theme }] });
        self.tell("Emulation.setEmulatedMedia", features).await;
    }

    /// What went over the air since the last time, and that none of it went elsewhere.
    pub(crate) async fn traffic(&self) -> Traffic {
        let log = self.ask("POST", "/se/log", json!({ "type": "performance" })).await;
        let mut traffic = Traffic::default();
        for line in log.as_array().unwrap() {
            let line: Value = serde_json::from_str(line["message"].as_str().unwrap()).unwrap();
            let (method, told) = (&line["message"]["method"], &line["message"]["params"]);
            if method == "Network.requestWillBeSent" {
                let url = told["request"]["url"].as_str().unwrap_or_default();
                let ours = url.starts_with("http://127.0.0.1") || !url.starts_with("http");
                assert!(ours || told["type"] == "Document", "something was loaded from {url}");
                traffic.requests += 1;
            }
            if method == "Network.loadingFinished" {
                traffic.bytes += told["encodedDataLength"].as_f64().unwrap_or_default() as u64;
            }
        }
        traffic
    }

    pub(crate) async fn keep_picture(&self, name: &str) {
        use base64::Engine;
        let picture = self.ask("GET", "/screenshot", Value::Null).await;
        let picture =
            base64::engine::general_purpose::STANDARD.decode(picture.as_str().unwrap()).unwrap();
        let folder = super::home().join("pictures");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), picture).unwrap();
    }

    /// The sheet is closed: whatever the browser knew is gone.
    pub(crate) async fn close(self) {
        let path = format!("/session/{}", self.session);
        let _ = self.try_send("DELETE", &path, Value::Null).await;
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn capabilities(kind: Kind) -> Value {
    let scripts = if kind.scripts { 1 } else { 2 };
    let options = json!({
        "args": [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-default-apps", "--disable-sync", "--hide-scrollbars",
            // Nobody beyond this machine is ever asked for anything.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        ],
        "prefs": {
            "profile.managed_default_content_settings.javascript": scripts,
            // Cookies and storage together.
            "profile.default_content_setting_values.cookies": 2,
            "intl.accept_languages": kind.languages,
        },
        "mobileEmulation": {
            "deviceMetrics": { "width": kind.width, "height": 640, "pixelRatio": 1.0, "touch": true },
            "userAgent": "Mozilla/5.0 (Linux; Android 11; TECNO) CaptivePortalLogin",
        },
    });
    json!({ "capabilities": { "alwaysMatch": {
        "browserName": "chrome",
        "goog:chromeOptions": options,
        "goog:loggingPrefs": { "performance": "ALL", "browser": "ALL" },
        // The wait page loads itself again: who waits for the end of that waits for ever.
        "pageLoadStrategy": "eager",
        "timeouts": { "script": 30_000, "pageLoad": 20_000 },
    } } })
}

fn port_of(driver: &mut Child) -> u16 {
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
        let (_, after) = line.split_once("successfully on port ")?;
        after.trim().trim_end_matches('.').parse().ok()
    });
    // What it says later nobody reads; its pipe must not fill up.
    std::thread::spawn(move || lines.for_each(drop));
    port.expect("chromedriver says on which port it listens")
}
