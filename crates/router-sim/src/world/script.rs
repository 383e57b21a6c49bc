//! Owns a small part of the router's script language: command lines with `[find …]`, `:put`,
//! `:log`, `:do {…} on-error={…}`, `:if (a = b) do={…} else={…}`. Enough for guards, clean-ups and
//! what people paste; variables and loops are not there and end in a syntax error. (MikroTik manual, "Scripting".)

use super::World;
use super::command::{Answer, Command, Permissions};
use super::items::Spot;
use super::menus::MENUS;
use super::row::{Wanted, id_text};
use super::table::Id;
use super::trap::Trap;

/// One word of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    Plain(String),
    /// `name=value`; the value may be a `[find …]`.
    Pair(String, Box<Word>),
    /// `[…]`
    Bracket(Vec<Word>),
    /// `(…)`
    Paren(Vec<Word>),
    /// `{…}`
    Block(String),
    /// `"…"`, escapes resolved.
    Quoted(String),
    /// `name~"pattern"`
    Like(String, String),
}

impl World {
    /// Runs a script to its end or its first error; returns what it printed.
    pub(crate) fn run_script(
        &mut self,
        source: &str,
        permissions: &Permissions,
    ) -> Result<String, Trap> {
        let mut printed = String::new();
        let mut menu = String::new();
        for line in lines(source) {
            self.run_line(&line, &mut menu, permissions, &mut printed)?;
        }
        Ok(printed)
    }

    fn run_line(
        &mut self,
        line: &str,
        menu: &mut String,
        permissions: &Permissions,
        printed: &mut String,
    ) -> Result<(), Trap> {
        let words = words(line)?;
        let first = match words.first() {
            None => return Ok(()),
            Some(Word::Plain(first)) => first,
            Some(_) => return Err(Trap::new("syntax error: a command begins with its name")),
        };
        match first.as_str() {
            ":if" => return self.run_if(&words, permissions, printed),
            ":do" => return self.run_guarded(&words, permissions, printed),
            ":put" => {
                let text = words.get(1).map(|word| self.text_of(word)).transpose()?;
                printed.push_str(&text.unwrap_or_default());
                printed.push('\n');
                return Ok(());
            }
            ":log" => {
                let text = words.get(2).map(|word| self.text_of(word)).transpose()?;
                self.note("script,info", text.unwrap_or_default());
                return Ok(());
            }
            ":delay" => return Ok(()),
            word if word.starts_with(':') => {
                return Err(Trap::new(format!("syntax error: {word} is not known here")));
            }
            _ => {}
        }
        self.run_command(&words, menu, permissions)
    }

    fn run_guarded(
        &mut self,
        words: &[Word],
        permissions: &Permissions,
        printed: &mut String,
    ) -> Result<(), Trap> {
        let Some(Word::Block(body)) = words.get(1) else {
            return Err(Trap::new("syntax error: :do wants a block"));
        };
        let rescue = words.iter().find_map(|word| match word {
            Word::Pair(name, value) if name == "on-error" => Some(value),
            _ => None,
        });
        match (self.run_script(body, permissions), rescue) {
            (Ok(text), _) => printed.push_str(&text),
            (Err(_), Some(rescue)) => {
                if let Word::Block(body) = &**rescue {
                    printed.push_str(&self.run_script(body, permissions)?);
                }
            }
            (Err(trap), None) => return Err(trap),
        }
        Ok(())
    }

    fn run_if(
        &mut self,
        words: &[Word],
        permissions: &Permissions,
        printed: &mut String,
    ) -> Result<(), Trap> {
        let wrong = || Trap::new("syntax error: :if wants (a = b) do={…}, and else={…} at most");
        let [_, Word::Paren(condition), branches @ ..] = words else { return Err(wrong()) };
        let [left, Word::Plain(sign), right] = condition.as_slice() else { return Err(wrong()) };
        if sign != "=" {
            return Err(wrong());
        }
        let branch = |word: &Word, wanted: &str| match word {
            Word::Pair(name, value) if name == wanted => match &**value {
                Word::Block(body) => Some(body.clone()),
                _ => None,
            },
            _ => None,
        };
        let (then, other) = match branches {
            [then] => (branch(then, "do").ok_or_else(wrong)?, None),
            [then, other] => (
                branch(then, "do").ok_or_else(wrong)?,
                Some(branch(other, "else").ok_or_else(wrong)?),
            ),
            _ => return Err(wrong()),
        };
        let holds = normal(&self.text_of(left)?) == normal(&self.text_of(right)?);
        if let Some(body) = if holds { Some(then) } else { other } {
            printed.push_str(&self.run_script(&body, permissions)?);
        }
        Ok(())
    }

