//! The MD5 answers of RouterOS: the API login before 6.43 and the hotspot's CHAP login.
//!
//! Pure functions. MD5 is what these protocols demand, not a choice; nothing else may use it.

use md5::{Digest, Md5};

/// The `=response=` of an API login before 6.43: `00` and md5(0x00, password, challenge) in hex.
/// `None` when the router's challenge is not hex.
pub fn api_response(password: &str, challenge_hex: &str) -> Option<String> {
    let challenge = from_hex(challenge_hex)?;
    Some(format!("00{}", md5_hex(&[&[0], password.as_bytes(), &challenge])))
}

/// The password a hotspot expects from a CHAP login form:
/// md5(chap-id, password, chap-challenge) in hex.
pub fn hotspot_response(chap_id: &[u8], password: &str, chap_challenge: &[u8]) -> String {
    md5_hex(&[chap_id, password.as_bytes(), chap_challenge])
}

/// Decodes the JavaScript octal escapes (`\371`) in which `$(chap-id)` and `$(chap-challenge)`
/// are shown; other characters stand for themselves. `None` for a broken or oversized escape.
pub fn decode_octal(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4);
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        if *first != b'\\' {
            bytes.push(*first);
            rest = tail;
            continue;
        }
        let digits = tail.get(..3)?;
        let octal = digits.iter().all(|digit| (b'0'..=b'7').contains(digit));
        let digits = std::str::from_utf8(digits).ok().filter(|_| octal)?;
        bytes.push(u8::from_str_radix(digits, 8).ok()?);
        rest = &tail[3..];
    }
    Some(bytes)
}

fn md5_hex(parts: &[&[u8]]) -> String {
    let mut digest = Md5::new();
    for part in parts {
        digest.update(part);
    }
    to_hex(&digest.finalize())
}

pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() || !text.len().is_multiple_of(2) {
        return None;
    }
    let nibbles: Option<Vec<u8>> =
        text.chars().map(|char| char.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    Some(nibbles?.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_api_login_answers_its_challenge() {
        let response = api_response("passTest", "abc123");
        assert_eq!(response.as_deref(), Some("0021277bff9ac7caf06aa608e46616d47f"));
        assert_eq!(api_response("passTest", "abc"), None);
        assert_eq!(api_response("passTest", "xyzt"), None);
        assert_eq!(api_response("passTest", ""), None);
        assert_eq!(api_response("passTest", "éa"), None);
    }

    #[test]
    fn the_hotspot_takes_the_chap_password() {
        let id = decode_octal(r"\371").unwrap();
        let shown = r"\357\015\330\013\021\234\145\245\303\253\142\246\133\175\375\316";
        let challenge = decode_octal(shown).unwrap();
        assert_eq!(challenge.len(), 16);
        assert_eq!(hotspot_response(&id, "demo", &challenge), "ed92c3cb60d7bfcc640fed522852d78e");
    }

    #[test]
    fn broken_escapes_are_refused() {
        assert_eq!(decode_octal(r"a\101"), Some(b"aA".to_vec()));
        for text in [r"\", r"\1", r"\12", r"\89a", r"\777", r"\+12"] {
            assert_eq!(decode_octal(text), None, "{text:?}");
        }
    }
}
