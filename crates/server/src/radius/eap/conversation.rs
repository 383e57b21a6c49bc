//! One login, step by step: name, method, tunnel, what is said inside.

use std::sync::Arc;

use lango_radius::eap::{Fragment, Method, Packet, Request, Response, TlsMethod};

use super::account::{Account, LONGEST_NAME};
use super::certificate::Configs;
use super::inner::{Inner, Reply};
use super::keys::Keys;
use super::limits::Limits;
use super::random;
use super::refusal::{Refusal, Silence};
use super::tunnel::{Heard, Tunnel};

/// How long EAP packets may be where the NAS does not say what its network carries.
const USUAL_ROOM: u32 = 1000;

/// The bounds of what a NAS may say. More would make RADIUS packets that networks cut in two.
const ROOM: std::ops::RangeInclusive<u32> = 100..=1200;

/// What the NAS puts before an EAP packet on its own network (IEEE 802.1X).
const EAPOL_HEADER: u32 = 4;

/// A login under way.
pub(super) struct Conversation {
    configs: Configs,
    limits: Limits,
    /// The longest EAP packet that reaches the device.
    room: usize,
    outer_identity: String,
    user_name: Option<String>,
    rounds: u32,
    /// The identifier of our last request.
    asked: u8,
    /// What was heard last, and said to it, for a NAS that repeats itself.
    heard: Vec<u8>,
    said: Vec<u8>,
    phase: Phase,
}

enum Phase {
    AskedIdentity,
    Offered { method: TlsMethod, may_choose: bool },
    InTunnel(Box<Tunnel>, Inner),
}

/// What is to be done.
pub(super) enum Move {
    /// Send this request.
    Ask(Vec<u8>),
    /// Look up the account of this name.
    LookUp(String),
    /// Let the user of this name in.
    Let(String, Keys),
}

impl Conversation {
    /// Begins with the device's name, or by asking for it if the message is empty (RFC 3579 §2.1).
    pub(super) fn begin(
        configs: Configs,
        limits: Limits,
        message: &[u8],
        framed_mtu: Option<u32>,
    ) -> Result<(Conversation, Move), Refusal> {
        let room = framed_mtu.map_or(USUAL_ROOM, |mtu| mtu.saturating_sub(EAPOL_HEADER));
        let mut conversation = Conversation {
            configs,
            limits,
            room: room.clamp(*ROOM.start(), *ROOM.end()) as usize,
            outer_identity: String::new(),
            user_name: None,
            rounds: 0,
            asked: 0,
            heard: Vec::new(),
            said: Vec::new(),
            phase: Phase::AskedIdentity,
        };
        if message.is_empty() {
            [conversation.asked] = random();
            let first = conversation.ask(Request::Identity(&[]))?;
            return Ok((conversation, first));
        }
        conversation.asked = match Packet::parse(message)? {
            Packet::Response { identifier, response: Response::Identity(_) } => identifier,
            _ => return Err(Refusal::NotABeginning),
        };
        let first = conversation.hear(message)?;
        Ok((conversation, first))
    }

    /// The name by which the device called itself outside, for the log.
    pub(super) fn outer_identity(&self) -> &str {
        &self.outer_identity
    }

    /// The name inside, as soon as it is known.
    pub(super) fn user_name(&self) -> Option<&str> {
        self.user_name.as_deref()
    }

    /// The last message that was heard.
    pub(super) fn heard(&self) -> &[u8] {
        &self.heard
    }

    /// Why nothing more came, as far as that can be told.
    pub(super) fn why_unfinished(&self) -> Refusal {
        match &self.phase {
            Phase::AskedIdentity | Phase::Offered { .. } => Refusal::FellSilent(Silence::BeforeTls),
            Phase::InTunnel(tunnel, _) if !tunnel.is_established() => {
                Refusal::FellSilent(Silence::AtCertificate)
            }
            Phase::InTunnel(_, inner) => {
                inner.refusal().cloned().unwrap_or(Refusal::FellSilent(Silence::InTunnel))
            }
        }
    }

    /// Takes a message from the device.
    pub(super) fn hear(&mut self, message: &[u8]) -> Result<Move, Refusal> {
        self.rounds += 1;
        if self.rounds > self.limits.rounds {
            return Err(Refusal::TooManyRounds { limit: self.limits.rounds });
        }
        if self.heard == message
            && let Some(same) = self.repeat()
        {
            return Ok(same);
        }
        let response = match Packet::parse(message)? {
            Packet::Response { identifier, response } if identifier == self.asked => response,
            Packet::Response { .. } => {
                return Err(Refusal::Unexpected { what: "an answer to an earlier question" });
            }
            _ => return Err(Refusal::Unexpected { what: "a question" }),
        };
        self.heard = message.to_vec();
        self.said = Vec::new();
        self.answer(response)
    }

    /// Goes on with the account that was asked for, or the knowledge that there is none.
    pub(super) fn decide(&mut self, account: Option<&Account>) -> Result<Move, Refusal> {
        let decided = match &mut self.phase {
            Phase::InTunnel(_, inner) => inner.decide(account),
            Phase::AskedIdentity | Phase::Offered { .. } => None,
        };
        match (decided, self.repeat()) {
            (Some(reply), _) => self.carry_out(reply?),
            (None, Some(same)) => Ok(same),
            (None, None) => Err(Refusal::UnknownConversation),
        }
    }

