//! What public clients of RouterOS recorded, said to the simulated router: its answers must have
//! the recorded shape.
//!
//! Compared are the reply words, the tags, what a trap says, and every recorded attribute; a row
//! or trap may say more than the recording did, an end may not. Where attributes stand in a
//! sentence is undefined, and so is how the sentences of different tags interleave. What differs
//! from router to router is masked by the filters that an exchange names.

use std::collections::HashMap;

use lango_router_sim::{Account, Settings};
use lango_routeros::challenge::api_response;
use serde_json::Value;

use crate::Site;
use crate::api::Raw;
use crate::exchange::{self, Exchange, Step, Word, pair, tag, words};
use crate::rest::ask;

#[tokio::test]
async fn the_router_answers_as_recorded() {
    let all = exchange::exchanges(".", "router");
    assert!(all.len() >= 18, "only {} exchanges were found", all.len());
    for exchange in all {
        Replay::of(&exchange).await.play(&exchange).await;
    }
}

#[tokio::test]
async fn rest_answers_as_recorded() {
    let all = exchange::exchanges("rest", "router");
    assert!(all.len() >= 4, "only {} exchanges were found", all.len());
    for exchange in all {
        play_rest(&exchange).await;
    }
}

struct Replay {
    name: String,
    site: Site,
    raw: Raw,
    masks: Masks,
    password: String,
    /// The last `ret`: a challenge has to be answered as it was made.
    ret: String,
}

impl Replay {
    async fn of(exchange: &Exchange) -> Replay {
        let (user, password) = user(exchange);
        let site = site(exchange, &user, &password);
        let mut raw = Raw::connect(&site).await;
        let begins_with_login =
            matches!(&exchange.steps[0], Step::ClientSays(line) if line.starts_with("/login"));
        if !begins_with_login {
            raw.say(&["/login", "=name=lango", "=password=secret"]).await;
            assert_eq!(raw.hear_bytes().await, [b"!done"], "{}", exchange.name);
        }
        let (name, masks) = (exchange.name.clone(), Masks::of(exchange));
        Replay { name, site, raw, masks, password, ret: String::new() }
    }

    async fn play(mut self, exchange: &Exchange) {
        let mut steps = exchange.steps.iter().peekable();
        while let Some(step) = steps.next() {
            match step {
                Step::ClientSays(line) => self.client_says(words(line)).await,
                Step::Console(line) => self.console(words(line)).await,
                Step::HangsUp => panic!("{}: the router does not hang up here", self.name),
                Step::RouterSays(line) => {
                    let mut recorded = vec![words(line)];
                    while let Some(Step::RouterSays(line)) = steps.peek() {
                        recorded.push(words(line));
                        steps.next();
                    }
                    self.hear(recorded).await;
                }
            }
        }
        let more = self.settle().await;
        assert!(more.is_empty(), "{}: it said more: {}", self.name, shown(&more));
    }

    async fn client_says(&mut self, recorded: Vec<Word>) {
        let mut said = self.masks.ours(recorded);
        for word in &mut said {
            if word == b"=response=ANSWER" {
                let answer = api_response(&self.password, &self.ret).unwrap();
                *word = format!("=response={answer}").into_bytes();
            }
        }
        self.raw.say(&said).await;
    }

    /// Somebody does something at the router itself, after it has read all that was said.
    async fn console(&mut self, recorded: Vec<Word>) {
        let early = self.settle().await;
        assert!(early.is_empty(), "{}: too early: {}", self.name, shown(&early));
        let deed = self.masks.ours(recorded);
        let path = String::from_utf8(deed[0].clone()).unwrap();
        let values = texts(&deed[1..]);
        self.site.router.run(&path, &borrowed(&values)).unwrap();
    }

    /// What it says before it answers a command of our own.
    async fn settle(&mut self) -> Vec<Vec<Word>> {
        self.raw.say(&["/system/identity/set", ".tag=settled"]).await;
        let mut said = Vec::new();
        loop {
            let sentence = self.raw.hear_bytes().await;
            assert!(!sentence.is_empty(), "{}: the router hung up", self.name);
            // A stranger is answered too, in its way.
            let is_stranger = sentence == [&b"!fatal"[..], b"not logged in"];
            if is_stranger || tag(&sentence) == Some(b"settled") {
                return said;
            }
            said.push(sentence);
        }
    }