    /// `/ip hotspot user disable [find name="x"]`, or the same below the menu entered before.
    fn run_command(
        &mut self,
        words: &[Word],
        menu: &mut String,
        permissions: &Permissions,
    ) -> Result<(), Trap> {
        let plain: Vec<&str> = words
            .iter()
            .map_while(|word| match word {
                Word::Plain(text) => Some(text.as_str()),
                _ => None,
            })
            .collect();
        let (path, used) = self.longest_menu(&plain, menu)?;
        let Some(verb) = plain.get(used) else {
            *menu = path;
            return Ok(());
        };
        let mut command = Command::of(format!("{path}/{verb}"));
        let mut items: Option<Vec<Id>> = None;
        let spot = self.spot(&path).ok();
        for word in &words[used + 1..] {
            match word {
                Word::Bracket(inside) => items = Some(self.find(spot, inside)?),
                Word::Pair(name, value) => match (&**value, name.as_str()) {
                    (Word::Bracket(inside), "numbers") => items = Some(self.find(spot, inside)?),
                    (value, _) => {
                        let value = self.text_of(value)?;
                        command = command.with(name, value);
                    }
                },
                Word::Plain(text) | Word::Quoted(text) => {
                    command = command.with("numbers", text.as_str())
                }
                Word::Block(_) | Word::Paren(_) | Word::Like(..) => {
                    return Err(Trap::new("syntax error"));
                }
            }
        }
        if let Some(items) = items {
            // Nothing found is nothing to do, not an error.
            if items.is_empty() {
                return Ok(());
            }
            let list: Vec<String> = items.into_iter().map(id_text).collect();
            command = command.with(".id", list.join(","));
        }
        match self.execute(&command, permissions)? {
            Answer::Reboot => self.reboot(None),
            Answer::Rows(_) | Answer::Value(_) | Answer::Done | Answer::Quit => {}
        }
        Ok(())
    }

    /// The menu that the leading words name, and how many words that took.
    fn longest_menu(&self, plain: &[&str], entered: &str) -> Result<(String, usize), Trap> {
        let absolute = plain.first().is_some_and(|word| word.starts_with('/'));
        let mut path = if absolute { String::new() } else { entered.to_owned() };
        let mut best = (!path.is_empty()).then(|| (path.clone(), 0));
        for (index, word) in plain.iter().enumerate() {
            let word = word.trim_matches('/');
            if !word.is_empty() {
                path = format!("{path}/{word}");
            }
            if Spot::of(&path).is_some()
                || MENUS.iter().any(|(_, menu)| menu.path.starts_with(&format!("{path}/")))
            {
                best = Some((path.clone(), index + 1));
                continue;
            }
            break;
        }
        best.ok_or_else(|| Trap::new(format!("bad command name {}", plain.first().unwrap_or(&""))))
    }

    /// The items that `find name="x" list=y` names.
    fn find(&self, spot: Option<Spot>, inside: &[Word]) -> Result<Vec<Id>, Trap> {
        let spot = spot.ok_or_else(Trap::no_such_prefix)?;
        if inside.first() != Some(&Word::Plain("find".to_owned())) {
            return Err(Trap::new("syntax error: only [find …] is known here"));
        }
        let mut query = super::query::Query::default();
        let (mut likes, mut unlike) = (Vec::new(), Vec::new());
        for word in &inside[1..] {
            match word {
                Word::Plain(joint) if joint == "where" || joint == "and" => {}
                Word::Plain(name) => {
                    let (name, wanted) = name
                        .strip_prefix('!')
                        .map_or((name.as_str(), "true"), |name| (name, "false"));
                    self.refuse_unknown(spot, name)?;
                    query = query.and(super::query::Query::equal(name, wanted.as_bytes()));
                }
                Word::Pair(name, value) => {
                    let value = self.text_of(value)?;
                    if let Some(name) = name.strip_suffix('!') {
                        self.refuse_unknown(spot, name)?;
                        unlike.push((name, normal(&value).to_owned()));
                        continue;
                    }
                    self.refuse_unknown(spot, name)?;
                    query = query.and(super::query::Query::equal(name, normal(&value).as_bytes()));
                }
                Word::Like(name, pattern) => {
                    self.refuse_unknown(spot, name)?;
                    likes.push((name.as_str(), pattern.as_str()));
                }
                _ => return Err(Trap::new("syntax error in find")),
            }
        }
        let like = |id: &Id| {
            (likes.is_empty() && unlike.is_empty())
                || self.row(spot, *id, &Wanted::All, true).is_some_and(|row| {
                    likes.iter().all(|(name, pattern)| {
                        row.text(name).is_some_and(|text| is_like(&text, pattern))
                    }) && unlike.iter().all(|(name, value)| {
                        row.text(name).is_none_or(|text| text != value.as_str())
                    })
                })
        };
        Ok(self.matching(spot, &query).into_iter().filter(like).collect())
    }

