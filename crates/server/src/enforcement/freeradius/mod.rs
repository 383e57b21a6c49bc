//! FreeRADIUS beside us: what its tables are to say of a grant, and how a session that must end is
//! ended. See `docs/decisions/0016-freeradius-tables.md`.
//!
//! FreeRADIUS turns a customer away for any row that it cannot read, and runs what stands between
//! backticks. So every value here is of a form that was tried on it, and what has none is refused
//! with the reason. Must never touch SQL or decide about access.

pub mod disconnect;

use crate::enforcement::MARK;
use lango_domain::access::Access;
use lango_domain::grant::{Grant, State};
use lango_domain::ids::{GrantId, Id};
use lango_domain::plan::AtDataCap;
use lango_domain::quantity::DataSize;
use lango_domain::time::{Span, Timestamp};
use lango_domain::wanted::{Profile, RouterDeadline};
use lango_store::freeradius::{Attribute, Changes, KeptRow, MARK_ATTRIBUTE, Table};
use std::net::IpAddr;

/// The attributes that are ours to write for a name that is ours. What an operator adds beside
/// them stays.
const OURS: [(Table, &str); 14] = [
    (Table::Check, MARK_ATTRIBUTE),
    (Table::Check, ONLY_FROM),
    (Table::Check, ONLY_FROM_V6),
    (Table::Check, "Cleartext-Password"),
    (Table::Check, "Auth-Type"),
    (Table::Check, "Expiration"),
    (Table::Check, "Simultaneous-Use"),
    (Table::Reply, "Reply-Message"),
    (Table::Reply, "Session-Timeout"),
    (Table::Reply, "Acct-Interim-Interval"),
    (Table::Reply, "Framed-IP-Address"),
    (Table::Reply, "Mikrotik-Rate-Limit"),
    (Table::Reply, "Mikrotik-Total-Limit"),
    (Table::Reply, "Mikrotik-Total-Limit-Gigawords"),
];

/// From where a login must come. FreeRADIUS knows it by itself; what a NAS says of its address may
/// be anything.
const ONLY_FROM: &str = "Packet-Src-IP-Address";
const ONLY_FROM_V6: &str = "Packet-Src-IPv6-Address";

/// How often a NAS is to report, give or take a tenth: after a power cut all begin together and
/// would report together for ever.
const INTERIM: Span = Span::minutes(5);

/// The longest value of a text attribute (RFC 2865 §5).
const LONGEST_TEXT: usize = 253;
/// The longest password that can be hidden in a packet (RFC 2865 §5.2).
const LONGEST_PASSWORD: usize = 128;

/// Why a grant cannot stand in FreeRADIUS's tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unwritable {
    /// It has no login.
    #[error("it has a fixed address and no login")]
    NoLogin,
    /// FreeRADIUS would look for another name.
    #[error(
        "FreeRADIUS cannot look up its user name: only letters, digits and @ . - _ : / go through"
    )]
    Name,
    /// FreeRADIUS would read another password.
    #[error(
        "FreeRADIUS cannot keep its password: it is empty, too long, has a backslash or an \
         invisible sign, or begins and ends with the same quotation mark"
    )]
    Password,
}

/// What the tables are to say of a grant. `refusal` is what a customer reads who is to be off,
/// `only_at` the address of the one NAS that it is good for.
///
/// # Errors
/// It cannot be said so that FreeRADIUS reads the same.
pub fn wanted(
    grant: &Grant,
    access: &Access,
    refusal: &str,
    only_at: Option<IpAddr>,
) -> Result<Vec<Attribute>, Unwritable> {
    let (name, password) = match access {
        Access::Hotspot { name, password } | Access::Pppoe { name, password, .. } => {
            (name, password)
        }
        Access::StaticIp { .. } => return Err(Unwritable::NoLogin),
    };
    if !is_safe_name(name) {
        return Err(Unwritable::Name);
    }
    let mut rows = Rows { name, rows: Vec::new() };
    rows.check(MARK_ATTRIBUTE, mark(grant.id));
    if let Some(only) = only_at {
        let attribute = if only.is_ipv4() { ONLY_FROM } else { ONLY_FROM_V6 };
        rows.push(Table::Check, attribute, "==", only.to_string());
    }
    let Some(profile) = grant.wanted().profile() else {
        rows.check("Auth-Type", "Reject");
        rows.reply("Reply-Message", plain(refusal));
        return Ok(rows.rows);
    };
    if !is_safe_password(password.reveal()) {
        return Err(Unwritable::Password);
    }
    rows.check("Cleartext-Password", password.reveal());
    rows.check("Simultaneous-Use", profile.devices.to_string());
    rows.limits(grant, profile);
    if let Access::Pppoe { address: Some(address), .. } = access {
        rows.reply("Framed-IP-Address", address.to_string());
    }
    Ok(rows.rows)
}

