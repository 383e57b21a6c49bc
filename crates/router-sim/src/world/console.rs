//! Owns the terminal: text pasted into it is run line by line with all policies, and a refused
//! line stops no other, as on the router. The language is that of `script`; what is not known
//! there is refused, never passed over.

use super::World;
use super::command::Permissions;

/// What came of one pasted line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pasted {
    /// Which line of the text, from 1.
    pub line: usize,
    /// As it was pasted.
    pub command: String,
    /// What it printed, or why it was refused.
    pub outcome: Result<String, super::Trap>,
}

impl World {
    /// Pastes text; empty lines and comments are no commands.
    pub(crate) fn paste(&mut self, text: &str) -> Vec<Pasted> {
        let permissions = Permissions::everything();
        let mut pasted = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let command = line.trim();
            if command.is_empty() || command.starts_with('#') {
                continue;
            }
            let outcome = match command.contains(|char: char| char.is_control()) {
                true => Err(super::Trap::new("syntax error: a key, not a letter")),
                false => self.run_script(command, &permissions),
            };
            pasted.push(Pasted { line: index + 1, command: command.to_owned(), outcome });
        }
        pasted
    }
}
