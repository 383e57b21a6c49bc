//! Owns the binary API: one connection, its login, its commands in order, its listeners between
//! them. (MikroTik manual, "API".)

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::BytesMut;
use lango_routeros::challenge::api_response;
use lango_routeros::sentence::{Decoder, Sentence, encode_attribute, encode_end, encode_word};
use tokio::io::AsyncReadExt;
use tokio::sync::{mpsc, watch};

use super::stream::Stream;
use crate::faults::{Plan, PrintEnd};
use crate::router::Router;
use crate::world::command::Query;
use crate::world::row::{Told, Wanted};
use crate::world::{Answer, Command, Permissions, Row, Trap, Watch};

/// The longest word before login.
const STRANGER_WORD: usize = 4_096;

/// Changes that may wait for a slow reader; then its connection is reset.
const TOLD: usize = 65_536;

/// Serves one connection to its end.
pub(crate) async fn serve(stream: Stream, router: Router, from: IpAddr) {
    let (told, changes) = mpsc::channel(TOLD);
    let plan = router.faults().watch();
    let epoch = plan.borrow().epoch;
    let is_old = router.with(|world| world.is_old());
    let session = Session {
        stream,
        router,
        from,
        plan,
        epoch,
        user: None,
        challenge: None,
        commands: 0,
        is_old,
        listening: HashMap::new(),
        told,
        lost: Arc::default(),
        out: BytesMut::new(),
    };
    session.run(changes).await;
}

struct Session {
    stream: Stream,
    router: Router,
    from: IpAddr,
    plan: watch::Receiver<Plan>,
    epoch: u64,
    user: Option<User>,
    challenge: Option<String>,
    commands: u64,
    is_old: bool,
    /// The tag of each listener, by its number.
    listening: HashMap<u64, Vec<u8>>,
    told: mpsc::Sender<(u64, Told)>,
    lost: Arc<AtomicBool>,
    out: BytesMut,
}

struct User {
    name: String,
    permissions: Permissions,
}

/// How a connection ends.
enum End {
    Politely,
    Reset,
}

impl Session {
    async fn run(mut self, changes: mpsc::Receiver<(u64, Told)>) {
        let end = self.converse(changes).await.unwrap_or(End::Politely);
        let listening = std::mem::take(&mut self.listening);
        let name = self.user.take().map(|user| user.name);
        self.router.with(|world| {
            world.unwatch(|number| listening.contains_key(&number));
            if let Some(name) = name {
                world.note_login(&name, "api", false);
            }
        });
        match end {
            End::Politely => {}
            End::Reset => self.stream.reset(),
        }
    }

    async fn converse(&mut self, mut changes: mpsc::Receiver<(u64, Told)>) -> io::Result<End> {
        let mut decoder = Decoder::with_limit(STRANGER_WORD);
        let mut faults = self.plan.clone();
        loop {
            tokio::select! {
                // What is cut off here is at most a read that has not happened.
                biased;
                () = reset_by(&mut self.plan, self.epoch) => return Ok(End::Reset),
                // Whether changes may be told may have changed.
                Ok(()) = faults.changed() => {}
                Some((number, told)) = changes.recv(), if !self.router.faults().now().hanging => {
                    self.pass_on(number, told);
                    while let Ok((number, told)) = changes.try_recv() {
                        self.pass_on(number, told);
                    }
                    if !self.flush().await? || self.lost.load(Ordering::SeqCst) {
                        return Ok(End::Reset);
                    }
                }
                read = self.stream.read_buf(decoder.buffer()) => {
                    if read? == 0 {
                        return Ok(End::Politely);
                    }
                    loop {
                        match decoder.next() {
                            Ok(Some(sentence)) => {
                                if let Some(end) = self.take(&sentence).await? {
                                    return Ok(end);
                                }
                            }
                            Ok(None) => break,
                            Err(_) => return Ok(End::Politely),
                        }
                        if self.user.is_some() {
                            decoder.set_limit(usize::MAX);
                        }
                    }
                    if !self.flush().await? {
                        return Ok(End::Reset);
                    }
                }
            }
        }
    }

    /// Handles one sentence; its reply is written now if something is wrong with replies, else
    /// together with those of its neighbours.
    async fn take(&mut self, sentence: &Sentence) -> io::Result<Option<End>> {
        let (epoch, mut plan) = (self.epoch, self.plan.clone());
        let free = plan.wait_for(|plan| !plan.hanging || plan.epoch != epoch).await;
        if free.is_ok_and(|plan| plan.epoch != epoch) {
            return Ok(Some(End::Reset));
        }
        self.commands += 1;
        if self.router.faults().take_drop(self.commands) {
            self.flush().await?;
            return Ok(Some(End::Reset));
        }
        let end = self.answer(sentence);
        let one_by_one = {
            let plan = self.router.faults().now();
            !plan.delay.is_zero() || plan.cut_reply_after.is_some()
        };
        if (one_by_one || end.is_some()) && !self.flush().await? {
            return Ok(Some(End::Reset));
        }
        Ok(end)
    }