struct Rows<'n> {
    name: &'n str,
    rows: Vec<Attribute>,
}

impl Rows<'_> {
    fn check(&mut self, attribute: &str, value: impl Into<String>) {
        self.push(Table::Check, attribute, ":=", value.into());
    }

    fn reply(&mut self, attribute: &str, value: impl Into<String>) {
        self.push(Table::Reply, attribute, ":=", value.into());
    }

    /// In `radcheck` `:=` sets, where `==` asks whether the request has it.
    fn push(&mut self, table: Table, attribute: &str, op: &str, value: String) {
        let (name, attribute, op) = (self.name.to_owned(), attribute.to_owned(), op.to_owned());
        self.rows.push(Attribute { table, name, attribute, op, value });
    }

    fn limits(&mut self, grant: &Grant, profile: Profile) {
        if let Some(RouterDeadline::At(end)) = profile.deadline
            && let Some(seconds) = unix_seconds(end)
        {
            self.check("Expiration", seconds.to_string());
        }
        self.reply("Acct-Interim-Interval", interim(grant.id).to_string());
        if let Some(longest) = longest_session(grant) {
            self.reply("Session-Timeout", longest.to_string());
        }
        if let Some(speed) = profile.speed {
            // MikroTik says it from the router's side: received first, which is the upload.
            self.reply("Mikrotik-Rate-Limit", speed.to_string());
        }
        if let Some(left) = data_left(grant) {
            let (low, high) = in_two_words(left);
            self.reply("Mikrotik-Total-Limit", low.to_string());
            self.reply("Mikrotik-Total-Limit-Gigawords", high.to_string());
        }
    }
}

/// A number of seconds since 1970 is the one form of a date that no zone or locale can bend. Ends
/// beyond what the attribute holds, in 2106, are as good as none.
fn unix_seconds(end: Timestamp) -> Option<u32> {
    // Upwards: nobody who has paid is turned away within his last second.
    let seconds = end.micros().div_euclid(1_000_000) + i64::from(end.micros() % 1_000_000 != 0);
    u32::try_from(seconds).ok()
}

fn interim(grant: GrantId) -> i64 {
    let tenth = INTERIM.as_seconds() / 10;
    INTERIM.as_seconds() - tenth + (grant.raw() >> 8).rem_euclid(2 * tenth + 1)
}

/// What a session can last at most: the time online that is left, and before the first login the
/// whole of the time bought. A running end on the wall is `Expiration`'s, which counts down.
fn longest_session(grant: &Grant) -> Option<u32> {
    let before_first_use = match grant.state {
        State::Unused { .. } => grant.terms.clock.wall,
        _ => None,
    };
    let longest = [before_first_use, grant.meter.uptime_left()].into_iter().flatten().min()?;
    Some(u32::try_from(longest.as_seconds().max(1)).unwrap_or(u32::MAX))
}

fn data_left(grant: &Grant) -> Option<DataSize> {
    match grant.terms.at_data_cap {
        AtDataCap::End => grant.meter.data_left(),
        AtDataCap::Throttle(_) => None,
    }
}