    /// The text that a word stands for.
    fn text_of(&self, word: &Word) -> Result<String, Trap> {
        match word {
            Word::Plain(text) | Word::Quoted(text) | Word::Block(text) => Ok(text.clone()),
            Word::Bracket(inside) => self.bracket_text(inside),
            Word::Paren(_) | Word::Pair(..) | Word::Like(..) => Err(Trap::new("syntax error")),
        }
    }

    /// `[:len [/menu find …]]`, `[:pick [/menu find …] 0]`, `[/menu get …]`, `[/menu find …]`.
    fn bracket_text(&self, inside: &[Word]) -> Result<String, Trap> {
        match inside {
            [Word::Plain(len), Word::Bracket(items)] if len == ":len" => {
                return Ok(self.find_anywhere(items)?.len().to_string());
            }
            [Word::Plain(pick), Word::Bracket(items), Word::Plain(at)] if pick == ":pick" => {
                let at: usize = at.parse().map_err(|_| Trap::new("syntax error: :pick"))?;
                let picked = self.find_anywhere(items)?.get(at).copied();
                return Ok(picked.map(id_text).unwrap_or_default());
            }
            [.., Word::Plain(get), Word::Plain(name)] if get == "get" => {
                return self.setting(&inside[..inside.len() - 2], name);
            }
            _ => {}
        }
        let ids = self.find_anywhere(inside)?;
        Ok(ids.into_iter().map(id_text).collect::<Vec<_>>().join(";"))
    }

    /// One property of a menu of settings.
    fn setting(&self, path: &[Word], name: &str) -> Result<String, Trap> {
        let plain = path.iter().map(|word| match word {
            Word::Plain(text) => Ok(text.trim_matches('/')),
            _ => Err(Trap::new("syntax error: get")),
        });
        let path = plain.collect::<Result<Vec<_>, _>>()?.join("/");
        let spot = self.spot(&format!("/{path}"))?;
        self.refuse_unknown(spot, name)?;
        if !spot.is_single() {
            return Err(Trap::new("syntax error: get is known here of settings only"));
        }
        let row = self.row(spot, 1, &Wanted::All, true);
        let value = row.as_ref().and_then(|row| row.text(name));
        Ok(value.map(std::borrow::Cow::into_owned).unwrap_or_default())
    }

    /// A name that means nothing in a menu would find nothing, and hide a mistake.
    fn refuse_unknown(&self, spot: Spot, name: &str) -> Result<(), Trap> {
        let Spot::Table(place) = spot else { return Ok(()) };
        let known = [".id", "dynamic"].contains(&name)
            || (self.table(place).menu.field(name).is_some() && self.has_property(place, name));
        if known { Ok(()) } else { Err(Trap::unknown_parameter(name)) }
    }

    fn find_anywhere(&self, inside: &[Word]) -> Result<Vec<Id>, Trap> {
        let plain: Vec<&str> = inside
            .iter()
            .map_while(|word| match word {
                Word::Plain(text) => Some(text.as_str()),
                _ => None,
            })
            .collect();
        let (path, used) = self.longest_menu(&plain, "")?;
        self.find(self.spot(&path).ok(), &inside[used..])
    }
}

/// Conditions may say yes and no where rows say true and false.
fn normal(value: &str) -> &str {
    match value {
        "yes" => "true",
        "no" => "false",
        other => other,
    }
}

