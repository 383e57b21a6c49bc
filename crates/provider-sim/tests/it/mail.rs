//! The mail sink, spoken to line by line.

use lango_provider_sim::{Mail, MailSink};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

struct Client(BufReader<TcpStream>);

impl Client {
    async fn connect(sink: &MailSink) -> Client {
        let mut client = Client(BufReader::new(TcpStream::connect(sink.address()).await.unwrap()));
        assert_eq!(client.reply().await, "220");
        client
    }

    async fn say(&mut self, lines: &str) -> String {
        self.0.get_mut().write_all(format!("{lines}\r\n").as_bytes()).await.unwrap();
        self.reply().await
    }

    /// The code of a reply; nothing if the connection was closed.
    async fn reply(&mut self) -> String {
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).await.unwrap();
            if line.as_bytes().get(3) != Some(&b'-') {
                return line.chars().take(3).collect();
            }
        }
    }
}

#[tokio::test]
async fn a_letter_is_taken_as_it_came() {
    let sink = MailSink::start(([127, 0, 0, 1], 0).into()).unwrap();
    let mut client = Client::connect(&sink).await;
    assert_eq!(client.say("EHLO shop").await, "250");
    assert_eq!(client.say("AUTH PLAIN AHVzZXIAc2VjcmV0").await, "235");
    assert_eq!(client.say("MAIL FROM:<shop@example.org> BODY=8BITMIME").await, "250");
    assert_eq!(client.say("RCPT TO:<guest@example.org>").await, "250");
    assert_eq!(client.say("DATA").await, "354");
    assert_eq!(client.say("Subject: code\r\n\r\n1234\r\n..\r\n.").await, "250");
    assert_eq!(client.say("QUIT").await, "221");
    let taken = Mail {
        from: "shop@example.org".to_owned(),
        to: vec!["guest@example.org".to_owned()],
        content: "Subject: code\n\n1234\n.\n".to_owned(),
    };
    assert_eq!(sink.inbox(), [taken]);
}

#[tokio::test]
async fn it_refuses_for_a_while_for_ever_or_hangs_up() {
    let sink = MailSink::start(([127, 0, 0, 1], 0).into()).unwrap();
    sink.reply("RCPT", 1, "550 5.1.1 Nobody of that name");
    sink.reply(".", 1, "451 4.3.0 Try later");
    sink.reply("MAIL FROM:<again", 1, "");
    let mut client = Client::connect(&sink).await;
    client.say("EHLO shop").await;
    client.say("MAIL FROM:<shop@example.org>").await;
    assert_eq!(client.say("RCPT TO:<nobody@example.org>").await, "550");
    assert_eq!(client.say("DATA").await, "503");
    assert_eq!(client.say("RCPT TO:<guest@example.org>").await, "250");
    assert_eq!(client.say("DATA").await, "354");
    assert_eq!(client.say("1234\r\n.").await, "451");
    assert_eq!(client.say("MAIL FROM:<again@example.org>").await, "");
    assert!(sink.inbox().is_empty());
}