/// FreeRADIUS cuts integers off at 32 bits without a word, so the rest goes into Gigawords. A low
/// word of zero reads as "no limit" on some systems; one byte less does not.
fn in_two_words(size: DataSize) -> (u32, u32) {
    let bytes = size.as_bytes().max(1);
    let bytes = if bytes as u32 == 0 { bytes - 1 } else { bytes };
    (bytes as u32, (bytes >> 32) as u32)
}

/// What goes through `safe_characters` of `rlm_sql` unchanged, less the space, at which the policy
/// `filter_username` of every shipped site turns people away.
fn is_safe_name(name: &str) -> bool {
    let is_safe = |sign: char| match sign {
        '@' | '.' | '-' | '_' | ':' | '/' => true,
        sign => sign.is_alphanumeric(),
    };
    !name.is_empty() && name.len() <= LONGEST_TEXT && name.chars().all(is_safe)
}

fn is_safe_password(password: &str) -> bool {
    let is_safe = |sign: char| !sign.is_control() && sign != '\\';
    !password.is_empty()
        && password.len() <= LONGEST_PASSWORD
        && password.chars().all(is_safe)
        && !is_wrapped(password)
}

/// FreeRADIUS takes such quotation marks off, and runs what stands between backticks.
fn is_wrapped(text: &str) -> bool {
    let (first, last) = (text.chars().next(), text.chars().next_back());
    first == last && matches!(first, Some('\'' | '"' | '`'))
}

/// A sentence as a value that FreeRADIUS hands on as it is.
fn plain(text: &str) -> String {
    let sign = |sign: char| match sign {
        '`' | '"' => '\'',
        '\\' => '/',
        sign if sign.is_control() => ' ',
        sign => sign,
    };
    let mut plain: String = text.chars().map(sign).collect();
    while plain.len() > LONGEST_TEXT - 1 {
        plain.pop();
    }
    if is_wrapped(&plain) || plain.is_empty() {
        plain.push('.');
    }
    plain
}

/// By what a name is a grant's.
pub fn mark(grant: GrantId) -> String {
    format!("{MARK}{grant}")
}

/// Whose mark that is.
pub fn marked(mark: &str) -> Option<GrantId> {
    mark.strip_prefix(MARK)?.parse().ok()
}

/// Whose a name is, by the rows that it has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    /// Nobody's: it has no rows.
    Nobody,
    /// That grant's.
    Grant(GrantId),
    /// Somebody's who is no business of ours.
    Stranger,
}

/// Whose a name is, by all the rows that it has.
pub fn owner<'r>(rows: impl IntoIterator<Item = &'r KeptRow>) -> Owner {
    let mut owner = Owner::Nobody;
    for row in rows {
        let is_mark = row.says.table == Table::Check && row.says.attribute == MARK_ATTRIBUTE;
        if is_mark && let Some(grant) = marked(&row.says.value) {
            return Owner::Grant(grant);
        }
        owner = Owner::Stranger;
    }
    owner
}