    async fn flush(&mut self) -> io::Result<bool> {
        if self.out.is_empty() {
            return Ok(true);
        }
        let bytes = self.out.split();
        let faults = self.router.faults();
        self.stream.send(&bytes, faults).await
    }

    fn answer(&mut self, sentence: &Sentence) -> Option<End> {
        let tag = sentence.tag().map(<[u8]>::to_vec);
        let tag = tag.as_deref();
        let command = command_of(sentence);
        if let Some(trap) = self.router.faults().take_refusal(&command.path) {
            self.trap(&trap, tag);
            return None;
        }
        if command.path == "/login" {
            self.login(&command, tag);
            return None;
        }
        let Some(user) = &self.user else {
            return self.fatal("not logged in");
        };
        let permissions =
            user.permissions.clone().without(&self.router.faults().now().taken_policies);
        match command.path.as_str() {
            "/cancel" => {
                self.cancel(&command, tag);
                return None;
            }
            path if path.ends_with("/listen") => {
                self.listen(&command, &permissions, tag);
                return None;
            }
            _ => {}
        }
        let (answer, says_empty) =
            self.router.with(|world| (world.execute(&command, &permissions), world.says_empty()));
        if self.router.faults().take_lost_reply(&command.path) {
            if let Ok(Answer::Reboot) = answer {
                self.router.reboot_as_told();
            }
            return Some(End::Reset);
        }
        self.reply(&command, answer, says_empty, tag)
    }

    fn reply(
        &mut self,
        command: &Command,
        answer: Result<Answer, Trap>,
        says_empty: bool,
        tag: Option<&[u8]>,
    ) -> Option<End> {
        match answer {
            Ok(Answer::Rows(rows)) => return self.rows(command, &rows, says_empty, tag),
            Ok(Answer::Value(value)) => self.done(Some(&value), tag),
            Ok(Answer::Done) => self.done(None, tag),
            Ok(Answer::Quit) => return self.fatal("session terminated on request"),
            Ok(Answer::Reboot) => {
                // It ends without a reply.
                self.router.reboot_as_told();
                return Some(End::Reset);
            }
            Err(trap) => self.trap(&trap, tag),
        }
        None
    }

    fn rows(
        &mut self,
        command: &Command,
        rows: &[Row],
        says_empty: bool,
        tag: Option<&[u8]>,
    ) -> Option<End> {
        let short = self.router.faults().take_short_print(&command.path);
        let shown = short.as_ref().map_or(rows.len(), |(rows, _)| *rows).min(rows.len());
        for row in &rows[..shown] {
            self.row(row, tag);
        }
        match short {
            Some((_, PrintEnd::Close)) => return Some(End::Reset),
            Some((_, PrintEnd::Trap(trap))) => {
                self.trap(&trap, tag);
                return None;
            }
            None => {}
        }
        let is_print = command.split().1 == "print";
        if rows.is_empty() && says_empty && is_print {
            self.word("!empty", tag, |_| {});
        }
        self.done(None, tag);
        None
    }

    // --- login --------------------------------------------------------------------------------

    fn login(&mut self, command: &Command, tag: Option<&[u8]>) {
        let name = command.text("name").unwrap_or_default();
        let from = self.from;
        if let Some(response) = command.text("response") {
            let challenge = self.challenge.take();
            let outcome = self.router.with(|world| {
                world.check_user_by(&name, "api", from, |password| {
                    let right =
                        challenge.as_ref().and_then(|challenge| api_response(password, challenge));
                    right.is_some_and(|right| right == response)
                })
            });
            return self.welcome(name, outcome, tag);
        }
        if self.router.with(|world| world.challenges()) {
            let challenge = format!("{:032x}", fastrand::u128(..));
            self.done(Some(&challenge), tag);
            self.challenge = Some(challenge);
            return;
        }
        let password = command.text("password").unwrap_or_default();
        let outcome = self.router.with(|world| world.check_user(&name, &password, "api", from));
        self.welcome(name, outcome, tag);
    }

    fn welcome(&mut self, name: String, outcome: Result<Permissions, Trap>, tag: Option<&[u8]>) {
        match outcome {
            Ok(permissions) => {
                self.router.with(|world| world.note_login(&name, "api", true));
                self.user = Some(User { name, permissions });
                self.done(None, tag);
            }
            Err(trap) => self.trap(&trap, tag),
        }
    }

    // --- listening ----------------------------------------------------------------------------

