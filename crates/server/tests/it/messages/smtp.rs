//! E-mail to a sink that speaks as much SMTP as is needed.

use super::house;
use crate::harness::Engine;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lango_domain::role::Role;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

/// Takes one e-mail and gives back all that was said to it.
async fn sink(listener: TcpListener) -> String {
    let (stream, _) = listener.accept().await.unwrap();
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 sink\r\n").await.unwrap();
    let (mut heard, mut is_letter) = (String::new(), false);
    loop {
        let begun = heard.len();
        if stream.read_line(&mut heard).await.unwrap() == 0 {
            return heard;
        }
        let line = heard[begun..].trim_end().to_owned();
        let answer = match line.split(' ').next().unwrap() {
            "." => "250 queued",
            _ if is_letter => continue,
            "EHLO" => "250-sink\r\n250 AUTH PLAIN",
            "AUTH" => "235 welcome",
            "DATA" => "354 go on",
            "QUIT" => "221 bye",
            _ => "250 ok",
        };
        is_letter = line == "DATA";
        stream.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_e_mail_arrives() {
    let house = house(Engine::Sqlite).await;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = tokio::spawn(sink(listener));
    let gateway = json!({ "kind": "smtp", "host": "127.0.0.1", "port": port, "user": "u",
                          "from": "wifi@duka.example", "tls": "never" });
    let mail = super::sender(&house, "mail", gateway).await;
    let path = format!("/api/v1/senders/{}/test", mail["id"].as_str().unwrap());
    let to = json!({ "to": "boss@duka.example" }).to_string();
    let tried = house.ask(Role::Owner, "POST", &path, &to).await.ok(200);
    assert_eq!(tried["taken"], true, "{tried}");
    let heard = heard.await.unwrap();
    assert!(heard.contains("MAIL FROM:<wifi@duka.example>\r\nRCPT TO:<boss@duka.example>\r\n"));
    assert!(heard.contains(&format!("AUTH PLAIN {}", STANDARD.encode("\0u\0key"))));
    assert!(heard.contains("To: <boss@duka.example>\r\n"), "{heard}");
    let refused = json!({ "to": "a@b>\r\nDATA" }).to_string();
    house.ask(Role::Owner, "POST", &path, &refused).await.problem(400, "unreadable");
}