/// What must change in the rows of a name that is ours, so that they say what is wanted.
pub fn difference<'r>(
    wanted: &[Attribute],
    kept: impl IntoIterator<Item = &'r KeptRow>,
) -> Changes {
    let kept: Vec<&KeptRow> = kept.into_iter().collect();
    let mut changes = Changes::default();
    for (table, attribute) in OURS {
        let is_it = |says: &Attribute| {
            says.table == table && says.attribute.eq_ignore_ascii_case(attribute)
        };
        let mut there = kept.iter().filter(|row| is_it(&row.says));
        match (wanted.iter().find(|says| is_it(says)), there.next()) {
            (Some(says), None) => changes.add.push(says.clone()),
            (Some(says), Some(row)) if row.says.op != says.op || row.says.value != says.value => {
                changes.change.push(KeptRow { id: row.id, says: says.clone() });
            }
            (None, Some(row)) => changes.remove.push((table, row.id)),
            _ => {}
        }
        changes.remove.extend(there.map(|row| (table, row.id)));
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kept(id: i64, table: Table, attribute: &str, value: &str) -> KeptRow {
        let (name, op) = ("ann".to_owned(), ":=".to_owned());
        let (attribute, value) = (attribute.to_owned(), value.to_owned());
        KeptRow { id, says: Attribute { table, name, attribute, op, value } }
    }

    #[test]
    fn five_gigabytes_are_two_words_and_no_word_is_zero() {
        assert_eq!(in_two_words(DataSize::bytes(5_000_000_000)), (705_032_704, 1));
        assert_eq!(in_two_words(DataSize::bytes(1 << 32)), (u32::MAX, 0));
        assert_eq!(in_two_words(DataSize::ZERO), (1, 0));
        assert_eq!(in_two_words(DataSize::bytes(700)), (700, 0));
    }

    #[test]
    fn an_end_is_rounded_up_and_a_far_one_is_none() {
        assert_eq!(unix_seconds(Timestamp::from_micros(1_500_000)), Some(2));
        assert_eq!(unix_seconds(Timestamp::from_micros(2_000_000)), Some(2));
        assert_eq!(unix_seconds(Timestamp::from_micros(i64::MAX)), None);
    }

    #[test]
    fn reports_are_spread_around_five_minutes() {
        let all: Vec<i64> = (0..200).map(|n| interim(GrantId::from_raw(n << 8))).collect();
        assert!(all.iter().all(|seconds| (270..=330).contains(seconds)));
        assert!(all.iter().any(|seconds| *seconds < 280));
        assert!(all.iter().any(|seconds| *seconds > 320));
    }

    #[test]
    fn names_and_passwords_that_freeradius_bends_are_refused() {
        for name in ["", "a b", "o'neil", "a=27", "x`id`", "a\nb", "%{User-Name}", "\"a\""] {
            assert!(!is_safe_name(name), "{name:?}");
        }
        for name in ["ann", "ann@abc.example", "AA:BB:CC:00:00:01", "josé", "a-b_c.d/e"] {
            assert!(is_safe_name(name), "{name:?}");
        }
        for password in ["", "`id`", "'x'", "\"x\"", "`", "a\\b", "a\nb"] {
            assert!(!is_safe_password(password), "{password:?}");
        }
        for password in ["x", "it's", "%{User-Name}", "`half", "a\"b", " spaces "] {
            assert!(is_safe_password(password), "{password:?}");
        }
    }

    #[test]
    fn what_an_operator_added_stays_and_what_is_doubled_goes() {
        let there = [
            kept(1, Table::Check, "Cleartext-Password", "old"),
            kept(2, Table::Check, "cleartext-password", "double"),
            kept(3, Table::Reply, "Framed-Pool", "vip"),
            kept(4, Table::Reply, "Reply-Message", "over"),
        ];
        let wanted = [kept(0, Table::Check, "Cleartext-Password", "new").says];
        let changes = difference(&wanted, &there);
        assert_eq!(changes.add, []);
        assert_eq!(changes.change, [kept(1, Table::Check, "Cleartext-Password", "new")]);
        assert_eq!(changes.remove, [(Table::Check, 2), (Table::Reply, 4)]);
    }

    #[test]
    fn a_name_is_ours_by_its_mark_alone() {
        let grant = GrantId::from_raw(77);
        let ours = kept(1, Table::Check, MARK_ATTRIBUTE, &mark(grant));
        let theirs = kept(2, Table::Check, "Cleartext-Password", "x");
        assert_eq!(owner([]), Owner::Nobody);
        assert_eq!(owner([&theirs]), Owner::Stranger);
        assert_eq!(owner([&theirs, &ours]), Owner::Grant(grant));
        let false_mark = kept(1, Table::Check, MARK_ATTRIBUTE, "lango:somebody");
        assert_eq!(owner([&false_mark]), Owner::Stranger);
    }

    proptest! {
        #[test]
        fn any_sentence_becomes_a_value_that_is_read_as_it_is(text in "\\PC{0,400}|[`'\"\\\\]{0,4}") {
            let plain = plain(&text);
            prop_assert!(!plain.is_empty() && plain.len() <= LONGEST_TEXT);
            prop_assert!(!is_wrapped(&plain) && !plain.contains(['`', '\\']));
        }
    }
}
