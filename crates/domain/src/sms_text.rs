//! How a text becomes SMS: its alphabet, how many parts it takes, where it is broken, and which
//! typographic signs are replaced so that one of them does not make the whole text twice as dear.
//! 3GPP TS 23.038 (alphabets) and TS 23.040, 9.2.3.24.1 (parts of one text).

/// The default alphabet of GSM in the order of its codes; the place of the escape is never used.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\u{1b}ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
                     ¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// What the escape leads to, and the code behind it.
const EXTENDED: [(char, u8); 10] = [
    ('\u{c}', 0x0A),
    ('^', 0x14),
    ('{', 0x28),
    ('}', 0x29),
    ('\\', 0x2F),
    ('[', 0x3C),
    ('~', 0x3D),
    (']', 0x3E),
    ('|', 0x40),
    ('€', 0x65),
];
const ESCAPE: u8 = 0x1B;

/// In which alphabet a text is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Alphabet {
    /// Seven bits a sign, with some signs that take two.
    Gsm,
    /// Sixteen bits a unit; what lies beyond takes two units (UTF-16).
    Ucs2,
}

impl Alphabet {
    /// Units in a text of one part.
    pub const fn alone(self) -> usize {
        match self {
            Alphabet::Gsm => 160,
            Alphabet::Ucs2 => 70,
        }
    }

    /// Units in a part of many: six octets say that it is one.
    pub const fn in_many(self) -> usize {
        match self {
            Alphabet::Gsm => 153,
            Alphabet::Ucs2 => 67,
        }
    }

    fn units(self, sign: char) -> usize {
        match self {
            Alphabet::Gsm => gsm(sign).map_or(1, |(_, escaped)| 1 + usize::from(escaped)),
            Alphabet::Ucs2 => sign.len_utf16(),
        }
    }
}

/// What a text takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Measure {
    /// In which alphabet.
    pub alphabet: Alphabet,
    /// How many units of it.
    pub units: usize,
    /// In how many parts.
    pub parts: usize,
}

/// The code of a sign and whether it stands behind the escape; none if the alphabet lacks it.
fn gsm(sign: char) -> Option<(u8, bool)> {
    if let Some((_, code)) = EXTENDED.iter().find(|(known, _)| *known == sign) {
        return Some((*code, true));
    }
    let place = BASIC.chars().position(|known| known == sign)?;
    let code = u8::try_from(place).ok()?;
    (code != ESCAPE).then_some((code, false))
}

/// In which alphabet a text can be sent.
pub fn alphabet(text: &str) -> Alphabet {
    if text.chars().all(|sign| gsm(sign).is_some()) { Alphabet::Gsm } else { Alphabet::Ucs2 }
}

/// What a text takes.
pub fn measure(text: &str) -> Measure {
    let alphabet = alphabet(text);
    let units = text.chars().map(|sign| alphabet.units(sign)).sum();
    Measure { alphabet, units, parts: split(text).len() }
}

/// The text in its parts. Neither an escaped sign nor a pair of UTF-16 is ever torn apart, which
/// is why a long text can take one part more than its units suggest.
pub fn split(text: &str) -> Vec<&str> {
    let alphabet = alphabet(text);
    let units: usize = text.chars().map(|sign| alphabet.units(sign)).sum();
    if units <= alphabet.alone() {
        return vec![text];
    }
    let (mut parts, mut begun, mut filled) = (Vec::new(), 0, 0);
    for (place, sign) in text.char_indices() {
        let takes = alphabet.units(sign);
        if filled + takes > alphabet.in_many() {
            parts.push(&text[begun..place]);
            (begun, filled) = (place, 0);
        }
        filled += takes;
    }
    parts.push(&text[begun..]);
    parts
}

/// The octets of a text in an alphabet: GSM unpacked, one code an octet, as SMPP wants it; UCS-2
/// with the high octet first.
pub fn octets(text: &str, alphabet: Alphabet) -> Vec<u8> {
    match alphabet {
        Alphabet::Gsm => text.chars().flat_map(gsm_octets).collect(),
        Alphabet::Ucs2 => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
    }
}

fn gsm_octets(sign: char) -> impl Iterator<Item = u8> {
    const UNKNOWN: (u8, bool) = (b'?', false);
    let (code, escaped) = gsm(sign).unwrap_or(UNKNOWN);
    escaped.then_some(ESCAPE).into_iter().chain([code])
}

