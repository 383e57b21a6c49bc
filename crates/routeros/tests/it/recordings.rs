//! What public clients of RouterOS are tested with, played to ours: a scripted router says what
//! it was recorded to say and checks every byte our client sends.

use std::collections::HashMap;

use bytes::BytesMut;
use lango_routeros::sentence::{CodecError, Decoder, encode_length};
use lango_routeros::{
    Connection, Credentials, Error, ItemId, Listener, Print, Protocol, Query, Reply, Row, Tls,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::exchange::{self, Exchange, Step, Word, pair, tag, words};
use crate::fake_router::{PATIENT, endpoint, wire};
use crate::rest;

/// What a caller got, in the words of an exchange's `=` lines.
type Outcome = Vec<Vec<Word>>;

#[tokio::test]
async fn recorded_exchanges_end_the_same_with_our_client() {
    let all = exchange::exchanges(".", "client");
    assert!(all.len() >= 45, "only {} exchanges were found", all.len());
    for exchange in all {
        let outcome = Replay::of(&exchange).await.play(&exchange).await;
        assert_eq!(shown(&outcome), shown(&exchange.outcome), "{}", exchange.name);
    }
}

#[tokio::test]
async fn recorded_answers_of_rest_mean_the_same_to_our_client() {
    let all = exchange::exchanges("rest", "client");
    assert!(all.len() >= 8, "only {} exchanges were found", all.len());
    for exchange in all {
        let outcome = play_rest(&exchange).await;
        assert_eq!(shown(&outcome), shown(&exchange.outcome), "{}", exchange.name);
    }
}

/// A client, and the router that its connection ends at.
struct Replay {
    name: String,
    opening: Option<JoinHandle<Result<Connection, Error>>>,
    connection: Option<Connection>,
    stream: TcpStream,
    heard: BytesMut,
    /// The client's own tags by the recorded ones.
    tags: HashMap<Word, Word>,
    calls: Vec<Call>,
    outcome: Outcome,
}

enum Call {
    Asked(JoinHandle<Outcome>),
    /// A listener, its recorded tag, and the rows it was sent and has not been asked for.
    Listens(Listener, Word, usize),
    Over(Outcome),
}

impl Replay {
    async fn of(exchange: &Exchange) -> Replay {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (user, password) = who(exchange);
        let opening = tokio::spawn(async move {
            let credentials = Credentials::new(user, password);
            Connection::open(&endpoint(port, Protocol::Api, Tls::Off), &credentials, PATIENT).await
        });
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        Replay {
            name: exchange.name.clone(),
            opening: Some(opening),
            connection: None,
            stream,
            heard: BytesMut::new(),
            tags: HashMap::new(),
            calls: Vec::new(),
            outcome: Vec::new(),
        }
    }

    async fn play(mut self, exchange: &Exchange) -> Outcome {
        let begins_with_login = login(exchange).is_some();
        if !begins_with_login {
            self.hear(&words("/login =name=lango =password=passTest")).await;
            self.stream.write_all(&wire(&["!done"])).await.unwrap();
            self.opened().await.unwrap();
        }
        for step in &exchange.steps {
            match step {
                Step::ClientSays(line) => self.client_says(&words(line)).await,
                Step::RouterSays(line) => self.router_says(&words(line)).await,
                Step::HangsUp => self.stream.shutdown().await.unwrap(),
                // The answers that follow are recorded too.
                Step::Console(deed) => assert!(deed.starts_with('/'), "{deed}"),
            }
        }
        if begins_with_login {
            let line = match self.opened().await {
                Ok(()) => words("logged-in"),
                Err(error) => failure(&error),
            };
            self.outcome.push(line);
        }
        self.finish().await
    }

    async fn opened(&mut self) -> Result<(), Error> {
        let opening = self.opening.take().expect("a connection opens once");
        self.connection = Some(opening.await.unwrap()?);
        Ok(())
    }

    async fn client_says(&mut self, words: &[Word]) {
        match words[0].as_slice() {
            b"/login" => {}
            b"/cancel" => self.stop_listening(words).await,
            _ => {
                let connection = self.connection.clone().expect("the login comes first");
                self.calls.push(call(connection, words).await);
            }
        }
        self.hear(words).await;
    }

    async fn stop_listening(&mut self, words: &[Word]) {
        let wanted = words.iter().map(|word| pair(word)).find(|(name, _)| *name == b"tag");
        let wanted = wanted.expect("a cancel names a tag").1;
        let listens =
            |call: &&mut Call| matches!(call, Call::Listens(_, tag, _) if tag.as_slice() == wanted);
        let call = self.calls.iter_mut().find(listens).expect("there is such a listener");
        let mut changes = Vec::new();
        if let Call::Listens(listener, _, due) = call {
            for _ in 0..*due {
                changes.push(change(listener).await.expect("the change was sent"));
            }
        }
        *call = Call::Over(changes);
    }

    /// Checks the bytes of the client's next sentence: the recorded words, its own tag at the end.
    async fn hear(&mut self, recorded: &[Word]) {
        let sentence = loop {
            let mut decoder = Decoder::new();
            decoder.feed(&self.heard);
            if let Some(sentence) = decoder.next().unwrap() {
                break sentence;
            }
            let read = self.stream.read_buf(&mut self.heard).await.unwrap();
            assert!(read > 0, "{}: the client hung up", self.name);
        };
        if let (Some(ours), Some(theirs)) = (sentence.tag(), tag(recorded)) {
            self.tags.insert(theirs.to_vec(), ours.to_vec());
        }
        let mut expected: Vec<Word> =
            recorded.iter().filter(|word| !word.starts_with(b".tag=")).cloned().collect();
        for word in &mut expected {
            if let Some(ours) = word.strip_prefix(b"=tag=").and_then(|tag| self.tags.get(tag)) {
                *word = [b"=tag=", ours.as_slice()].concat();
            }
        }
        expected.extend(sentence.tag().map(|tag| [b".tag=", tag].concat()));
        let expected = wire(&expected);
        let got = self.heard.split_to(expected.len().min(self.heard.len()));
        assert!(
            got == expected,
            "{}\n got {}\nwant {}",
            self.name,
            got.escape_ascii(),
            expected.escape_ascii()
        );
    }

    async fn router_says(&mut self, recorded: &[Word]) {
        let ours = |word: &Word| {
            let tag = word.strip_prefix(b".tag=").and_then(|tag| self.tags.get(tag));
            tag.map_or_else(|| word.clone(), |tag| [b".tag=", tag.as_slice()].concat())
        };
        let translated: Vec<Word> = recorded.iter().map(ours).collect();
        for call in &mut self.calls {
            if let Call::Listens(_, listener, due) = call {
                let is_its = tag(recorded) == Some(listener.as_slice());
                *due += usize::from(is_its && recorded[0] == b"!re");
            }
        }
        self.stream.write_all(&wire(&translated)).await.unwrap();
    }

    /// The outcome of every call in the order they were made; a connection that nothing ended
    /// must still work.
    async fn finish(mut self) -> Outcome {
        for call in std::mem::take(&mut self.calls) {
            let outcome = match call {
                Call::Asked(asked) => asked.await.unwrap(),
                Call::Over(outcome) => outcome,
                Call::Listens(listener, _, _) => until_it_ends(listener).await,
            };
            self.outcome.extend(outcome);
        }
        let ends = [&b"fatal"[..], b"unreachable", b"protocol", b"login-refused"];
        if !self.outcome.iter().any(|line| ends.contains(&line[0].as_slice())) {
            self.still_works().await;
        }
        self.outcome
    }

    async fn still_works(&mut self) {
        let connection = self.connection.clone().unwrap();
        let ping = tokio::spawn(async move { connection.ping().await });
        self.hear(&words("/system/identity/print .tag=ping")).await;
        self.router_says(&words("!re =name=core .tag=ping")).await;
        self.router_says(&words("!done .tag=ping")).await;
        ping.await.unwrap().expect("the connection works after the exchange");
    }
}

fn login(exchange: &Exchange) -> Option<Vec<Word>> {
    match exchange.steps.first() {
        Some(Step::ClientSays(line)) if line.starts_with("/login") => Some(words(line)),
        _ => None,
    }
}

fn who(exchange: &Exchange) -> (String, String) {
    let login = login(exchange).unwrap_or_else(|| words("/login =name=lango =password=passTest"));
    let of = |wanted: &[u8]| {
        let found = login.iter().map(|word| pair(word)).find(|(name, _)| *name == wanted);
        String::from_utf8(found.unwrap().1.to_vec()).unwrap()
    };
    (of(b"name"), of(b"password"))
}

/// Makes the call that a recorded command is.
async fn call(connection: Connection, words: &[Word]) -> Call {
    let asked = Asked::of(words);
    let (menu, verb) = asked.path.rsplit_once('/').unwrap();
    if verb == "listen" {
        let listener = connection.listen(menu, &[]).await.unwrap();
        return Call::Listens(listener, tag(words).unwrap().to_vec(), 0);
    }
    Call::Asked(tokio::spawn(async move {
        asked.ask(&connection).await.unwrap_or_else(|error| vec![failure(&error)])
    }))
}

/// A recorded command as a caller of our client would put it.
struct Asked {
    path: String,
    attributes: Vec<(String, String)>,
    query: Option<Query>,
}

impl Asked {
    fn of(words: &[Word]) -> Asked {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let attributes = words.iter().filter(|word| word.starts_with(b"=")).map(|word| pair(word));
        let terms = words.iter().filter_map(|word| word.strip_prefix(b"?")).map(text);
        Asked {
            path: text(&words[0]),
            attributes: attributes.map(|(name, value)| (text(name), text(value))).collect(),
            query: query(terms),
        }
    }

    async fn ask(&self, connection: &Connection) -> Result<Outcome, Error> {
        let (menu, verb) = self.path.rsplit_once('/').unwrap();
        let id = self.attributes.iter().find(|(name, _)| name == ".id");
        let id = id.map(|(_, id)| ItemId::new(id.clone()));
        let attributes: Vec<(&str, &str)> = self
            .attributes
            .iter()
            .filter(|(name, _)| name != ".proplist" && name != ".id")
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        match (verb, id) {
            ("print", _) => Ok(rows(&connection.print(self.print(menu)).await?, true)),
            ("add", _) => {
                let id = connection.add(menu, &attributes).await?;
                Ok(vec![vec![b"id".to_vec(), id.as_str().as_bytes().to_vec()]])
            }
            ("set", Some(id)) => connection.set(menu, &id, &attributes).await.map(|()| done()),
            ("remove", Some(id)) => connection.remove(menu, &id).await.map(|()| done()),
            _ => connection.run(&self.path, &attributes).await.map(|reply| whole(&reply)),
        }
    }

    fn print<'a>(&'a self, menu: &'a str) -> Print<'a> {
        let only = self.attributes.iter().find(|(name, _)| name == ".proplist");
        let only: Vec<&str> = only.map(|(_, names)| names.split(',').collect()).unwrap_or_default();
        // Lives as long as the test, as a caller's constant does.
        let print = Print::of(menu).only(Vec::leak(only));
        match &self.query {
            Some(query) => print.matching(query.clone()),
            None => print,
        }
    }
}

/// Builds the query whose words these are.
fn query(terms: impl Iterator<Item = String>) -> Option<Query> {
    let mut stack: Vec<Query> = Vec::new();
    for term in terms {
        let compared = |rest: &str| {
            let (name, value) = rest.split_once('=').unwrap();
            (name.to_owned(), value.to_owned())
        };
        let made = match term.split_at(1) {
            ("#", "!") => stack.pop().unwrap().negated(),
            ("#", operator) => {
                let (right, left) = (stack.pop().unwrap(), stack.pop().unwrap());
                if operator == "|" { left.or(right) } else { left.and(right) }
            }
            ("<", rest) => Query::less(&compared(rest).0, &compared(rest).1),
            (">", rest) => Query::greater(&compared(rest).0, &compared(rest).1),
            ("-", name) => Query::lacks(name),
            _ if term.contains('=') => Query::equals(&compared(&term).0, &compared(&term).1),
            _ => Query::has(&term),
        };
        stack.push(made);
    }
    assert!(stack.len() < 2, "our builder joins every condition");
    stack.pop()
}

async fn change(listener: &mut Listener) -> Option<Vec<Word>> {
    let change = listener.next().await?;
    if change.dead {
        let id = change.id().expect("a dead row has its id");
        return Some(vec![b"dead".to_vec(), id.as_str().as_bytes().to_vec()]);
    }
    Some(line("change", &change.row))
}

async fn until_it_ends(mut listener: Listener) -> Outcome {
    let mut outcome = Vec::new();
    while let Some(change) = change(&mut listener).await {
        outcome.push(change);
    }
    outcome.push(listener.failure().map_or_else(|| words("ended"), |error| failure(&error)));
    outcome
}

fn done() -> Outcome {
    vec![words("done")]
}

fn whole(reply: &Reply) -> Outcome {
    let mut outcome = rows(&reply.rows, reply.ret().is_none());
    if let Some(ret) = reply.ret() {
        outcome.push(vec![b"ret".to_vec(), ret.into_owned().into_bytes()]);
    }
    outcome
}

fn rows(rows: &[Row], is_all: bool) -> Outcome {
    if rows.is_empty() && is_all {
        return vec![words("nothing")];
    }
    rows.iter().map(|row| line("row", row)).collect()
}

fn line(kind: &str, row: &Row) -> Vec<Word> {
    let pairs = row.attributes().map(|(name, value)| [name, b"=", value].concat());
    std::iter::once(kind.as_bytes().to_vec()).chain(pairs).collect()
}

fn failure(error: &Error) -> Vec<Word> {
    let refused = |kind: &str, trap: &lango_routeros::Trap| {
        let category = trap.category.map_or_else(|| "-".to_owned(), |number| number.to_string());
        [kind, &category, &trap.message].map(|word| word.as_bytes().to_vec()).to_vec()
    };
    match error {
        Error::Refused { trap, .. } => refused("refused", trap),
        Error::LoginRefused { trap, .. } => refused("login-refused", trap),
        Error::Fatal { reason, .. } => vec![b"fatal".to_vec(), reason.as_bytes().to_vec()],
        Error::Unreachable { .. } => words("unreachable"),
        Error::Protocol { .. } => words("protocol"),
        other => panic!("no exchange ends like this: {other:?}"),
    }
}

fn shown(outcome: &[Vec<Word>]) -> Vec<String> {
    outcome.iter().map(|line| line.join(&b" | "[..]).escape_ascii().to_string()).collect()
}

async fn play_rest(exchange: &Exchange) -> Outcome {
    let [Step::ClientSays(request), Step::RouterSays(answer)] = exchange.steps.as_slice() else {
        panic!("{}: one request and one answer", exchange.name);
    };
    let (connection, service) = rest::open().await;
    let (status, body) = answer.split_once(' ').unwrap_or((answer, ""));
    service.will_answer(status.parse().unwrap(), body);
    let outcome = ask_rest(&connection, request).await;
    let (method, path) = request.split_once(' ').unwrap();
    assert_eq!(service.asked(), [format!("{method} /rest{path}")], "{}", exchange.name);
    outcome.unwrap_or_else(|error| vec![failure(&error)])
}

async fn ask_rest(connection: &Connection, request: &str) -> Result<Outcome, Error> {
    let mut parts = request.splitn(3, ' ');
    let (method, path) = (parts.next().unwrap(), parts.next().unwrap());
    let body: serde_json::Map<String, serde_json::Value> =
        parts.next().map(|body| serde_json::from_str(body).unwrap()).unwrap_or_default();
    let texts = body.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)));
    let attributes: Vec<(&str, &str)> = texts.collect();
    match method {
        "PUT" => {
            let id = connection.add(path, &attributes).await?;
            Ok(vec![vec![b"id".to_vec(), id.as_str().as_bytes().to_vec()]])
        }
        "DELETE" => {
            let (menu, id) = path.rsplit_once('/').unwrap();
            connection.remove(menu, &ItemId::new(id)).await.map(|()| done())
        }
        _ => match body.get(".query").and_then(|terms| terms.as_array()) {
            Some(terms) => {
                let terms = terms.iter().map(|term| term.as_str().unwrap().to_owned());
                let print = Print::of(path.strip_suffix("/print").unwrap());
                let print = print.matching(query(terms).unwrap());
                Ok(rows(&connection.print(print).await?, true))
            }
            None => connection.run(path, &attributes).await.map(|reply| whole(&reply)),
        },
    }
}

