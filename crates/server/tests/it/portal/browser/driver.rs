//! A phone's browser: Debian's Chromium behind its own driver, spoken to in WebDriver's JSON
//! (W3C WebDriver, and `goog/cdp/execute` of ChromeDriver). Only this machine is in its world.
//!
//! Every wait has an end, and says then what is on the screen. WebDriver's own click is never used:
//! before it touches, ChromeDriver waits for a timer inside the page, and where scripts are off no
//! timer ever fires; it went on when the garbage was collected, after half a minute or never. Fingers
//! and eyes therefore go by `Input.dispatchTouchEvent` and `Runtime.evaluate`, which need no timers.

use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, MutexGuard};

/// One browser at a time: two on two cores are slow enough to fail by time alone.
static TURN: Mutex<()> = Mutex::const_new(());
/// Longer than this no command takes, not even a page on the worst line.
const COMMAND: Duration = Duration::from_secs(25);
/// Longer than this nobody waits for the next page.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long somebody looks for a thing on a page.
const GLANCE: Duration = Duration::from_secs(10);

/// What a browser is like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) scripts: bool,
    /// Cookies and storage together; the browser keeps neither apart from the other.
    pub(crate) cookies: bool,
    pub(crate) width: u32,
    pub(crate) languages: &'static str,
}