    /// What was said to the last message, while it is known.
    fn repeat(&self) -> Option<Move> {
        match &self.user_name {
            _ if !self.said.is_empty() => Some(Move::Ask(self.said.clone())),
            Some(name) => Some(Move::LookUp(name.clone())),
            None => None,
        }
    }

    fn answer(&mut self, response: Response<'_>) -> Result<Move, Refusal> {
        match (&self.phase, response) {
            (Phase::AskedIdentity, Response::Identity(name)) => {
                let shown = &name[..name.len().min(LONGEST_NAME)];
                self.outer_identity = String::from_utf8_lossy(shown).into_owned();
                self.offer(TlsMethod::Peap, true)
            }
            (&Phase::Offered { method, may_choose }, Response::Nak(wanted)) => {
                let is_wanted = |other: &TlsMethod| {
                    *other != method
                        && wanted.contains(&other.number())
                        && self.configs.of(*other).is_some()
                };
                match [TlsMethod::Ttls, TlsMethod::Tls].into_iter().find(is_wanted) {
                    Some(other) if may_choose => self.offer(other, false),
                    _ => Err(Refusal::NoCommonMethod { wanted: wanted.into() }),
                }
            }
            (&Phase::Offered { method, .. }, Response::Method(Method::Tls(chosen, fragment)))
                if chosen == method =>
            {
                let config = self
                    .configs
                    .of(method)
                    .ok_or(Refusal::Unexpected { what: "a method that was not offered" })?;
                let tunnel = Tunnel::new(Arc::clone(config), method, self.limits.buffered)?;
                self.phase = Phase::InTunnel(Box::new(tunnel), Inner::of(method));
                self.take(fragment)
            }
            (Phase::InTunnel(tunnel, _), Response::Method(Method::Tls(method, fragment)))
                if method == tunnel.method() =>
            {
                self.take(fragment)
            }
            _ => Err(Refusal::Unexpected { what: "an answer by another method" }),
        }
    }

    fn offer(&mut self, method: TlsMethod, may_choose: bool) -> Result<Move, Refusal> {
        self.phase = Phase::Offered { method, may_choose };
        self.ask(Request::Method(Method::Tls(method, Fragment::start(0))))
    }

    /// Takes a fragment of the tunnel.
    fn take(&mut self, fragment: Fragment<'_>) -> Result<Move, Refusal> {
        let identifier = self.asked.wrapping_add(1);
        let (tunnel, inner) = self.tunnel()?;
        match tunnel.hear(fragment)? {
            Heard::Speak | Heard::Acknowledge => self.speak(),
            Heard::Turn(_) if !tunnel.is_established() => {
                Err(Refusal::Unexpected { what: "nothing that TLS could go on with" })
            }
            Heard::Turn(said) => {
                let reply = inner.turn(&said, tunnel, identifier)?;
                self.carry_out(reply)
            }
        }
    }

    fn carry_out(&mut self, reply: Reply) -> Result<Move, Refusal> {
        match reply {
            Reply::Say(inside) => {
                self.tunnel()?.0.say(&inside)?;
                self.speak()
            }
            Reply::Nothing => self.speak(),
            Reply::LookUp(name) => {
                self.user_name = Some(name.clone());
                Ok(Move::LookUp(name))
            }
            Reply::Let(name) => Ok(Move::Let(name, self.tunnel()?.0.keys()?)),
        }
    }

    /// Sends the next fragment, or an acknowledgement if there is none.
    fn speak(&mut self) -> Result<Move, Refusal> {
        let (room, asked) = (self.room, self.asked.wrapping_add(1));
        let (tunnel, _) = self.tunnel()?;
        let method = tunnel.method();
        let request = Request::Method(Method::Tls(method, tunnel.next_fragment(room)));
        let octets = encode(asked, request)?;
        Ok(self.asked(asked, octets))
    }

    fn ask(&mut self, request: Request<'_>) -> Result<Move, Refusal> {
        let asked = self.asked.wrapping_add(1);
        let octets = encode(asked, request)?;
        Ok(self.asked(asked, octets))
    }

    fn asked(&mut self, identifier: u8, octets: Vec<u8>) -> Move {
        self.asked = identifier;
        self.said.clone_from(&octets);
        Move::Ask(octets)
    }

    fn tunnel(&mut self) -> Result<(&mut Tunnel, &mut Inner), Refusal> {
        match &mut self.phase {
            Phase::InTunnel(tunnel, inner) => Ok((tunnel, inner)),
            Phase::AskedIdentity | Phase::Offered { .. } => {
                Err(Refusal::Unexpected { what: "an answer by another method" })
            }
        }
    }
}

fn encode(identifier: u8, request: Request<'_>) -> Result<Vec<u8>, Refusal> {
    Packet::Request { identifier, request }
        .encode()
        .map_err(|_| Refusal::TooLong { limit: u16::MAX.into() })
}
