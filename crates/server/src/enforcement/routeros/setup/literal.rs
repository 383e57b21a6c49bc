//! Texts in RouterOS commands. Every text from outside goes into a command by [`quoted`] and by
//! no other way.

use std::fmt::Write as _;

/// A string literal of the router's script language.
///
/// Inside quotes `$x` would expand to nothing, and a terminal of version 6 takes a bare `?` for a
/// call for help. Whatever is not printable ASCII is written by its bytes (`\0A`): a terminal
/// takes tabs and line ends for keys, and other letters in an alphabet of its own.
/// (MikroTik manual, "Scripting", section "Constant Escape Sequences".)
pub fn quoted(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('"');
    for byte in text.bytes() {
        match byte {
            b'\\' | b'"' | b'$' => {
                literal.push('\\');
                literal.push(char::from(byte));
            }
            b' '..=b'~' if byte != b'?' => literal.push(char::from(byte)),
            _ => {
                // Writing to a String does not fail.
                let _ = write!(literal, "\\{byte:02X}");
            }
        }
    }
    literal.push('"');
    literal
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads a literal as the router does: what it stands for, and what is left behind it.
    fn read(literal: &str) -> Option<(Vec<u8>, &str)> {
        let mut rest = literal.strip_prefix('"')?;
        let mut bytes = Vec::new();
        loop {
            let (char, behind) = (rest.chars().next()?, rest.get(1..)?);
            rest = behind;
            match char {
                '"' => return Some((bytes, rest)),
                '$' => return None,
                '\\' => match rest.chars().next()? {
                    escaped @ ('\\' | '"' | '$') => {
                        bytes.push(escaped as u8);
                        rest = &rest[1..];
                    }
                    _ => {
                        bytes.push(u8::from_str_radix(rest.get(..2)?, 16).ok()?);
                        rest = &rest[2..];
                    }
                },
                char => bytes.push(char as u8),
            }
        }
    }

    #[test]
    fn a_name_cannot_break_out_of_its_command() {
        assert_eq!(quoted(r#"a"];/user/add$x\"#), r#""a\"];/user/add\$x\\""#);
        assert_eq!(quoted("who?\n/user"), r#""who\3F\0A/user""#);
        assert_eq!(quoted("Zoë"), r#""Zo\C3\AB""#);
    }

    proptest! {
        #[test]
        fn every_text_is_read_back_whole_and_alone(text in any::<String>()) {
            let literal = quoted(&text);
            prop_assert!(literal.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            prop_assert_eq!(read(&literal), Some((text.clone().into_bytes(), "")));
        }
    }
}
