//! A sink for e-mail: takes whatever SMTP brings (RFC 5321, without TLS) and keeps it.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

/// No line is longer, and no letter has more of them.
const LONGEST: usize = 64 * 1024;

/// A letter that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Of the envelope.
    pub from: String,
    /// Of the envelope.
    pub to: Vec<String>,
    /// Headers and body as they came, lines ended by `\n`, dots unstuffed.
    pub content: String,
}

/// A stand-in for a mail server. Cheap to clone; it listens until the last clone is dropped.
#[derive(Clone)]
pub struct MailSink {
    desk: Arc<Desk>,
    address: SocketAddr,
    _until_dropped: Arc<DropGuard>,
}

#[derive(Default)]
struct Desk {
    mails: Mutex<Vec<Mail>>,
    /// Replies to the next commands that begin so, instead of the usual.
    replies: Mutex<Vec<(String, u32, String)>>,
}

impl MailSink {
    /// Starts listening; port 0 picks one. Needs a tokio runtime.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub fn start(address: SocketAddr) -> io::Result<MailSink> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let desk: Arc<Desk> = Arc::default();
        let stop = CancellationToken::new();
        let listener = TcpListener::from_std(listener)?;
        tokio::spawn(accept(listener, desk.clone(), stop.clone()));
        Ok(MailSink { desk, address, _until_dropped: Arc::new(stop.drop_guard()) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The letters that were taken, oldest first.
    pub fn inbox(&self) -> Vec<Mail> {
        self.desk.mails().clone()
    }

    /// The next `times` commands that begin with `command`, such as `RCPT` or `.` (the end of a
    /// letter), are answered by this, such as `451 4.3.0 Try later`; an empty reply closes the
    /// connection. Nothing else is done.
    pub fn reply(&self, command: &str, times: u32, reply: &str) {
        let mut replies = self.desk.replies.lock().unwrap_or_else(PoisonError::into_inner);
        replies.push((command.to_ascii_uppercase(), times, reply.to_owned()));
    }
}

impl Desk {
    fn mails(&self) -> MutexGuard<'_, Vec<Mail>> {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_reply(&self, line: &str) -> Option<String> {
        let line = line.to_ascii_uppercase();
        let mut replies = self.replies.lock().unwrap_or_else(PoisonError::into_inner);
        let at = replies.iter().position(|(command, _, _)| line.starts_with(command))?;
        let (_, times, reply) = replies.get_mut(at)?;
        let reply = reply.clone();
        *times = times.saturating_sub(1);
        if *times == 0 {
            replies.remove(at);
        }
        Some(reply)
    }
}

async fn accept(listener: TcpListener, desk: Arc<Desk>, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        if let Ok((stream, _)) = accepted {
            let talk = Talk { stream: BufReader::new(stream), desk: desk.clone() };
            let stop = stop.clone();
            tokio::spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    // However it ends, what was taken is kept.
                    _ = talk.hold() => {}
                }
            });
        }
    }
}

/// One connection.
struct Talk {
    stream: BufReader<TcpStream>,
    desk: Arc<Desk>,
}

impl Talk {
    async fn hold(mut self) -> io::Result<()> {
        self.say("220 sink ESMTP").await?;
        let (mut from, mut to) = (String::new(), Vec::new());
        while let Some(line) = self.line().await? {
            if let Some(reply) = self.desk.take_reply(&line) {
                if reply.is_empty() {
                    return Ok(());
                }
                self.say(&reply).await?;
                continue;
            }
            let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" => self.say("250-sink\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN").await?,
                "AUTH" => self.authenticate(&line).await?,
                "MAIL" => {
                    (from, to) = (mailbox(&line), Vec::new());
                    self.say("250 2.1.0 Ok").await?;
                }
                "RCPT" => {
                    to.push(mailbox(&line));
                    self.say("250 2.1.5 Ok").await?;
                }
                "DATA" if to.is_empty() => self.say("503 5.5.1 Nobody to send it to").await?,
                "DATA" => {
                    self.say("354 End with a dot").await?;
                    let content = self.letter().await?;
                    match self.desk.take_reply(".") {
                        Some(reply) if reply.is_empty() => return Ok(()),
                        Some(reply) => self.say(&reply).await?,
                        None => {
                            let (from, to) = (from.clone(), to.clone());
                            self.desk.mails().push(Mail { from, to, content });
                            self.say("250 2.0.0 Ok: queued").await?;
                        }
                    }
                }
                "HELO" | "NOOP" => self.say("250 2.0.0 Ok").await?,
                "RSET" => {
                    to.clear();
                    self.say("250 2.0.0 Ok").await?;
                }
                "QUIT" => return self.say("221 2.0.0 Bye").await,
                _ => self.say("500 5.5.2 Not understood").await?,
            }
        }
        Ok(())
    }

    /// Takes any name and password.
    async fn authenticate(&mut self, line: &str) -> io::Result<()> {
        let mut words = line.split_whitespace().skip(1);
        match (words.next(), words.next()) {
            (Some("PLAIN"), Some(_)) => {}
            (Some("PLAIN"), None) => {
                self.say("334 ").await?;
                self.line().await?;
            }
            _ => {
                for question in ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"] {
                    self.say(question).await?;
                    self.line().await?;
                }
            }
        }
        self.say("235 2.7.0 Welcome").await
    }

    async fn letter(&mut self) -> io::Result<String> {
        let mut content = String::new();
        while let Some(line) = self.line().await? {
            if line == "." {
                return Ok(content);
            }
            content.push_str(line.strip_prefix('.').unwrap_or(&line));
            content.push('\n');
            if content.len() > LONGEST * 16 {
                break;
            }
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }

    async fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        if self.stream.read_until(b'\n', &mut line).await? == 0 || line.len() > LONGEST {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&line);
        Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned()))
    }

    async fn say(&mut self, line: &str) -> io::Result<()> {
        self.stream.get_mut().write_all(format!("{line}\r\n").as_bytes()).await
    }
}

/// What stands between angle brackets.
fn mailbox(line: &str) -> String {
    let inner = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inner.map_or_else(String::new, |(mailbox, _)| mailbox.to_owned())
}
