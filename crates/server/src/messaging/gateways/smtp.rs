//! E-mail by SMTP (RFC 5321), with STARTTLS (RFC 3207) or TLS from the start (RFC 8314), and AUTH
//! PLAIN (RFC 4616). One connection for one e-mail: they are few, for staff.

use super::{Handed, Outgoing, Taken};
use crate::app::App;
use crate::outbound::{self, Reach, Stream};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// How long it may take.
const LIMIT: Duration = Duration::from_secs(30);
/// A server that says more at once is none.
const LONGEST_REPLY: u64 = 16 * 1_024;

/// Whether the line is encrypted
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SmtpTls {
    /// After a greeting in clear; without it nothing is sent
    #[default]
    Starttls,
    /// From the start
    Always,
    /// Never: for a server on this machine
    Never,
}

/// A server for e-mail
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SmtpGateway {
    /// Its name
    pub host: String,
    /// Its port
    #[serde(default = "usual_port")]
    pub port: u16,
    /// Who logs in; none does not
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Whom e-mails come from
    pub from: String,
    /// Whether the line is encrypted
    #[serde(default)]
    pub tls: SmtpTls,
}

fn usual_port() -> u16 {
    587
}

/// An e-mail address as far as an envelope needs it: nothing in it ends the command.
pub(crate) fn is_address(text: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty()
            && part.chars().all(|sign| sign.is_ascii_graphic() && !"<>@,;:\\\"()[]".contains(sign))
    };
    text.len() <= 254 && text.split_once('@').is_some_and(|(name, host)| plain(name) && plain(host))
}

/// What went wrong, and whether the server may have taken the e-mail.
enum Trouble {
    Before(String),
    Said(u16, String),
    After(String),
}

impl SmtpGateway {
    pub(super) fn check(&self) -> Result<(), String> {
        match is_address(&self.from) && !self.host.is_empty() {
            true => Ok(()),
            false => Err(format!("`{}` is no e-mail address to send from", self.from)),
        }
    }

    pub(super) async fn send(&self, app: &App, secret: &str, out: Outgoing<'_>) -> Handed {
        if !is_address(out.to) {
            return Handed::Refused("that is no e-mail address".to_owned());
        }
        let sent = self.speak(app, secret, out);
        let Ok(sent) = tokio::time::timeout(LIMIT, sent).await else {
            return Handed::Unknown(format!("{} did not answer within {LIMIT:?}", self.host));
        };
        match sent {
            Ok(()) => Handed::Taken(Taken::default()),
            Err(Trouble::Before(why)) => Handed::NotNow(why),
            Err(Trouble::After(why)) => Handed::Unknown(why),
            // RFC 5321, 4.2.1: 4yz may go well later, 55z is the mailbox, other 5yz the session.
            Err(Trouble::Said(400..=499, why)) => Handed::NotNow(why),
            Err(Trouble::Said(550..=559, why)) => Handed::Refused(why),
            Err(Trouble::Said(_, why)) => Handed::Faulty(why),
        }
    }

    async fn speak(&self, app: &App, secret: &str, out: Outgoing<'_>) -> Result<(), Trouble> {
        let before = |why: String| Trouble::Before(format!("{}: {why}", self.host));
        let at = outbound::address(&self.host, self.port, Reach::of(app)).await;
        let at = at.map_err(|why| before(why.to_string()))?;
        let stream = TcpStream::connect(at).await.map_err(|why| before(why.to_string()))?;
        let secure = async |stream| {
            let secured = outbound::secured(stream, self.host.clone()).await;
            secured.map_err(|why| before(format!("TLS: {why}")))
        };
        let mut line = match self.tls {
            SmtpTls::Always => Line::new(secure(stream).await?),
            SmtpTls::Never => Line::new(Box::new(stream)),
            SmtpTls::Starttls => {
                let mut clear = BufReader::new(stream);
                greet(&mut clear, true).await?;
                command(&mut clear, "STARTTLS", 220).await?;
                // What was sent in clear behind the answer is nobody's word (CVE-2011-0411).
                Line::new(secure(clear.into_inner()).await?)
            }
        };
        greet(&mut line, self.tls != SmtpTls::Starttls).await?;
        if let Some(user) = &self.user {
            let plain = STANDARD.encode(format!("\0{user}\0{secret}"));
            command(&mut line, &format!("AUTH PLAIN {plain}"), 235).await?;
        }
        command(&mut line, &format!("MAIL FROM:<{}>", self.from), 250).await?;
        command(&mut line, &format!("RCPT TO:<{}>", out.to), 250).await?;
        command(&mut line, "DATA", 354).await?;
        let sent = command(&mut line, &self.letter(app, out), 250).await;
        // From here on it may have taken it, unless it said that it did not.
        sent.map_err(|trouble| match trouble {
            Trouble::Before(why) => Trouble::After(why),
            said => said,
        })?;
        let _ = command(&mut line, "QUIT", 221).await;
        Ok(())
    }

    /// The e-mail up to its lone dot.
    fn letter(&self, app: &App, out: Outgoing<'_>) -> String {
        let subject = out.text.lines().next().unwrap_or_default();
        let subject: String = subject.chars().take(60).collect();
        let subject = STANDARD.encode(subject);
        let body = STANDARD.encode(out.text);
        let lines: Vec<&str> =
            body.as_bytes().chunks(76).filter_map(|c| str::from_utf8(c).ok()).collect();
        let host = self.from.split('@').nth(1).unwrap_or("localhost");
        let date = app.clock().now().to_jiff().strftime("%a, %d %b %Y %H:%M:%S +0000");
        format!(
            "From: <{}>\r\nTo: <{}>\r\nDate: {date}\r\nMessage-ID: <{}@{host}>\r\n\
             Subject: =?utf-8?B?{subject}?=\r\nAuto-Submitted: auto-generated\r\n\
             MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{}\r\n.",
            self.from,
            out.to,
            out.reference,
            lines.join("\r\n")
        )
    }
}

type Line = BufReader<Box<dyn Stream>>;

async fn greet<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(
    line: &mut BufReader<S>,
    is_first: bool,
) -> Result<(), Trouble> {
    if is_first {
        reply(line, 220).await?;
    }
    command(line, "EHLO lango", 250).await
}

async fn command<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(
    line: &mut BufReader<S>,
    text: &str,
    expected: u16,
) -> Result<(), Trouble> {
    let broken = |why: std::io::Error| Trouble::Before(why.to_string());
    line.write_all(format!("{text}\r\n").as_bytes()).await.map_err(broken)?;
    line.flush().await.map_err(broken)?;
    reply(line, expected).await
}

async fn reply<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(
    line: &mut BufReader<S>,
    expected: u16,
) -> Result<(), Trouble> {
    let mut said = String::new();
    let mut limited = line.take(LONGEST_REPLY);
    loop {
        let begun = said.len();
        let read = limited.read_line(&mut said).await;
        match read {
            Ok(0) => return Err(Trouble::Before("it hung up".to_owned())),
            Ok(_) => {}
            Err(why) => return Err(Trouble::Before(why.to_string())),
        }
        // `250-` goes on, `250 ` ends.
        if said.as_bytes().get(begun + 3) != Some(&b'-') {
            break;
        }
    }
    let code = said.get(..3).and_then(|code| code.parse().ok());
    match code {
        Some(code) if code == expected => Ok(()),
        Some(code) => Err(Trouble::Said(code, said.lines().last().unwrap_or_default().to_owned())),
        None => Err(Trouble::Before("it does not speak SMTP".to_owned())),
    }
}