/// The same text without the signs that typewriters of today put in unasked: curly quotes, long
/// dashes, dots that are one sign, spaces of other widths. Letters stay what they are: é and ü are
/// in the alphabet, and a name is written as it is.
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '‘' | '’' | '‚' | '‛' | '′' | '´' | '`' | 'ʼ' => plain.push('\''),
            '“' | '”' | '„' | '‟' | '″' | '«' | '»' => plain.push('"'),
            '‐' | '‑' | '‒' | '–' | '—' | '―' | '−' => plain.push('-'),
            '…' => plain.push_str("..."),
            '•' | '·' | '●' => plain.push('*'),
            '×' => plain.push('x'),
            '→' => plain.push_str("->"),
            '\t'
            | '\u{a0}'
            | '\u{1680}'
            | '\u{2000}'..='\u{200a}'
            | '\u{202f}'
            | '\u{205f}'
            | '\u{3000}' => plain.push(' '),
            '\u{2028}' | '\u{2029}' => plain.push('\n'),
            '\u{ad}' | '\u{200b}' | '\u{2060}' | '\u{feff}' => {}
            // French ones that the alphabet lacks; without the accent they are read all the same.
            'â' => plain.push('a'),
            'ê' | 'ë' => plain.push('e'),
            'î' | 'ï' => plain.push('i'),
            'ô' => plain.push('o'),
            'û' => plain.push('u'),
            'ç' => plain.push('c'),
            'À' | 'Â' => plain.push('A'),
            'È' | 'Ê' | 'Ë' => plain.push('E'),
            'Î' | 'Ï' => plain.push('I'),
            'Ô' => plain.push('O'),
            'Ù' | 'Û' => plain.push('U'),
            'œ' => plain.push_str("oe"),
            'Œ' => plain.push_str("OE"),
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(text: &str) -> (Alphabet, usize) {
        let measure = measure(text);
        (measure.alphabet, measure.parts)
    }

    #[test]
    fn the_alphabet_has_its_128_places() {
        assert_eq!(BASIC.chars().count(), 128);
        for (sign, code) in [('@', 0), ('\n', 10), (' ', 32), ('A', 65), ('a', 97), ('à', 127)] {
            assert_eq!(gsm(sign), Some((code, false)), "{sign}");
        }
    }

    #[test]
    fn one_part_ends_at_160_and_many_have_153() {
        assert_eq!(parts(&"a".repeat(160)), (Alphabet::Gsm, 1));
        assert_eq!(parts(&"a".repeat(161)), (Alphabet::Gsm, 2));
        assert_eq!(parts(&"a".repeat(306)), (Alphabet::Gsm, 2));
        assert_eq!(parts(&"a".repeat(307)), (Alphabet::Gsm, 3));
    }

    #[test]
    fn escaped_signs_count_twice_and_are_never_torn() {
        assert_eq!(measure("€[]").units, 6);
        assert_eq!(parts(&"€".repeat(80)), (Alphabet::Gsm, 1));
        // 153 is odd: 76 of them in a part, the last place stays empty.
        assert_eq!(split(&"€".repeat(81))[0].chars().count(), 76);
        assert_eq!(parts(&"€".repeat(153)), (Alphabet::Gsm, 3));
        assert_eq!(octets("a€", Alphabet::Gsm), [0x61, 0x1B, 0x65]);
    }

    #[test]
    fn one_sign_from_elsewhere_makes_it_70_and_67() {
        assert_eq!(parts(&format!("ж{}", "a".repeat(69))), (Alphabet::Ucs2, 1));
        assert_eq!(parts(&format!("ж{}", "a".repeat(70))), (Alphabet::Ucs2, 2));
        assert_eq!(parts(&"ж".repeat(134)), (Alphabet::Ucs2, 2));
        // An emoji is two units, and 67 is odd.
        assert_eq!(parts(&"😀".repeat(35)), (Alphabet::Ucs2, 1));
        assert_eq!(split(&"😀".repeat(36))[0].chars().count(), 33);
    }

    #[test]
    fn typewriters_signs_become_plain_ones() {
        let typed = "Don’t wait – “pay” now… ça va\u{a0}?";
        assert_eq!(plain(typed), "Don't wait - \"pay\" now... ca va ?");
        assert_eq!(measure(&plain(typed)).alphabet, Alphabet::Gsm);
    }

    proptest! {
        #[test]
        fn parts_are_the_text_and_none_is_too_long(text in "\\PC{0,400}|[a-z€\\[\\]]{0,400}") {
            let (parts, alphabet) = (split(&text), alphabet(&text));
            prop_assert_eq!(parts.concat(), text.clone());
            let most = if parts.len() == 1 { alphabet.alone() } else { alphabet.in_many() };
            for part in parts {
                let units: usize = part.chars().map(|sign| alphabet.units(sign)).sum();
                prop_assert!(units <= most);
            }
        }
    }
}