/// Lines and commands: split at newlines and semicolons outside quotes, brackets and braces.
fn lines(source: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    let (mut depth, mut quoted, mut escaped) = (0_i32, false, false);
    for char in source.chars() {
        let ends = matches!(char, '\n' | '\r' | ';') && depth == 0 && !quoted;
        match char {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            '[' | '{' | '(' if !quoted => depth += 1,
            ']' | '}' | ')' if !quoted => depth -= 1,
            _ => {}
        }
        if ends {
            lines.push(String::new());
        } else if let Some(line) = lines.last_mut() {
            line.push(char);
        }
    }
    lines.retain(|line| !line.trim().is_empty() && !line.trim().starts_with('#'));
    lines
}

fn words(line: &str) -> Result<Vec<Word>, Trap> {
    let chars: Vec<char> = line.chars().collect();
    let mut at = 0;
    let words = words_until(&chars, &mut at, None)?;
    Ok(spread_path(words))
}

/// `/ip/hotspot/user/disable` is the same as `/ip hotspot user disable`.
fn spread_path(words: Vec<Word>) -> Vec<Word> {
    let mut spread = Vec::with_capacity(words.len() + 4);
    for (index, word) in words.into_iter().enumerate() {
        match word {
            Word::Plain(text) if index == 0 && text.starts_with('/') => {
                let parts = text.split('/').filter(|part| !part.is_empty());
                let first = spread.len();
                spread.extend(parts.map(|part| Word::Plain(part.to_owned())));
                if let Some(Word::Plain(part)) = spread.get_mut(first) {
                    part.insert(0, '/');
                }
            }
            other => spread.push(other),
        }
    }
    spread
}

fn words_until(chars: &[char], at: &mut usize, end: Option<char>) -> Result<Vec<Word>, Trap> {
    let mut words = Vec::new();
    loop {
        while chars.get(*at).is_some_and(|char| char.is_whitespace() || *char == ';') {
            *at += 1;
        }
        match chars.get(*at) {
            None if end.is_none() => return Ok(words),
            None => return Err(Trap::new("syntax error: bracket is not closed")),
            Some(char) if Some(*char) == end => {
                *at += 1;
                return Ok(words);
            }
            Some(_) => words.push(word(chars, at)?),
        }
    }
}

fn word(chars: &[char], at: &mut usize) -> Result<Word, Trap> {
    match chars.get(*at) {
        Some('[') => {
            *at += 1;
            return Ok(Word::Bracket(spread_path(words_until(chars, at, Some(']'))?)));
        }
        Some('(') => {
            *at += 1;
            return Ok(Word::Paren(words_until(chars, at, Some(')'))?));
        }
        Some('{') => return block(chars, at),
        Some('"') => return quoted(chars, at).map(Word::Quoted),
        Some(']' | '}' | ')') => return Err(Trap::new("syntax error: bracket was never opened")),
        _ => {}
    }
    let mut text = String::new();
    while let Some(char) = chars.get(*at) {
        match char {
            '=' if !text.is_empty() => {
                *at += 1;
                let value = match chars.get(*at) {
                    None => Word::Plain(String::new()),
                    Some(char) if char.is_whitespace() => Word::Plain(String::new()),
                    Some(_) => value(chars, at)?,
                };
                return Ok(Word::Pair(text, Box::new(value)));
            }
            '~' if !text.is_empty() => {
                *at += 1;
                return Ok(Word::Like(text, quoted(chars, at)?));
            }
            char if char.is_whitespace()
                || matches!(char, '[' | ']' | '{' | '}' | '(' | ')' | ';') =>
            {
                break;
            }
            '"' => break,
            char => text.push(*char),
        }
        *at += 1;
    }
    Ok(Word::Plain(text))
}

/// What stands behind `=`; it may contain `=` itself.
fn value(chars: &[char], at: &mut usize) -> Result<Word, Trap> {
    if matches!(chars.get(*at), Some('[' | '{' | '"')) {
        return word(chars, at);
    }
    let mut text = String::new();
    while let Some(char) = chars
        .get(*at)
        .filter(|char| !char.is_whitespace() && !matches!(char, ']' | '}' | ')' | ';'))
    {
        text.push(*char);
        *at += 1;
    }
    Ok(Word::Plain(text))
}