    async fn hear(&mut self, mut recorded: Vec<Vec<Word>>) {
        let mut said = Vec::new();
        for _ in &recorded {
            said.push(self.raw.hear_bytes().await);
        }
        // Stable: the order within one tag counts.
        recorded.sort_by_key(|sentence| tag(sentence).map(<[u8]>::to_vec));
        said.sort_by_key(|sentence| tag(sentence).map(<[u8]>::to_vec));
        for (recorded, said) in recorded.iter().zip(&said) {
            let differs = self.difference(recorded, said);
            let both = shown(&[recorded.clone(), said.clone()]);
            assert!(differs.is_none(), "{}: {}\n{both}", self.name, differs.unwrap_or_default());
        }
    }

    fn difference(&mut self, recorded: &[Word], said: &[Word]) -> Option<String> {
        if recorded.first() != said.first() {
            return Some("another reply word".to_owned());
        }
        if tag(recorded) != tag(said) {
            return Some("another tag".to_owned());
        }
        let attributes = |sentence: &[Word]| -> HashMap<Word, Word> {
            let words = sentence.iter().filter(|word| word.starts_with(b"="));
            words.map(|word| pair(word)).map(|(n, v)| (n.to_vec(), v.to_vec())).collect()
        };
        let (recorded_attributes, said_attributes) = (attributes(recorded), attributes(said));
        if recorded[0] == b"!done" && recorded_attributes.len() != said_attributes.len() {
            return Some("another end".to_owned());
        }
        if let Some(ret) = said_attributes.get(b"ret".as_slice()) {
            self.ret = String::from_utf8_lossy(ret).into_owned();
        }
        for (name, value) in &recorded_attributes {
            let Some(ours) = said_attributes.get(name) else {
                return Some(format!("no {}", name.escape_ascii()));
            };
            if !self.masks.agree(value, ours) {
                return Some(format!("another {}", name.escape_ascii()));
            }
        }
        None
    }
}

/// The named filters, and which of our ids stands for which recorded one.
struct Masks {
    filters: Vec<String>,
    ids: HashMap<Word, Word>,
}

impl Masks {
    fn of(exchange: &Exchange) -> Masks {
        let masks = exchange.settings.iter().filter(|(name, _)| name == "mask");
        let filters = masks.flat_map(|(_, names)| names.split(' ')).map(str::to_owned).collect();
        Masks { filters, ids: HashMap::new() }
    }

    fn agree(&mut self, recorded: &[u8], said: &[u8]) -> bool {
        let filters = self.filters.clone();
        recorded == said || filters.iter().any(|filter| self.passes(filter, recorded, said))
    }

    /// Whether both values are of the kind that a filter masks.
    fn passes(&mut self, filter: &str, recorded: &[u8], said: &[u8]) -> bool {
        let both = |is: &dyn Fn(&[u8]) -> bool| is(recorded) && is(said);
        match filter {
            // An item that was met before must be the same again.
            "ids" => {
                let met = || said.to_vec();
                both(&is_id) && self.ids.entry(recorded.to_vec()).or_insert_with(met) == said
            }
            // Versions add ` (4)` or a word to a text.
            "longer-text" => said.starts_with(recorded),
            // The recorded challenge is shorter than a router's.
            "challenge" => is_hex(recorded) && is_hex(said) && said.len() == 32,
            "numbers" => both(&|value| !value.is_empty() && value.iter().all(u8::is_ascii_digit)),
            "uptime" => both(&|value| {
                let text = std::str::from_utf8(value).unwrap_or_default();
                lango_routeros::values::parse_duration(text).is_some()
            }),
            "times" => both(&|value| {
                let text = std::str::from_utf8(value).unwrap_or_default();
                lango_routeros::values::LocalDateTime::parse(text).is_some()
            }),
            other => panic!("no filter is called {other}"),
        }
    }

    /// Recorded words with our ids in them.
    fn ours(&self, recorded: Vec<Word>) -> Vec<Word> {
        recorded.into_iter().map(|word| self.our_word(word)).collect()
    }

