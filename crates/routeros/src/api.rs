//! The binary API: login, and one task that owns a connection's socket.
//!
//! Callers hand the task whole commands through a bounded queue (a full one makes them wait) and
//! get whole replies. Replies are matched by tag, so commands are pipelined. A caller that goes
//! away takes nothing with it: the task reads its reply to the end and drops it. When the router
//! falls silent with a reply due, the connection is given up, since what comes later could only
//! confuse. (MikroTik manual, "API".)

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::debug;

use crate::challenge::api_response;
use crate::error::{Error, Trap};
use crate::query::Query;
use crate::row::{ItemId, Reply, Row};
use crate::sentence::{Decoder, Sentence, encode_attribute, encode_end, encode_word};
use crate::transport::{Credentials, Stream, Timeouts};

/// Commands on the wire without their end. Enough to hide a long line's delay (16 sessions were
/// 10 times faster than one at 33 ms), few enough that none waits long behind the others.
const WINDOW: usize = 64;

/// Commands accepted from callers beyond the window before they have to wait.
const QUEUE: usize = 256;

/// Changes a listener may leave unread.
const LISTENER_BACKLOG: usize = 4096;

/// Stop taking commands into one write beyond this.
const WRITE_BATCH: usize = 64 * 1024;

/// Room for one read.
const READ_CHUNK: usize = 64 * 1024;

/// What one reply may hold: several full connection tables.
const MAX_REPLY: usize = 256 * 1024 * 1024;

/// While others are answered a command may be silent this many times longer.
const STARVATION: u32 = 8;

/// A command under construction: everything but its tag.
pub(crate) struct Command {
    word: Box<str>,
    wire: BytesMut,
}

impl Command {
    pub(crate) fn new(word: String) -> Command {
        let mut wire = BytesMut::with_capacity(word.len() + 64);
        encode_word(word.as_bytes(), &mut wire);
        Command { word: word.into(), wire }
    }

    pub(crate) fn attribute(mut self, name: &str, value: &str) -> Command {
        encode_attribute(name.as_bytes(), value.as_bytes(), &mut self.wire);
        self
    }

    pub(crate) fn attributes(self, attributes: &[(&str, &str)]) -> Command {
        attributes.iter().fold(self, |command, (name, value)| command.attribute(name, value))
    }

    pub(crate) fn only(self, names: &[&str]) -> Command {
        if names.is_empty() { self } else { self.attribute(".proplist", &names.join(",")) }
    }

    pub(crate) fn matching(mut self, query: Option<&Query>) -> Command {
        for word in query.into_iter().flat_map(Query::words) {
            encode_word(format!("?{word}").as_bytes(), &mut self.wire);
        }
        self
    }
}

/// A logged-in connection. Clones share it; it closes when the last clone and listener are gone.
#[derive(Clone)]
pub(crate) struct Api {
    jobs: mpsc::Sender<Job>,
    cancels: mpsc::UnboundedSender<u64>,
    tags: Arc<AtomicU64>,
    router: Arc<str>,
    ending: Arc<OnceLock<Error>>,
}

impl Api {
    /// Logs in on a fresh stream and starts the task that owns it.
    pub(crate) async fn open(
        mut stream: Box<dyn Stream>,
        router: Arc<str>,
        credentials: &Credentials,
        timeouts: Timeouts,
    ) -> Result<Api, Error> {
        let mut login = Login {
            stream: &mut stream,
            decoder: Decoder::new(),
            router: &router,
            limit: timeouts.reply,
        };
        login.run(credentials).await?;
        let decoder = login.decoder;
        Ok(Api::start(stream, decoder, router, timeouts.reply))
    }