fn block(chars: &[char], at: &mut usize) -> Result<Word, Trap> {
    let mut depth = 0;
    let mut text = String::new();
    let (mut inside_quotes, mut escaped) = (false, false);
    while let Some(char) = chars.get(*at) {
        *at += 1;
        match char {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => inside_quotes = !inside_quotes,
            '{' if !inside_quotes => {
                depth += 1;
                if depth == 1 {
                    continue;
                }
            }
            '}' if !inside_quotes => {
                depth -= 1;
                if depth == 0 {
                    return Ok(Word::Block(text));
                }
            }
            _ => {}
        }
        text.push(*char);
    }
    Err(Trap::new("syntax error: block is not closed"))
}

fn quoted(chars: &[char], at: &mut usize) -> Result<String, Trap> {
    if chars.get(*at) != Some(&'"') {
        return Err(Trap::new("syntax error: quotes expected"));
    }
    *at += 1;
    let mut text = Vec::new();
    while let Some(char) = chars.get(*at) {
        *at += 1;
        match char {
            '"' => return Ok(String::from_utf8_lossy(&text).into_owned()),
            '\\' => text.push(escaped(chars, at)?),
            // `$name` stands for a variable, and no variable is ever set here.
            '$' => {
                while chars.get(*at).is_some_and(char::is_ascii_alphanumeric) {
                    *at += 1;
                }
            }
            char => text.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Err(Trap::new("syntax error: quotes are not closed"))
}

/// What stands behind a backslash. (MikroTik manual, "Scripting", "Constant Escape Sequences".)
fn escaped(chars: &[char], at: &mut usize) -> Result<u8, Trap> {
    let unknown = || Trap::new("syntax error: unknown escape");
    let first = chars.get(*at).copied().ok_or_else(unknown)?;
    *at += 1;
    Ok(match first {
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        '_' => b' ',
        '"' | '\\' | '$' | '?' => first as u8,
        _ => {
            let second = chars.get(*at).copied().and_then(|digit| digit.to_digit(16));
            *at += 1;
            let byte = first.to_digit(16).ok_or_else(unknown)? * 16 + second.ok_or_else(unknown)?;
            u8::try_from(byte).map_err(|_| unknown())?
        }
    })
}

/// The little of regular expressions that clean-ups use: `^`, `$` and `.`.
fn is_like(text: &str, pattern: &str) -> bool {
    let (pattern, anchored) =
        pattern.strip_prefix('^').map_or((pattern, false), |rest| (rest, true));
    let (pattern, closed) = pattern.strip_suffix('$').map_or((pattern, false), |rest| (rest, true));
    let (text, pattern): (Vec<char>, Vec<char>) =
        (text.chars().collect(), pattern.replace('\\', "").chars().collect());
    let fits = |start: usize| {
        text.len() >= start + pattern.len()
            && (!closed || text.len() == start + pattern.len())
            && pattern
                .iter()
                .zip(&text[start..])
                .all(|(wanted, char)| *wanted == '.' || wanted == char)
    };
    let last = if anchored { 0 } else { text.len().saturating_sub(pattern.len()) };
    (0..=last).any(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_at_newlines_and_semicolons_outside_of_brackets_and_quotes() {
        let source = "/a b [find c=\"x;y\"]; /d\n# note\n:do {/e; /f} on-error={}";
        assert_eq!(lines(source).len(), 3);
    }

    #[test]
    fn a_line_is_words_pairs_and_brackets() {
        let words =
            words(r#"/ppp/secret/set [find name="a \"b\""] comment=x disabled=yes"#).unwrap();
        assert_eq!(words.len(), 6);
        assert_eq!(words[0], Word::Plain("/ppp".to_owned()));
        let Word::Bracket(inside) = &words[3] else { panic!("{words:?}") };
        assert_eq!(
            inside[1],
            Word::Pair("name".to_owned(), Box::new(Word::Quoted("a \"b\"".to_owned())))
        );
    }

    #[test]
    fn patterns_know_anchors_and_dots() {
        assert!(is_like("10.0.0.5:1234", "^10.0.0.5:"));
        assert!(!is_like("110.0.0.5:1234", "^10.0.0.5:"));
        assert!(
            is_like("lango:abc", "abc$") && !is_like("abcd", "abc$") && is_like("xabcx", "abc")
        );
    }
}