    fn our_word(&self, word: Word) -> Word {
        let Some(star) = word.iter().position(|byte| *byte == b'*') else { return word };
        match self.ids.get(&word[star..]) {
            Some(id) => [&word[..star], id.as_slice()].concat(),
            None => word,
        }
    }
}

fn is_id(value: &[u8]) -> bool {
    value.strip_prefix(b"*").is_some_and(is_hex)
}

fn is_hex(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(u8::is_ascii_hexdigit)
}

fn setting<'a>(exchange: &'a Exchange, name: &str) -> Option<&'a str> {
    let mut settings = exchange.settings.iter();
    settings.find(|(other, _)| other == name).map(|(_, value)| value.as_str())
}

fn user(exchange: &Exchange) -> (String, String) {
    let user = setting(exchange, "user").unwrap_or("lango secret");
    let (name, password) = user.split_once(' ').unwrap();
    (name.to_owned(), password.to_owned())
}

fn site(exchange: &Exchange, user: &str, password: &str) -> Site {
    let mut settings =
        Settings { users: vec![Account::new(user, password, "full")], ..Settings::default() };
    if let Some(version) = setting(exchange, "version") {
        settings.version = version.to_owned();
    }
    let site = Site::with(settings);
    for (_, row) in exchange.settings.iter().filter(|(name, _)| name == "owns") {
        let row = words(row);
        let values = texts(&row[1..]);
        let menu = String::from_utf8(row[0].clone()).unwrap();
        site.router.add(&menu, &borrowed(&values)).unwrap();
    }
    site.router.faults().tag_last(setting(exchange, "tag-last").is_some());
    site
}

fn texts(words: &[Word]) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    words.iter().map(|word| pair(word)).map(|(n, v)| (text(n), text(v))).collect()
}

fn borrowed(values: &[(String, String)]) -> Vec<(&str, &str)> {
    values.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn shown(sentences: &[Vec<Word>]) -> String {
    let lines = sentences.iter().map(|words| words.join(&b' ').escape_ascii().to_string());
    lines.collect::<Vec<_>>().join("\n")
}

async fn play_rest(exchange: &Exchange) {
    let name = &exchange.name;
    let site = site(exchange, "lango", "secret");
    let [Step::ClientSays(request), Step::RouterSays(answer)] = exchange.steps.as_slice() else {
        panic!("{name}: one request and one answer");
    };
    let mut parts = request.splitn(3, ' ');
    let (method, path) = (parts.next().unwrap(), parts.next().unwrap());
    let (status, body) = ask(&site, method, path, parts.next().unwrap_or_default()).await;
    let (recorded_status, recorded) = answer.split_once(' ').unwrap();
    assert_eq!(status.to_string(), recorded_status, "{name}: {body}");
    let recorded: Value = serde_json::from_str(recorded).unwrap();
    let said: Value = serde_json::from_str(&body).unwrap();
    let mut masks = Masks::of(exchange);
    assert!(has_shape(&recorded, &said, &mut masks), "{name}:\n{recorded}\n{said}");
}

/// An object may say more than the recorded one; of the text that explains a refusal the
/// beginning counts, versions add ` (4)` and the like.
fn has_shape(recorded: &Value, said: &Value, masks: &mut Masks) -> bool {
    match (recorded, said) {
        (Value::Object(recorded), Value::Object(said)) => recorded.iter().all(|(name, value)| {
            let ours = said.get(name);
            let explains = |ours: &Value| {
                let (text, ours) = (value.as_str().unwrap(), ours.as_str().unwrap_or_default());
                name == "detail" && ours.starts_with(text)
            };
            ours.is_some_and(|ours| {
                name == "detail" && explains(ours) || has_shape(value, ours, masks)
            })
        }),
        (Value::Array(recorded), Value::Array(said)) => {
            recorded.len() == said.len()
                && recorded.iter().zip(said).all(|(one, other)| has_shape(one, other, masks))
        }
        (Value::String(recorded), Value::String(said)) => {
            masks.agree(recorded.as_bytes(), said.as_bytes())
        }
        (recorded, said) => recorded == said,
    }
}
