//! What can go wrong with a router, told apart by what the caller should do about it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Why a router did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The router answered and said no. The connection stays usable.
    #[error("the router refused `{command}`: {}", trap.message)]
    Refused {
        /// The command word.
        command: Box<str>,
        /// Its answer.
        trap: Trap,
    },
    /// No connection, or it broke. Whether a command in flight was carried out is unknown: look
    /// before sending a write again.
    #[error("router {router} cannot be reached: {hint}")]
    Unreachable {
        /// Host and port.
        router: Arc<str>,
        /// What happened and what to check.
        hint: &'static str,
        /// What the operating system or the TLS library said.
        #[source]
        cause: Arc<io::Error>,
    },
    /// No answer in time; the connection was dropped. Whether the command was carried out is
    /// unknown.
    #[error(
        "router {router} did not answer `{command}` within {waited:?}; if it never answers, check \
         `/ip/service` address= and the firewall"
    )]
    TimedOut {
        /// Host and port.
        router: Arc<str>,
        /// What was waited for.
        command: Box<str>,
        /// How long the router was silent.
        waited: Duration,
    },
    /// The login was refused. A router that is still booting also refuses: try again before
    /// reporting a bad password.
    #[error("router {router} refused the login of `{user}`: {}", trap.message)]
    LoginRefused {
        /// Host and port.
        router: Arc<str>,
        /// The user that was tried.
        user: Box<str>,
        /// Its answer.
        trap: Trap,
    },
    /// The router ended the session with `!fatal`.
    #[error("router {router} ended the session: {reason}")]
    Fatal {
        /// Host and port.
        router: Arc<str>,
        /// Its reason, as sent.
        reason: Box<str>,
    },
    /// The peer does not speak the protocol; it may not be a router, or the port is another
    /// service's.
    #[error("router {router} broke the protocol: {problem}; is this port its API or REST service?")]
    Protocol {
        /// Host and port.
        router: Arc<str>,
        /// What was wrong.
        problem: Box<str>,
    },
    /// The router's certificate is not the one expected. Nothing secret was sent.
    #[error("router {router} showed a certificate that is not trusted: {problem}")]
    Untrusted {
        /// Host and port.
        router: Arc<str>,
        /// What was wrong with it.
        problem: Box<str>,
    },
    /// This protocol cannot do it.
    #[error("router {router}: {what} is not possible over REST; use the binary API or poll")]
    Unsupported {
        /// Host and port.
        router: Arc<str>,
        /// What was asked for.
        what: &'static str,
    },
    /// A listener was not read fast enough and changes were lost: print again, then listen again.
    #[error("changes of `{menu}` came faster than they were read; print again and listen again")]
    Lagged {
        /// The menu listened to.
        menu: Box<str>,
    },
}

impl Error {
    /// What the router answered, if it answered.
    pub fn trap(&self) -> Option<&Trap> {
        match self {
            Error::Refused { trap, .. } | Error::LoginRefused { trap, .. } => Some(trap),
            _ => None,
        }
    }

    /// Whether the item is not there (any more).
    pub fn is_missing(&self) -> bool {
        self.is_refusal(&TrapKind::NoSuchItem)
    }

    /// Whether such an item is there already.
    pub fn is_duplicate(&self) -> bool {
        self.is_refusal(&TrapKind::AlreadyExists)
    }

    /// Whether the answer is unknown: the command may or may not have been carried out.
    pub fn leaves_doubt(&self) -> bool {
        matches!(
            self,
            Error::Unreachable { .. }
                | Error::TimedOut { .. }
                | Error::Fatal { .. }
                | Error::Protocol { .. }
        )
    }

    fn is_refusal(&self, kind: &TrapKind) -> bool {
        matches!(self, Error::Refused { trap, .. } if trap.kind == *kind)
    }
}

/// A refusal in the router's words, and what we take it to mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trap {
    /// What it means.
    pub kind: TrapKind,
    /// The router's text, unchanged.
    pub message: Box<str>,
    /// The category the manual defines (0 to 7), when sent.
    pub category: Option<u8>,
}

impl Trap {
    /// Reads the meaning out of a trap's text, which often is all there is.
    pub fn of(message: &str, category: Option<u8>) -> Trap {
        Trap { kind: TrapKind::of(message, category), message: message.into(), category }
    }
}