    fn start(stream: Box<dyn Stream>, decoder: Decoder, router: Arc<str>, limit: Duration) -> Api {
        let (jobs, job_receiver) = mpsc::channel(QUEUE);
        let (cancels, cancel_receiver) = mpsc::unbounded_channel();
        let tags = Arc::new(AtomicU64::new(1));
        let ending = Arc::new(OnceLock::new());
        let (reader, writer) = tokio::io::split(stream);
        let conversation = Conversation {
            reader,
            writer,
            decoder,
            out: BytesMut::new(),
            flushed: true,
            jobs: job_receiver,
            cancels: cancel_receiver,
            tags: tags.clone(),
            waiting: HashMap::new(),
            heard: Instant::now(),
            limit,
            router: router.clone(),
            ending: ending.clone(),
        };
        // Ends by itself: with the socket, or when the last handle is dropped.
        tokio::spawn(conversation.run());
        Api { jobs, cancels, tags, router, ending }
    }

    /// Sends a command and waits for its whole reply.
    pub(crate) async fn call(&self, command: Command) -> Result<Reply, Error> {
        let (sender, receiver) = oneshot::channel();
        self.submit(self.next_tag(), command, Sink::Reply(sender)).await?;
        receiver.await.unwrap_or_else(|_| Err(self.ended()))
    }

    /// Starts following a menu's changes.
    pub(crate) async fn listen(&self, menu: &str, only: &[&str]) -> Result<Listener, Error> {
        let command = Command::new(format!("{menu}/listen")).only(only);
        let (changes, receiver) = mpsc::channel(LISTENER_BACKLOG);
        let failure = Arc::new(OnceLock::new());
        let tag = self.next_tag();
        // The guard exists before the command is queued, so giving up here cancels it too.
        let listener = Listener { receiver, failure: failure.clone(), tag, api: self.clone() };
        self.submit(tag, command, Sink::Changes { changes, failure, menu: menu.into() }).await?;
        Ok(listener)
    }

    pub(crate) fn router(&self) -> Arc<str> {
        self.router.clone()
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.jobs.is_closed()
    }

    pub(crate) async fn closed(&self) {
        self.jobs.closed().await;
    }

    fn next_tag(&self) -> u64 {
        self.tags.fetch_add(1, Ordering::Relaxed)
    }

    async fn submit(&self, tag: u64, command: Command, sink: Sink) -> Result<(), Error> {
        let job = Job { tag, command, sink };
        self.jobs.send(job).await.map_err(|_| self.ended())
    }

    /// Why the connection is over.
    fn ended(&self) -> Error {
        self.ending.get().cloned().unwrap_or_else(|| closed_error(&self.router))
    }
}

/// Follows a menu's changes until dropped. There is no snapshot: start listening, then print,
/// merge by `.id`, and print again from time to time.
pub struct Listener {
    receiver: mpsc::Receiver<Change>,
    failure: Arc<OnceLock<Error>>,
    tag: u64,
    api: Api,
}

impl Listener {
    /// The next change; `None` when there will be no more, see [`Listener::failure`]. Nothing is
    /// lost when this future is dropped.
    pub async fn next(&mut self) -> Option<Change> {
        self.receiver.recv().await
    }

    /// Why the listener ended: refused by the router, lagging, or the connection is gone.
    pub fn failure(&self) -> Option<Error> {
        self.failure.get().cloned()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // A closed channel means the connection is over and there is nothing to cancel.
        let _ = self.api.cancels.send(self.tag);
    }
}

/// One change of a menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The whole row after an addition or change; only `.id` after a removal.
    pub row: Row,
    /// The item is gone.
    pub dead: bool,
}

impl Change {
    /// The item that changed.
    pub fn id(&self) -> Option<ItemId> {
        self.row.id()
    }
}

struct Job {
    tag: u64,
    command: Command,
    sink: Sink,
}

/// Where a reply goes.
enum Sink {
    Reply(oneshot::Sender<Result<Reply, Error>>),
    Changes {
        changes: mpsc::Sender<Change>,
        failure: Arc<OnceLock<Error>>,
        menu: Box<str>,
    },
    /// Nobody wants it; it is still read to its end.
    Nobody,
}

