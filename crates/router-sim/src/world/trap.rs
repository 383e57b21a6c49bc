//! Owns the sentences in which the router refuses. Clients match on these texts, so they are
//! written as RouterOS writes them and nowhere else.

/// A refused command: the text of `=message=` and, where RouterOS sends one, its category.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Trap {
    /// What the client reads.
    pub message: String,
    /// 0 missing item or command, 1 bad argument, 2 interrupted, 3 scripting, 4 general, 5 API.
    pub category: Option<u8>,
}

impl Trap {
    /// A refusal with this text and no category.
    pub fn new(message: impl Into<String>) -> Trap {
        Trap { message: message.into(), category: None }
    }

    fn of(category: u8, message: impl Into<String>) -> Trap {
        Trap { message: message.into(), category: Some(category) }
    }

    pub(crate) fn no_such_item() -> Trap {
        Trap::of(0, "no such item (4)")
    }

    pub(crate) fn no_such_command() -> Trap {
        Trap::of(0, "no such command")
    }

    pub(crate) fn no_such_prefix() -> Trap {
        Trap::of(0, "no such command prefix")
    }

    pub(crate) fn unknown_parameter(name: &str) -> Trap {
        Trap::new(format!("unknown parameter {name}"))
    }

    pub(crate) fn invalid_argument(name: &str) -> Trap {
        Trap::of(1, format!("invalid value for argument {name}"))
    }

    pub(crate) fn invalid_value(name: &str) -> Trap {
        Trap::of(1, format!("invalid value of {name}"))
    }

    pub(crate) fn not_a_value_of(name: &str) -> Trap {
        Trap::of(1, format!("input does not match any value of {name}"))
    }

    pub(crate) fn missing(names: &str) -> Trap {
        Trap::of(1, format!("missing value(s) of argument(s) {names}"))
    }

    pub(crate) fn not_permitted() -> Trap {
        Trap::new("not enough permissions (9)")
    }

    pub(crate) fn failure(text: &str) -> Trap {
        Trap::of(4, format!("failure: {text}"))
    }

    pub(crate) fn interrupted() -> Trap {
        Trap::of(2, "interrupted")
    }
}