impl Default for Kind {
    /// A small phone with everything off that a mini-browser may not have.
    fn default() -> Kind {
        Kind { scripts: false, cookies: false, width: 360, languages: "en" }
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
    /// Where it went, in order: the addresses of whole pages.
    pub(crate) navigations: Vec<String>,
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
            navigations: Vec::new(),
            _turn: turn,
        };
        let made = browser.send("POST", "/session", capabilities(kind)).await;
        browser.session = made["sessionId"].as_str().unwrap().to_owned();
        browser
    }

    async fn send(&self, method: &str, path: &str, body: Value) -> Value {
        match self.try_send(method, path, body).await {
            Ok(value) => value,
            Err(told) => panic!("{method} {path}: {told}\n{}", self.screen().await),
        }
    }

    async fn try_send(&self, method: &str, path: &str, body: Value) -> Result<Value, Value> {
        let answer = tokio::time::timeout(COMMAND, self.exchange(method, path, body)).await;
        answer.unwrap_or_else(|_| Err(json!(format!("no answer in {COMMAND:?}"))))
    }

    async fn exchange(&self, method: &str, path: &str, body: Value) -> Result<Value, Value> {
        let body =
            if method == "GET" || method == "DELETE" { String::new() } else { body.to_string() };
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.address))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        let response = self.client.request(request).await.map_err(|e| json!(e.to_string()))?;
        let ok = response.status().is_success();
        let body = response.into_body().collect().await.map_err(|e| json!(e.to_string()))?;
        let mut told: Value = serde_json::from_slice(&body.to_bytes()).unwrap();
        if ok { Ok(told["value"].take()) } else { Err(told) }
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> Value {
        self.send(method, &format!("/session/{}{path}", self.session), body).await
    }

    /// Opens an address, and goes on when that page, or the one that it leads to, is there.
    pub(crate) async fn visit(&self, url: &str) {
        self.leaves().await;
        self.ask("POST", "/url", json!({ "url": url })).await;
        self.arrives(url).await;
    }

    /// Marks the page as one that is behind.
    async fn leaves(&self) {
        self.look("page", "document.left = 1").await;
    }

    /// Waits for a page without that mark.
    async fn arrives(&self, by: &str) {
        let begun = Instant::now();
        let fresh = "document.left !== 1 && document.readyState !== 'loading'";
        while self.try_look(fresh).await != Ok(Value::Bool(true)) {
            let waited = begun.elapsed();
            assert!(waited < PATIENCE, "{by} leads nowhere\n{}", self.screen().await);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until the page has asked for itself once more.
    pub(crate) async fn comes_again(&self) {
        self.leaves().await;
        self.arrives("this page").await;
    }

    /// What an expression is on the page as it stands; an error while one page replaces another.
    async fn try_look(&self, expression: &str) -> Result<Value, Value> {
        let parameters = json!({ "expression": expression, "returnByValue": true });
        let body = json!({ "cmd": "Runtime.evaluate", "params": parameters });
        let path = format!("/session/{}/goog/cdp/execute", self.session);
        let mut told = self.try_send("POST", &path, body).await?;
        match told.get("exceptionDetails") {
            Some(fault) => Err(fault.clone()),
            None => Ok(told["result"]["value"].take()),
        }
    }

    /// Looks again and again until there is something to see.
    pub(crate) async fn look(&self, what: &str, expression: &str) -> Value {
        let begun = Instant::now();
        loop {
            let seen = self.try_look(expression).await;
            match seen {
                Ok(seen) if !seen.is_null() => return seen,
                // A page that goes on by itself may do so just now.
                _ if begun.elapsed() < GLANCE => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                seen => panic!("no {what} in {GLANCE:?}: {seen:?}\n{}", self.screen().await),
            }
        }
    }

    /// What a person would read out on the phone: address, heading, text.
    pub(crate) async fn screen(&self) -> String {
        const SCREEN: &str = "location.href + '\\n' + (document.querySelector('h1')?.innerText) \
            + '\\n' + document.body.innerText";
        let limit = Duration::from_secs(3);
        match tokio::time::timeout(limit, self.try_look(SCREEN)).await {
            Ok(Ok(seen)) => format!("on the screen: {}", seen.as_str().unwrap_or_default()),
            seen => format!("the screen cannot be seen: {seen:?}"),
        }
    }

    pub(crate) async fn url(&self) -> String {
        self.look("address", "location.href").await.as_str().unwrap().to_owned()
    }

    pub(crate) async fn heading(&self) -> String {
        self.text("h1").await
    }

    /// The whole page as a person reads it.
    pub(crate) async fn page(&self) -> String {
        self.text("body").await
    }

    pub(crate) async fn text(&self, css: &str) -> String {
        let text = format!("{}?.innerText", element(css));
        self.look(css, &text).await.as_str().unwrap().trim().to_owned()
    }

    pub(crate) async fn value(&self, css: &str) -> String {
        self.look(css, &format!("{}?.value", element(css))).await.as_str().unwrap().to_owned()
    }

    pub(crate) async fn has(&self, css: &str) -> bool {
        self.look(css, &format!("{} !== null", element(css))).await == true
    }

    /// A finger on it, where it can be seen. What comes of it is not waited for.
    pub(crate) async fn tap(&mut self, css: &str) {
        // Scrolls to it, and gives its middle if nothing lies above it there.
        let middle = format!(
            "(() => {{ const e = {}; if (!e) return null; e.scrollIntoView({{ block: 'center' }}); \
             const r = e.getBoundingClientRect(); const x = r.x + r.width / 2, y = r.y + r.height / 2; \
             const top = document.elementFromPoint(x, y); \
             return top && (e.contains(top) || top.contains(e)) ? [x, y] : null; }})()",
            element(css)
        );
        let middle = self.look(css, &middle).await;
        self.taps += 1;
        let point = json!([{ "x": middle[0], "y": middle[1] }]);
        self.touch("touchStart", point).await;
        self.touch("touchEnd", json!([])).await;
    }

    async fn touch(&self, what: &str, points: Value) {
        self.tell("Input.dispatchTouchEvent", json!({ "type": what, "touchPoints": points })).await;
    }

    /// The same for what leads to another page: goes on when that is there.
    pub(crate) async fn follow(&mut self, css: &str) {
        self.leaves().await;
        self.tap(css).await;
        self.arrives(css).await;
    }

    /// Puts a text where another may have been, by the keyboard.
    pub(crate) async fn type_into(&mut self, css: &str, text: &str) {
        self.typed += text.chars().count();
        let ready = format!("(e => e && (e.focus(), e.select(), true))({})", element(css));
        self.look(css, &ready).await;
        self.tell("Input.insertText", json!({ "text": text })).await;
        assert_eq!(self.value(css).await, text, "{css} takes no text");
    }

    /// Waits until the address says so; nothing else is looked at, as a person looks at nothing else.
    pub(crate) async fn until(&self, part: &str) -> String {
        let begun = Instant::now();
        loop {
            let url = self.url().await;
            if url.contains(part) {
                return url;
            }
            let waited = begun.elapsed();
            assert!(waited < PATIENCE, "{part} never came\n{}", self.screen().await);
            tokio::time::sleep(Duration::from_millis(20)).await;
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

    /// The air is as bad as that, in kilobits a second and milliseconds there and back.
    pub(crate) async fn throttle(&self, kilobits: f64, latency: f64) {
        self.air(kilobits * 1_000.0 / 8.0, latency).await;
    }

    /// The air is clear.
    pub(crate) async fn unthrottle(&self) {
        self.air(-1.0, 0.0).await;
    }

    async fn air(&self, rate: f64, latency: f64) {
        self.tell("Network.enable", json!({})).await;
        let line = json!({ "offline": false, "latency": latency, "downloadThroughput": rate, "uploadThroughput": rate });
        self.tell("Network.emulateNetworkConditions", line).await;
    }

    /// A screen of that width, with so many dots to a pixel: two and half the width is a page that
    /// was made twice as large. Goes on when the page has that width; it must name its viewport.
    pub(crate) async fn resize(&self, width: u32, dots: u32) {
        let height = 640 / dots;
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": dots, "mobile": true });
        self.tell("Emulation.setDeviceMetricsOverride", size).await;
        let resized = format!("document.documentElement.clientWidth === {width} || null");
        self.look(&format!("page of {width} pixels"), &resized).await;
    }

    pub(crate) async fn theme(&self, theme: &str) {
        self.prefers(&[("prefers-color-scheme", theme)]).await;
    }

    /// What its owner has set, by the names of media queries; the rest is as usual.
    pub(crate) async fn prefers(&self, features: &[(&str, &str)]) {
        let feature = |(name, value): &(&str, &str)| json!({ "name": name, "value": value });
        let features: Vec<Value> = features.iter().map(feature).collect();
        self.tell("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    /// A key, down and up: `Tab`, `Enter`, `Space` or an arrow.
    pub(crate) async fn press(&self, key: &str) {
        let (key, code, number, text) = match key {
            "Tab" => ("Tab", "Tab", 9, ""),
            "Enter" => ("Enter", "Enter", 13, "\r"),
            "Space" => (" ", "Space", 32, " "),
            "Down" => ("ArrowDown", "ArrowDown", 40, ""),
            other => panic!("there is no key {other}"),
        };
        let event = |what| json!({ "type": what, "key": key, "code": code, "windowsVirtualKeyCode": number, "text": text });
        let down = if text.is_empty() { "rawKeyDown" } else { "keyDown" };
        self.tell("Input.dispatchKeyEvent", event(down)).await;
        self.tell("Input.dispatchKeyEvent", event("keyUp")).await;
    }

    /// Enter where it leads to another page: goes on when that is there.
    pub(crate) async fn enter(&self) {
        self.leaves().await;
        self.press("Enter").await;
        self.arrives("Enter").await;
    }

    /// Types where the keyboard is.
    pub(crate) async fn type_here(&mut self, text: &str) {
        self.typed += text.chars().count();
        self.tell("Input.insertText", json!({ "text": text })).await;
    }

    /// What went over the air since the last time, and that none of it went elsewhere.
    pub(crate) async fn traffic(&mut self) -> Traffic {
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
                // An answer that only leads on weighs too.
                let before = &told["redirectResponse"]["encodedDataLength"];
                traffic.bytes += before.as_f64().unwrap_or_default() as u64;
            }
            if method == "Page.frameNavigated" && told["frame"].get("parentId").is_none() {
                self.navigations.push(told["frame"]["url"].as_str().unwrap().to_owned());
            }
            if method == "Network.loadingFinished" {
                traffic.bytes += told["encodedDataLength"].as_f64().unwrap_or_default() as u64;
            }
        }
        traffic
    }

    /// Complaints of the browser: scripts that failed, and what the page's own policy forbids.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.ask("POST", "/se/log", json!({ "type": "browser" })).await;
        let of = |line: &Value| line["message"].as_str().unwrap_or_default().to_owned();
        let complaints = log.as_array().unwrap().iter().map(of);
        complaints.filter(|line| !line.contains("favicon.ico")).collect()
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

    /// How many cookies the browser was given and kept.
    pub(crate) async fn cookies(&self) -> usize {
        let all = self.tell("Network.getAllCookies", json!({})).await;
        all["cookies"].as_array().unwrap().len()
    }

    /// The browser is no longer needed.
    pub(crate) async fn close(self) {
        let path = format!("/session/{}", self.session);
        let _ = self.try_send("DELETE", &path, Value::Null).await;
    }

    /// The sheet is closed and opened again, with nothing left of before.
    pub(crate) async fn reopen(&mut self, kind: Kind) {
        let path = format!("/session/{}", self.session);
        let _ = self.try_send("DELETE", &path, Value::Null).await;
        let made = self.send("POST", "/session", capabilities(kind)).await;
        self.session = made["sessionId"].as_str().unwrap().to_owned();
    }
}

impl Drop for Browser {
    /// A driver that is killed leaves its browser behind; asked to stop, it takes it along.
    fn drop(&mut self) {
        let place = self.address.trim_start_matches("http://");
        if let Ok(mut stream) = TcpStream::connect(place) {
            let limit = Some(Duration::from_secs(5));
            let _ = stream.set_read_timeout(limit);
            let _ = write!(stream, "GET /shutdown HTTP/1.1\r\nHost: {place}\r\n\r\n");
            let _ = stream.read(&mut [0; 64]);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// The first of its kind on the page, or null.
fn element(css: &str) -> String {
    format!("document.querySelector({})", Value::from(css))
}

fn capabilities(kind: Kind) -> Value {
    let allowed = |is| if is { 1 } else { 2 };
    let (scripts, cookies) = (allowed(kind.scripts), allowed(kind.cookies));
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
            "profile.default_content_setting_values.cookies": cookies,
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
        // Pages are waited for here, where it is known which: the driver would wait for any.
        "pageLoadStrategy": "none",
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