impl Sink {
    fn is_gone(&self) -> bool {
        match self {
            Sink::Reply(sender) => sender.is_closed(),
            Sink::Changes { changes, .. } => changes.is_closed(),
            Sink::Nobody => false,
        }
    }
}

/// A command whose `!done` has not come.
struct Waiting {
    command: Box<str>,
    sink: Sink,
    rows: Vec<Row>,
    size: usize,
    trap: Option<Trap>,
    /// When it was sent or last heard of.
    heard: Instant,
    cancelled: bool,
}

impl Waiting {
    /// A listener that nobody cancelled may be silent for ever.
    fn has_deadline(&self) -> bool {
        self.cancelled || !matches!(self.sink, Sink::Changes { .. })
    }

    fn finish(self, done: Row) {
        let refused = self.trap.map(|trap| Error::Refused { command: self.command, trap });
        match self.sink {
            Sink::Reply(sender) => {
                let result = refused.map_or(Ok(Reply { rows: self.rows, done }), Err);
                // The caller may be gone; its reply was read, that is all that matters.
                let _ = sender.send(result);
            }
            Sink::Changes { failure, .. } => {
                if let Some(error) = refused {
                    let _ = failure.set(error);
                }
            }
            Sink::Nobody => {}
        }
    }

    fn fail(self, error: &Error) {
        match self.sink {
            Sink::Reply(sender) => drop(sender.send(Err(error.clone()))),
            Sink::Changes { failure, .. } => drop(failure.set(error.clone())),
            Sink::Nobody => {}
        }
    }
}

/// The task that owns the socket.
struct Conversation {
    reader: ReadHalf<Box<dyn Stream>>,
    writer: WriteHalf<Box<dyn Stream>>,
    decoder: Decoder,
    out: BytesMut,
    /// Everything in `out` is on the wire, and out of the TLS layer's buffer too.
    flushed: bool,
    jobs: mpsc::Receiver<Job>,
    cancels: mpsc::UnboundedReceiver<u64>,
    tags: Arc<AtomicU64>,
    waiting: HashMap<u64, Waiting>,
    /// When the router last said something that somebody waits for.
    heard: Instant,
    limit: Duration,
    router: Arc<str>,
    ending: Arc<OnceLock<Error>>,
}

impl Conversation {
    async fn run(mut self) {
        let error = match self.converse().await {
            Ok(()) => closed_error(&self.router),
            Err(error) => error,
        };
        debug!(router = %self.router, %error, "API connection ended");
        // Set before the queue closes: whoever sees it closed finds the reason.
        let _ = self.ending.set(error.clone());
        self.jobs.close();
        for (_, waiting) in self.waiting.drain() {
            waiting.fail(&error);
        }
        while let Some(job) = self.jobs.recv().await {
            Waiting::of(job.command.word, job.sink).fail(&error);
        }
        // The peer may be gone already; there is nobody left to tell.
        let _ = timeout(Duration::from_secs(1), self.writer.shutdown()).await;
    }

