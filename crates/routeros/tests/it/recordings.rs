//! Exchanges and vectors from the tests of public clients, restated as data in
//! `tests/exchanges/`: what they agree upon about RouterOS, we must agree with too.

use crate::fake_router::{FakeRouter, PATIENT, Session};
use bytes::BytesMut;
use lango_routeros::sentence::encode_length;
use lango_routeros::{Connection, Error, Reply, Row};

const EXCHANGES: &str = include_str!("../exchanges/public-clients.txt");
const LENGTHS: &str = include_str!("../exchanges/lengths.txt");

#[derive(Default)]
struct Exchange {
    name: String,
    sent: Vec<String>,
    answers: Vec<String>,
    outcome: String,
}

fn exchanges() -> Vec<Exchange> {
    let mut all: Vec<Exchange> = Vec::new();
    for line in EXCHANGES.lines() {
        if let Some(name) = line.strip_prefix("exchange ") {
            all.push(Exchange { name: name.to_owned(), ..Exchange::default() });
        }
        let Some(exchange) = all.last_mut() else { continue };
        if let Some(words) = line.strip_prefix("> ") {
            exchange.sent = words.split(' ').map(str::to_owned).collect();
        } else if let Some(answer) = line.strip_prefix('<') {
            exchange.answers.push(answer.trim().to_owned());
        } else if let Some(outcome) = line.strip_prefix("= ") {
            exchange.outcome = outcome.to_owned();
        }
    }
    all
}

#[tokio::test]
async fn what_public_clients_were_told_we_understand_too() {
    let all = exchanges();
    assert!(all.len() >= 10, "the file was read: {}", all.len());
    for exchange in all {
        let (connection, mut session) = FakeRouter::logged_in(PATIENT).await;
        let command = exchange.sent[0].clone();
        let (answer, ()) = tokio::join!(
            async { connection.run(&command, &[]).await },
            play(&mut session, &exchange)
        );
        judge(&exchange, answer);
        if !exchange.outcome.starts_with("ended") {
            still_usable(&connection, &mut session).await;
        }
    }
}

async fn play(session: &mut Session, exchange: &Exchange) {
    let sent: Vec<&str> = exchange.sent.iter().map(String::as_str).collect();
    let tag = session.expect(&sent).await;
    for answer in &exchange.answers {
        if answer == "hang up" {
            use tokio::io::AsyncWriteExt;
            session.stream.shutdown().await.unwrap();
            return;
        }
        let words: Vec<String> = answer
            .split(' ')
            .filter(|word| !word.is_empty())
            .map(|word| word.replace("TAG", &tag).replace("\\s", " "))
            .collect();
        session.say(&words).await;
    }
}

fn judge(exchange: &Exchange, answer: Result<Reply, Error>) {
    let name = &exchange.name;
    let (kind, rest) = exchange.outcome.split_once(' ').unwrap_or((&exchange.outcome, ""));
    match (kind, answer) {
        ("rows", Ok(reply)) => assert_eq!(shown(&reply.rows), rest, "{name}"),
        ("value", Ok(reply)) => assert_eq!(reply.ret().as_deref(), Some(rest), "{name}"),
        ("refused", Err(Error::Refused { trap, .. })) => {
            assert!(rest.is_empty() || trap.message.contains(rest), "{name}: {}", trap.message);
        }
        ("ended", Err(error)) => assert!(error.leaves_doubt(), "{name}: {error}"),
        (kind, answer) => panic!("{name}: expected {kind}, got {answer:?}"),
    }
}

fn shown(rows: &[Row]) -> String {
    let attributes = rows.iter().flat_map(Row::attributes);
    let pairs = attributes.map(|(name, value)| {
        format!("{}={}", String::from_utf8_lossy(name), String::from_utf8_lossy(value))
    });
    pairs.collect::<Vec<_>>().join(" ")
}

async fn still_usable(connection: &Connection, session: &mut Session) {
    let (alive, ()) = tokio::join!(connection.ping(), async {
        let sentence = session.hear().await;
        let tag = String::from_utf8_lossy(sentence.tag().unwrap()).into_owned();
        session.say(&["!re", &format!(".tag={tag}"), "=name=core"]).await;
        session.done(&tag).await;
    });
    alive.unwrap();
}

#[test]
fn lengths_are_written_as_everybody_writes_them() {
    let lines = LENGTHS.lines().filter(|line| !line.starts_with('#'));
    for line in lines {
        let (length, hex) = line.split_once(' ').unwrap();
        let mut out = BytesMut::new();
        encode_length(length.parse().unwrap(), &mut out);
        let written: String = out.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(written, hex, "length {length}");
    }
}