/// What a refusal means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrapKind {
    /// The item vanished, maybe in the middle of a print.
    NoSuchItem,
    /// An item with that key exists.
    AlreadyExists,
    /// Our user's group lacks a policy.
    NotPermitted,
    /// The menu or command is not in this version, or its package is absent.
    NoSuchCommand,
    /// The named property is not in this version.
    UnknownParameter(Box<str>),
    /// The named property's value is malformed or refers to something absent.
    InvalidValue(Box<str>),
    /// Hotspot login: the client's address is not in the host table.
    UnknownHostIp,
    /// User name or password is wrong (also a hotspot guest's).
    WrongCredentials,
    /// Ended by our own cancel.
    Interrupted,
    /// The licence allows no more sessions.
    SessionLimit,
    /// The menu does not do this on this board or version.
    NotSupported,
    /// Anything else: read the message.
    Other,
}

impl TrapKind {
    /// Texts end in ` (4)` or ` (6)` on some versions and categories are often missing, so the
    /// text is searched, never compared.
    fn of(message: &str, category: Option<u8>) -> TrapKind {
        let text = message.to_ascii_lowercase();
        let has = |needle: &str| text.contains(needle);
        if has("no such command") {
            TrapKind::NoSuchCommand
        } else if has("no such item") {
            TrapKind::NoSuchItem
        } else if has("already have") || has("already exists") {
            TrapKind::AlreadyExists
        } else if has("not enough permissions") {
            TrapKind::NotPermitted
        } else if let Some(name) = word_after(&text, &["unknown parameter ", "bad parameter "]) {
            TrapKind::UnknownParameter(name)
        } else if let Some(name) = word_after(&text, INVALID_VALUE) {
            TrapKind::InvalidValue(name)
        } else if has("wrong mac provided") {
            TrapKind::InvalidValue("mac-address".into())
        } else if has("unknown host ip") {
            TrapKind::UnknownHostIp
        } else if WRONG_CREDENTIALS.iter().any(|needle| has(needle)) {
            TrapKind::WrongCredentials
        } else if has("session limit reached") {
            TrapKind::SessionLimit
        } else if has("interrupted") || category == Some(2) {
            TrapKind::Interrupted
        } else if has("contact mikrotik support") {
            TrapKind::NotSupported
        } else {
            TrapKind::Other
        }
    }
}

const INVALID_VALUE: &[&str] = &[
    "input does not match any value of ",
    "invalid value for argument ",
    "invalid value of ",
    "value of ",
];

const WRONG_CREDENTIALS: &[&str] =
    &["invalid user name or password", "invalid username or password", "incorrect login"];

fn word_after(text: &str, openings: &[&str]) -> Option<Box<str>> {
    let (_, rest) = openings.iter().find_map(|opening| text.split_once(opening))?;
    rest.split([' ', ':', ',', '(', '!']).next().filter(|word| !word.is_empty()).map(Box::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(message: &str) -> TrapKind {
        Trap::of(message, None).kind
    }

    #[test]
    fn refusals_seen_in_the_field_are_understood() {
        let vectors = [
            ("no such item", TrapKind::NoSuchItem),
            ("no such item (4)", TrapKind::NoSuchItem),
            ("no such command", TrapKind::NoSuchCommand),
            ("no such command prefix", TrapKind::NoSuchCommand),
            ("no such command or directory (hotspot)", TrapKind::NoSuchCommand),
            ("failure: already have user with this name for this server", TrapKind::AlreadyExists),
            ("failure: secret with the same name already exists", TrapKind::AlreadyExists),
            ("failure: already have such entry", TrapKind::AlreadyExists),
            ("not enough permissions (9)", TrapKind::NotPermitted),
            ("unknown parameter totp-secret", TrapKind::UnknownParameter("totp-secret".into())),
            ("bad parameter x (1)", TrapKind::UnknownParameter("x".into())),
            ("input does not match any value of profile", TrapKind::InvalidValue("profile".into())),
            (
                "invalid value for argument remote-address",
                TrapKind::InvalidValue("remote-address".into()),
            ),
            ("invalid value of mac-address", TrapKind::InvalidValue("mac-address".into())),
            ("wrong MAC provided", TrapKind::InvalidValue("mac-address".into())),
            ("unknown host IP 10.0.0.5", TrapKind::UnknownHostIp),
            ("invalid user name or password (6)", TrapKind::WrongCredentials),
            ("incorrect login", TrapKind::WrongCredentials),
            ("invalid username or password", TrapKind::WrongCredentials),
            ("session limit reached (200)", TrapKind::SessionLimit),
            ("interrupted", TrapKind::Interrupted),
            ("error - contact MikroTik support and send a supout file (3)", TrapKind::NotSupported),
            ("could not authenticate - radius timeout", TrapKind::Other),
            ("", TrapKind::Other),
        ];
        for (message, meaning) in vectors {
            assert_eq!(kind(message), meaning, "{message:?}");
        }
    }

    #[test]
    fn the_category_alone_tells_an_interruption() {
        assert_eq!(Trap::of("stopped", Some(2)).kind, TrapKind::Interrupted);
    }
}