    /// Runs until every handle is dropped (`Ok`) or the connection is lost.
    ///
    /// Every branch of the select keeps its state in `self`, so losing the race loses nothing.
    async fn converse(&mut self) -> Result<(), Error> {
        let mut abandoned = false;
        loop {
            self.take_sentences()?;
            if abandoned && self.waiting.is_empty() && self.flushed {
                return Ok(());
            }
            self.decoder.buffer().reserve(READ_CHUNK);
            let deadline = self.deadline();
            let may_send = !abandoned && self.in_flight() < WINDOW && self.out.len() < WRITE_BATCH;
            tokio::select! {
                read = self.reader.read_buf(self.decoder.buffer()) => self.received(read)?,
                written = push(&mut self.writer, &mut self.out), if !self.flushed => {
                    self.flushed = written.map_err(|cause| lost(&self.router, cause))?;
                }
                job = self.jobs.recv(), if may_send => match job {
                    Some(job) => self.send_queued(job),
                    None => abandoned = true,
                },
                Some(tag) = self.cancels.recv() => self.cancel(tag),
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    return Err(self.silence());
                }
            }
        }
    }

    fn received(&mut self, read: io::Result<usize>) -> Result<(), Error> {
        match read {
            Ok(0) if self.decoder.is_mid_sentence() => Err(lost(
                &self.router,
                io::Error::new(io::ErrorKind::UnexpectedEof, "the stream ended in a sentence"),
            )),
            Ok(0) => Err(closed_error(&self.router)),
            Ok(_) => Ok(()),
            Err(cause) => Err(lost(&self.router, cause)),
        }
    }

    /// Puts the job and whatever else is queued into the same write.
    fn send_queued(&mut self, first: Job) {
        self.send(first);
        while self.in_flight() < WINDOW && self.out.len() < WRITE_BATCH {
            match self.jobs.try_recv() {
                Ok(job) => self.send(job),
                Err(_) => return,
            }
        }
    }

    fn send(&mut self, job: Job) {
        if job.sink.is_gone() {
            return;
        }
        self.out.extend_from_slice(&job.command.wire);
        encode_word(format!(".tag={}", job.tag).as_bytes(), &mut self.out);
        encode_end(&mut self.out);
        self.flushed = false;
        self.waiting.insert(job.tag, Waiting::of(job.command.word, job.sink));
    }

    fn cancel(&mut self, tag: u64) {
        let Some(waiting) = self.waiting.get_mut(&tag).filter(|waiting| !waiting.cancelled) else {
            return;
        };
        waiting.cancelled = true;
        waiting.heard = Instant::now();
        let command = Command::new("/cancel".to_owned()).attribute("tag", &tag.to_string());
        let tag = self.tags.fetch_add(1, Ordering::Relaxed);
        self.send(Job { tag, command, sink: Sink::Nobody });
    }

    fn in_flight(&self) -> usize {
        self.waiting.values().filter(|waiting| waiting.has_deadline()).count()
    }

    /// When to give up. Every sentence that somebody waits for postpones it, so a long queue
    /// behind a big print does not time out, but no single reply may stay away for ever.
    fn deadline(&self) -> Option<Instant> {
        let due = self.waiting.values().filter(|waiting| waiting.has_deadline());
        let oldest = due.map(|waiting| waiting.heard).min()?;
        Some((self.heard.max(oldest) + self.limit).min(oldest + self.limit * STARVATION))
    }

    fn silence(&self) -> Error {
        let due = self.waiting.values().filter(|waiting| waiting.has_deadline());
        let oldest = due.min_by_key(|waiting| waiting.heard);
        Error::TimedOut {
            router: self.router.clone(),
            command: oldest.map(|waiting| waiting.command.clone()).unwrap_or_default(),
            waited: oldest.map_or(self.limit, |waiting| waiting.heard.elapsed()),
        }
    }

    fn take_sentences(&mut self) -> Result<(), Error> {
        while let Some(sentence) = next_sentence(&mut self.decoder, &self.router)? {
            self.take(&sentence)?;
        }
        Ok(())
    }

    fn take(&mut self, sentence: &Sentence) -> Result<(), Error> {
        let word = sentence.command();
        if word == b"!fatal" {
            return Err(fatal(&self.router, sentence));
        }
        if !word.starts_with(b"!") {
            let problem = format!("expected a reply, got {:?}", String::from_utf8_lossy(word));
            return Err(broken(&self.router, &problem));
        }
        let Some(tag) = self.tag_of(sentence) else {
            debug!(router = %self.router, "Reply without a known tag ignored");
            return Ok(());
        };
        match word {
            b"!done" => self.finish(tag, Row::from_sentence(sentence)),
            b"!trap" => self.trapped(tag, trap_of(sentence)),
            b"!re" => return self.row(tag, Row::from_sentence(sentence)),
            // `!empty` (7.18) says there are no rows, which the absence of rows says too; later
            // words will come. All of them are followed by `!done`.
            _ => self.touch(tag),
        }
        Ok(())
    }

    /// An untagged reply can only belong to the single command under way, if there is one.
    fn tag_of(&self, sentence: &Sentence) -> Option<u64> {
        let tag = match sentence.tag() {
            Some(tag) => std::str::from_utf8(tag).ok()?.parse().ok()?,
            None if self.waiting.len() == 1 => *self.waiting.keys().next()?,
            None => return None,
        };
        self.waiting.contains_key(&tag).then_some(tag)
    }

    fn touch(&mut self, tag: u64) {
        let now = Instant::now();
        if let Some(waiting) = self.waiting.get_mut(&tag) {
            waiting.heard = now;
            if waiting.has_deadline() {
                self.heard = now;
            }
        }
    }

    fn finish(&mut self, tag: u64, done: Row) {
        self.touch(tag);
        if let Some(waiting) = self.waiting.remove(&tag) {
            waiting.finish(done);
        }
    }

    /// The first of several traps names the cause.
    fn trapped(&mut self, tag: u64, trap: Trap) {
        self.touch(tag);
        if let Some(waiting) = self.waiting.get_mut(&tag) {
            waiting.trap.get_or_insert(trap);
        }
    }

    fn row(&mut self, tag: u64, row: Row) -> Result<(), Error> {
        self.touch(tag);
        let Some(waiting) = self.waiting.get_mut(&tag) else { return Ok(()) };
        match &waiting.sink {
            Sink::Reply(sender) if !sender.is_closed() => {
                waiting.size += row.size();
                if waiting.size > MAX_REPLY {
                    return Err(broken(&self.router, "one reply grew past 256 MiB"));
                }
                waiting.rows.push(row);
            }
            Sink::Changes { changes, failure, menu } => {
                let change = Change { dead: row.is_dead(), row };
                if let Err(mpsc::error::TrySendError::Full(_)) = changes.try_send(change) {
                    let _ = failure.set(Error::Lagged { menu: menu.clone() });
                    self.cancel(tag);
                    self.forget(tag);
                }
            }
            // Nobody reads it: ask the router to stop, and drop what comes until it does.
            _ => {
                waiting.rows = Vec::new();
                self.cancel(tag);
            }
        }
        Ok(())
    }

    /// Closes the caller's end; the reply is still read to its `!done`.
    fn forget(&mut self, tag: u64) {
        if let Some(waiting) = self.waiting.get_mut(&tag) {
            waiting.sink = Sink::Nobody;
        }
    }
}