    fn listen(&mut self, command: &Command, permissions: &Permissions, tag: Option<&[u8]>) {
        if !permissions.allows("read") {
            let trap = Trap::new("not enough permissions (9)");
            return self.trap(&trap, tag);
        }
        let number = self.router.next_watch();
        let (told, lost) = (self.told.clone(), self.lost.clone());
        let wanted = Wanted::parse(command.value(".proplist"));
        let sensitive = permissions.allows("sensitive");
        let query = command.query.clone();
        let outcome = self.router.with(|world| {
            let spot = world.spot(command.split().0)?;
            world.watch(Watch { number, spot, wanted, sensitive, query, told, lost });
            Ok(())
        });
        match outcome {
            Ok(()) => {
                self.listening.insert(number, tag.unwrap_or_default().to_vec());
            }
            Err(trap) => self.trap(&trap, tag),
        }
    }

    fn pass_on(&mut self, number: u64, told: Told) {
        // A cancelled listener's last changes may still be under way.
        let Some(tag) = self.listening.get(&number).cloned() else { return };
        let tag = (!tag.is_empty()).then_some(tag);
        match told {
            Told::Row(row) => self.row(&row, tag.as_deref()),
            Told::Dead(id) => {
                let dead: &[u8] = if self.is_old { b"yes" } else { b"true" };
                self.word("!re", tag.as_deref(), |out| {
                    encode_attribute(b".id", id.as_bytes(), out);
                    encode_attribute(b".dead", dead, out);
                });
            }
        }
    }

    fn cancel(&mut self, command: &Command, tag: Option<&[u8]>) {
        let wanted = command.value("tag").map(<[u8]>::to_vec);
        let mut ended: Vec<(u64, Vec<u8>)> = Vec::new();
        self.listening.retain(|number, tag| {
            let ends = wanted.as_ref().is_none_or(|wanted| wanted == tag);
            if ends {
                ended.push((*number, tag.clone()));
            }
            !ends
        });
        ended.sort_unstable();
        self.router
            .with(|world| world.unwatch(|number| ended.iter().any(|(ended, _)| *ended == number)));
        for (_, tag) in ended {
            let tag = (!tag.is_empty()).then_some(tag);
            self.trap(&Trap::interrupted(), tag.as_deref());
        }
        self.done(None, tag);
    }

    // --- sentences ----------------------------------------------------------------------------

    fn row(&mut self, row: &Row, tag: Option<&[u8]>) {
        self.word("!re", tag, |out| {
            for (name, value) in row.fields() {
                encode_attribute(name.as_bytes(), value, out);
            }
        });
    }

    fn done(&mut self, ret: Option<&str>, tag: Option<&[u8]>) {
        self.word("!done", tag, |out| {
            if let Some(ret) = ret {
                encode_attribute(b"ret", ret.as_bytes(), out);
            }
        });
    }

    /// A trap is always followed by `!done`.
    fn trap(&mut self, trap: &Trap, tag: Option<&[u8]>) {
        // Version 6 does not number this one.
        let message = match trap.message.strip_suffix(" (4)") {
            Some(bare) if self.is_old => bare,
            _ => trap.message.as_str(),
        };
        self.word("!trap", tag, |out| {
            if let Some(category) = trap.category {
                encode_attribute(b"category", category.to_string().as_bytes(), out);
            }
            encode_attribute(b"message", message.as_bytes(), out);
        });
        self.done(None, tag);
    }

    fn fatal(&mut self, reason: &str) -> Option<End> {
        encode_word(b"!fatal", &mut self.out);
        encode_word(reason.as_bytes(), &mut self.out);
        encode_end(&mut self.out);
        Some(End::Politely)
    }

    fn word(&mut self, word: &str, tag: Option<&[u8]>, attributes: impl FnOnce(&mut BytesMut)) {
        let last = tag.is_some() && self.router.faults().now().tag_last;
        let out = &mut self.out;
        let write_tag = |out: &mut BytesMut| {
            if let Some(tag) = tag {
                encode_word(&[b".tag=", tag].concat(), out);
            }
        };
        encode_word(word.as_bytes(), out);
        if !last {
            write_tag(out);
        }
        attributes(out);
        if last {
            write_tag(out);
        }
        encode_end(out);
    }
}

/// Ends when connections of this epoch are to be reset.
async fn reset_by(plan: &mut watch::Receiver<Plan>, epoch: u64) {
    if plan.wait_for(|plan| plan.epoch != epoch).await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn command_of(sentence: &Sentence) -> Command {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Command {
        path: text(sentence.command()),
        attributes: sentence
            .attributes()
            .map(|(name, value)| (text(name), value.to_vec()))
            .collect(),
        query: Query::parse(sentence.queries()),
    }
}
