//! One item of a menu as the router sent it: ordered names and raw values.
//!
//! Values are bytes: WinBox stores comments in the Windows codepage, API tools in UTF-8, and the
//! router never says which. Nothing here fails on them or changes them.

use std::borrow::Cow;
use std::fmt::{self, Display};
use std::time::Duration;

use crate::sentence::Sentence;
use crate::values::{
    self, Interval, LocalDateTime, MacAddress, PerDirection, Prefix, RateLimit, parse_duration,
};

/// What the router calls an item: `*` and a hex number, on menus with names also a name.
///
/// Ids are reused: an active session's id is its address in hex, so a stale id may hit the next
/// guest. Print, check, act at once; never store one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemId(String);

impl ItemId {
    /// An id as a print or an add returned it.
    pub fn new(id: impl Into<String>) -> ItemId {
        ItemId(id.into())
    }

    /// The text for `=.id=`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The attributes of one item, or of a command's answer.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Row {
    bytes: Vec<u8>,
    /// End of name and end of value in `bytes`; they lie back to back.
    ends: Vec<(u32, u32)>,
}

impl Row {
    /// A row of the given names and values.
    pub fn of<N: AsRef<[u8]>, V: AsRef<[u8]>>(pairs: impl IntoIterator<Item = (N, V)>) -> Row {
        let mut row = Row::default();
        for (name, value) in pairs {
            row.push(name.as_ref(), value.as_ref());
        }
        row
    }

    /// The attributes of a reply sentence.
    pub fn from_sentence(sentence: &Sentence) -> Row {
        let mut row = Row::default();
        row.bytes.reserve_exact(sentence.size());
        for (name, value) in sentence.attributes() {
            row.push(name, value);
        }
        row
    }

    /// Appends an attribute. One that would take the row past 4 GiB is left out.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        let name_end = self.bytes.len() + name.len();
        let Ok(end) = u32::try_from(name_end + value.len()) else { return };
        let name_end = u32::try_from(name_end).unwrap_or(end);
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(value);
        self.ends.push((name_end, end));
    }

    /// Every attribute in the order sent.
    pub fn attributes(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut start = 0;
        self.ends.iter().map(move |&(name_end, end)| {
            let name = &self.bytes[start..name_end as usize];
            start = end as usize;
            (name, &self.bytes[name_end as usize..start])
        })
    }

    /// The raw value, `None` when the router did not send the property (it has no value then).
    pub fn raw(&self, name: &str) -> Option<&[u8]> {
        self.attributes().find(|(found, _)| *found == name.as_bytes()).map(|(_, value)| value)
    }

    /// The value if it is UTF-8.
    pub fn str(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.raw(name)?).ok()
    }

    /// The value for people to read: bytes that are not UTF-8 are shown as replacement marks.
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        self.raw(name).map(String::from_utf8_lossy)
    }

    /// The item's `.id`.
    pub fn id(&self) -> Option<ItemId> {
        self.str(".id").filter(|id| !id.is_empty()).map(ItemId::new)
    }

    /// Whether the row says that the item is gone: `.dead=true`, before 7 `yes`.
    pub fn is_dead(&self) -> bool {
        self.flag(".dead")
    }

    /// Whether there are no attributes at all.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How many payload bytes the row holds.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The value read by `read`; `None` when absent or unreadable.
    pub fn parsed<T>(&self, name: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        self.str(name).and_then(read)
    }

    /// An owned text, empty when absent.
    pub fn string(&self, name: &str) -> String {
        self.text(name).unwrap_or_default().into_owned()
    }

    /// An owned text, `None` when absent or empty.
    pub fn optional(&self, name: &str) -> Option<String> {
        self.text(name).filter(|text| !text.is_empty()).map(Cow::into_owned)
    }

    /// A switch; absent is off.
    pub fn flag(&self, name: &str) -> bool {
        self.parsed(name, values::parse_bool).unwrap_or(false)
    }

    /// A plain number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.parsed(name, values::parse_bytes)
    }

    /// A length of time.
    pub fn duration(&self, name: &str) -> Option<Duration> {
        self.parsed(name, parse_duration)
    }

    /// A length of time or one of the keywords for none.
    pub fn interval(&self, name: &str) -> Option<Interval> {
        self.parsed(name, Interval::parse)
    }

    /// A MAC address.
    pub fn mac(&self, name: &str) -> Option<MacAddress> {
        self.parsed(name, MacAddress::parse)
    }

    /// An address or prefix.
    pub fn prefix(&self, name: &str) -> Option<Prefix> {
        self.parsed(name, Prefix::parse)
    }

    /// A full rate limit.
    pub fn rate_limit(&self, name: &str) -> Option<RateLimit> {
        self.parsed(name, RateLimit::parse)
    }

    /// A pair `up/down` of byte counts.
    pub fn byte_pair(&self, name: &str) -> Option<PerDirection<u64>> {
        self.parsed(name, |text| PerDirection::parse(text, values::parse_bytes))
    }

    /// A pair `up/down` of rates.
    pub fn rate_pair(&self, name: &str) -> Option<PerDirection<u64>> {
        self.parsed(name, |text| PerDirection::parse(text, values::parse_rate))
    }

    /// A local date and time.
    pub fn date_time(&self, name: &str) -> Option<LocalDateTime> {
        self.parsed(name, LocalDateTime::parse)
    }
}

impl fmt::Debug for Row {
    /// Names with values, the passwords among them masked.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (name, value) in self.attributes() {
            let name = String::from_utf8_lossy(name);
            let secret = ["password", "secret"].iter().any(|word| name.contains(word));
            let shown = if secret { "***".into() } else { String::from_utf8_lossy(value) };
            map.entry(&name, &shown);
        }
        map.finish()
    }
}

/// What a command came back with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// Rows, in the router's order.
    pub rows: Vec<Row>,
    /// What the end of the reply said by itself (`ret` and the like).
    pub done: Row,
}

impl Reply {
    /// The result value: the id of an added item, a count, a script's output.
    pub fn ret(&self) -> Option<Cow<'_, str>> {
        self.done.text("ret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_keeps_order_and_bytes_it_cannot_read() {
        let row = Row::of([
            (".id", b"*1A".as_slice()),
            ("comment", b"caf\xe9"),
            ("disabled", b"false"),
            ("empty", b""),
        ]);
        assert_eq!(row.id(), Some(ItemId::new("*1A")));
        assert_eq!(row.raw("comment"), Some(b"caf\xe9".as_slice()));
        assert_eq!(row.str("comment"), None);
        assert_eq!(row.text("comment").as_deref(), Some("caf\u{fffd}"));
        assert_eq!(row.raw("empty"), Some(b"".as_slice()));
        assert_eq!(row.optional("empty"), None);
        assert_eq!(row.raw("absent"), None);
        let names: Vec<_> = row.attributes().map(|(name, _)| name.to_vec()).collect();
        assert_eq!(names, [b".id".as_slice(), b"comment", b"disabled", b"empty"]);
    }

    #[test]
    fn a_dead_row_is_known_in_both_spellings() {
        assert!(Row::of([(".dead", "true")]).is_dead());
        assert!(Row::of([(".dead", "yes")]).is_dead());
        assert!(!Row::of([(".id", "*1")]).is_dead());
    }

    #[test]
    fn a_row_does_not_print_its_secrets() {
        let row = Row::of([("name", "ann"), ("password", "hush"), ("otp-secret", "hush")]);
        let shown = format!("{row:?}");
        assert!(shown.contains("ann") && !shown.contains("hush"), "{shown}");
    }
}