impl Waiting {
    fn of(command: Box<str>, sink: Sink) -> Waiting {
        Waiting {
            command,
            sink,
            rows: Vec::new(),
            size: 0,
            trap: None,
            heard: Instant::now(),
            cancelled: false,
        }
    }
}

/// One step of writing: bytes while there are any, then the flush that makes it `true`. A single
/// await, so a step that is dropped has either happened or not.
async fn push(writer: &mut WriteHalf<Box<dyn Stream>>, out: &mut BytesMut) -> io::Result<bool> {
    if out.is_empty() {
        writer.flush().await?;
        return Ok(true);
    }
    match writer.write_buf(out).await? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        _ => Ok(false),
    }
}

/// The exchange before any tag exists.
struct Login<'a> {
    stream: &'a mut Box<dyn Stream>,
    decoder: Decoder,
    router: &'a Arc<str>,
    limit: Duration,
}

impl Login<'_> {
    /// Plain first (6.43 and later); only a router that answers with a challenge gets the old
    /// form, which from 6.45.1 on would be refused.
    async fn run(&mut self, credentials: &Credentials) -> Result<(), Error> {
        let user = credentials.user.as_str();
        let password = credentials.password.reveal();
        let plain = login_command(user).attribute("password", password);
        let Some(challenge) = self.attempt_in_time(user, plain).await? else { return Ok(()) };
        let response = api_response(password, &challenge)
            .ok_or_else(|| broken(self.router, "the login challenge is not hex"))?;
        let answer = login_command(user).attribute("response", &response);
        match self.attempt_in_time(user, answer).await? {
            None => Ok(()),
            Some(_) => Err(broken(self.router, "the login was answered with a challenge twice")),
        }
    }

    /// One deadline for the whole attempt: a stranger must not keep us with a byte now and then.
    async fn attempt_in_time(
        &mut self,
        user: &str,
        command: Command,
    ) -> Result<Option<String>, Error> {
        let silence = Error::TimedOut {
            router: self.router.clone(),
            command: "/login".into(),
            waited: self.limit,
        };
        timeout(self.limit, self.attempt(user, command)).await.unwrap_or(Err(silence))
    }

    /// The challenge, if the router answers with one.
    async fn attempt(&mut self, user: &str, command: Command) -> Result<Option<String>, Error> {
        self.write(command).await?;
        let mut trap = None;
        loop {
            let sentence = self.read().await?;
            match sentence.command() {
                b"!trap" => trap = trap.or_else(|| Some(trap_of(&sentence))),
                b"!fatal" => return Err(fatal(self.router, &sentence)),
                b"!done" => match trap {
                    Some(trap) => return Err(self.refused(user, trap)),
                    None => {
                        let ret = sentence.attribute("ret").filter(|ret| !ret.is_empty());
                        return Ok(ret.map(|ret| String::from_utf8_lossy(ret).into_owned()));
                    }
                },
                word if word.starts_with(b"!") => {}
                _ => return Err(broken(self.router, "the login got no reply sentence")),
            }
        }
    }

    fn refused(&self, user: &str, trap: Trap) -> Error {
        Error::LoginRefused { router: self.router.clone(), user: user.into(), trap }
    }

    async fn write(&mut self, mut command: Command) -> Result<(), Error> {
        encode_end(&mut command.wire);
        let written = match self.stream.write_all(&command.wire).await {
            Ok(()) => self.stream.flush().await,
            Err(cause) => Err(cause),
        };
        written.map_err(|cause| lost(self.router, cause))
    }

    async fn read(&mut self) -> Result<Sentence, Error> {
        loop {
            if let Some(sentence) = next_sentence(&mut self.decoder, self.router)? {
                return Ok(sentence);
            }
            match self.stream.read_buf(self.decoder.buffer()).await {
                Ok(0) => return Err(turned_away(self.router)),
                Ok(_) => {}
                Err(cause) => return Err(lost(self.router, cause)),
            }
        }
    }
}