#[test]
fn lengths_are_written_and_read_as_everybody_does() {
    let text = std::fs::read_to_string(exchange::data().join("vectors/lengths.txt")).unwrap();
    assert!(text.starts_with("# Source: "));
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(lines.len() >= 30, "only {} vectors were found", lines.len());
    for line in lines {
        let (length, hex) = line.split_once(' ').unwrap();
        let prefix: Vec<u8> = (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect();
        match length {
            "reserved" => {
                assert_eq!(announced(&prefix), Err(CodecError::ReservedByte(prefix[0])), "{line}");
            }
            "partial" => assert_eq!(announced(&prefix), Ok(None), "{line}"),
            length => {
                let length = usize::from_str_radix(length, 16).unwrap();
                let mut written = BytesMut::new();
                encode_length(length, &mut written);
                assert_eq!(written, prefix, "{line}");
                assert_eq!(announced(&prefix), Ok(Some(length)), "{line}");
            }
        }
    }
}

/// What a prefix announces: a decoder that takes no words at all says so when it refuses one.
fn announced(prefix: &[u8]) -> Result<Option<usize>, CodecError> {
    let mut decoder = Decoder::with_limit(0);
    decoder.feed(prefix);
    match decoder.next() {
        // An empty word is never too long; it was read if nothing is left of it.
        Ok(_) if !decoder.is_mid_sentence() => Ok(Some(0)),
        Ok(_) => Ok(None),
        Err(CodecError::WordTooLong { announced, .. }) => Ok(Some(announced)),
        Err(error) => Err(error),
    }
}