fn login_command(user: &str) -> Command {
    Command::new("/login".to_owned()).attribute("name", user)
}

fn next_sentence(decoder: &mut Decoder, router: &Arc<str>) -> Result<Option<Sentence>, Error> {
    decoder.next().map_err(|problem| broken(router, &problem.to_string()))
}

fn trap_of(sentence: &Sentence) -> Trap {
    let message = sentence.attribute("message").unwrap_or_default();
    let category = sentence.attribute("category");
    let category = category.and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
    Trap::of(&String::from_utf8_lossy(message), category)
}

/// The reason is a bare word; a `=message=` is taken as well.
fn fatal(router: &Arc<str>, sentence: &Sentence) -> Error {
    let bare = sentence.words().skip(1).find(|word| !word.starts_with(b".tag="));
    let reason = sentence.attribute("message").or(bare).unwrap_or(b"no reason given");
    let reason = String::from_utf8_lossy(reason).as_ref().into();
    Error::Fatal { router: router.clone(), reason }
}

fn broken(router: &Arc<str>, problem: &str) -> Error {
    Error::Protocol { router: router.clone(), problem: problem.into() }
}

fn lost(router: &Arc<str>, cause: io::Error) -> Error {
    Error::Unreachable {
        router: router.clone(),
        hint: "the connection broke; connect again",
        cause: Arc::new(cause),
    }
}

fn closed_error(router: &Arc<str>) -> Error {
    Error::Unreachable {
        router: router.clone(),
        hint: "the connection is closed; connect again",
        cause: Arc::new(io::Error::new(io::ErrorKind::UnexpectedEof, "end of stream")),
    }
}

fn turned_away(router: &Arc<str>) -> Error {
    Error::Unreachable {
        router: router.clone(),
        hint: "it closed the connection during login; check /ip/service address= and max-sessions",
        cause: Arc::new(io::Error::new(io::ErrorKind::UnexpectedEof, "end of stream")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn conversation(commands: &[&str]) -> Conversation {
        let stream: Box<dyn Stream> = Box::new(tokio::io::duplex(64).0);
        let (reader, writer) = tokio::io::split(stream);
        let mut conversation = Conversation {
            reader,
            writer,
            decoder: Decoder::new(),
            out: BytesMut::new(),
            flushed: true,
            jobs: mpsc::channel(1).1,
            cancels: mpsc::unbounded_channel().1,
            tags: Arc::new(AtomicU64::new(100)),
            waiting: HashMap::new(),
            heard: Instant::now(),
            limit: Duration::from_secs(10),
            router: "router:8728".into(),
            ending: Arc::default(),
        };
        for (tag, command) in (1..).zip(commands) {
            conversation.waiting.insert(tag, Waiting::of((*command).into(), Sink::Nobody));
        }
        conversation
    }

    #[test]
    fn others_replies_postpone_a_deadline_but_not_for_ever() {
        let mut conversation = conversation(&["/slow", "/quick"]);
        let start = Instant::now();
        let seconds = Duration::from_secs;
        for waiting in conversation.waiting.values_mut() {
            waiting.heard = start;
        }
        conversation.heard = start;
        assert_eq!(conversation.deadline(), Some(start + seconds(10)));
        conversation.heard = start + seconds(9);
        assert_eq!(conversation.deadline(), Some(start + seconds(19)));
        conversation.heard = start + seconds(79);
        assert_eq!(conversation.deadline(), Some(start + seconds(80)));
        conversation.waiting.clear();
        assert_eq!(conversation.deadline(), None);
    }

    #[test]
    fn a_commands_own_sentences_restart_its_deadline() {
        let mut conversation = conversation(&["/slow"]);
        let long_ago = Instant::now();
        conversation.heard = long_ago;
        conversation.touch(1);
        assert!(conversation.waiting[&1].heard > long_ago);
        assert!(conversation.heard > long_ago);
    }

    fn reply_word() -> impl Strategy<Value = Vec<u8>> {
        let known = [
            "!re",
            "!done",
            "!trap",
            "!empty",
            "!fatal",
            "!later",
            ".tag=1",
            ".tag=2",
            ".tag=9",
            ".tag=x",
            ".tag=",
            "=",
            "==",
            "=.id=*1",
            "=message=no such item",
            "=category=x",
        ];
        let known = prop::sample::select(known.map(|word| word.as_bytes().to_vec()).to_vec());
        prop_oneof![4 => known, 1 => prop::collection::vec(any::<u8>(), 1..20)]
    }

    proptest! {
        #[test]
        fn no_sequence_of_replies_panics(
            sentences in prop::collection::vec(prop::collection::vec(reply_word(), 1..6), 1..20),
        ) {
            let mut conversation = conversation(&["/one", "/two"]);
            let mut wire = BytesMut::new();
            for words in sentences {
                crate::sentence::encode(words, &mut wire);
            }
            conversation.decoder.feed(&wire);
            let outcome = conversation.take_sentences();
            prop_assert!(outcome.is_ok() || outcome.is_err_and(|error| error.leaves_doubt()));
        }
    }
}
