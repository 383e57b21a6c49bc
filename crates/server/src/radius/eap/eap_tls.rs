//! EAP-TLS (RFC 5216, RFC 9190): the device has a certificate, and nothing is said inside but that
//! the server agrees.

use super::account::{Account, name};
use super::inner::Reply;
use super::refusal::Refusal;
use super::tunnel::Tunnel;

/// How far the login is.
pub(super) enum EapTls {
    /// The certificates were just exchanged.
    Begin,
    /// The account that the certificate names is being looked up.
    Deciding { name: String, must_commit: bool },
    /// The device was told that nothing more will come.
    Told { name: String },
    /// Nothing more is to be said.
    Over,
}

/// The protected word that the login succeeded, which TLS 1.3 needs (RFC 9190 §2.1.1).
const COMMITMENT: u8 = 0;

impl EapTls {
    /// What is to be done after the device acknowledged.
    pub(super) fn turn(&mut self, said: &[u8], tunnel: &Tunnel) -> Result<Reply, Refusal> {
        match std::mem::replace(self, EapTls::Over) {
            EapTls::Begin if said.is_empty() => {
                let certificate = tunnel.device_certificate().ok_or(Refusal::NoName)?;
                let name = name(common_name(certificate).ok_or(Refusal::NoName)?)?;
                let must_commit = tunnel.is_tls13();
                *self = EapTls::Deciding { name: name.clone(), must_commit };
                Ok(Reply::LookUp(name))
            }
            EapTls::Told { name } if said.is_empty() => Ok(Reply::Let(name)),
            _ => Err(Refusal::Unexpected { what: "words inside EAP-TLS" }),
        }
    }

    /// What is to be done when the account is known; nothing if it was not asked for. The
    /// certificate was proof enough.
    pub(super) fn decide(&mut self, account: Option<&Account>) -> Option<Result<Reply, Refusal>> {
        let (name, must_commit) = match std::mem::replace(self, EapTls::Over) {
            EapTls::Deciding { name, must_commit } => (name, must_commit),
            other => {
                *self = other;
                return None;
            }
        };
        Some(match account {
            None => Err(Refusal::UnknownAccount),
            Some(_) if !must_commit => Ok(Reply::Let(name)),
            Some(_) => {
                *self = EapTls::Told { name };
                Ok(Reply::Say(vec![COMMITMENT]))
            }
        })
    }
}

const INTEGER: u8 = 0x02;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const IA5_STRING: u8 = 0x16;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;

/// The number of the attribute "common name", 2.5.4.3.
const COMMON_NAME: &[u8] = &[0x55, 4, 3];

/// The common name of a certificate's subject; of several the last, which is the narrowest
/// (RFC 5280 §4.1).
fn common_name(certificate: &[u8]) -> Option<&[u8]> {
    let (certificate, _) = expect(SEQUENCE, certificate)?;
    let (mut fields, _) = expect(SEQUENCE, certificate)?;
    if let Some((_, rest)) = expect(VERSION, fields) {
        fields = rest;
    }
    // Serial number, algorithm, issuer, validity.
    for tag in [INTEGER, SEQUENCE, SEQUENCE, SEQUENCE] {
        (_, fields) = expect(tag, fields)?;
    }
    let (mut subject, _) = expect(SEQUENCE, fields)?;
    let mut name = None;
    while let Some((mut set, rest)) = expect(SET, subject) {
        while let Some((attribute, rest)) = expect(SEQUENCE, set) {
            let (number, value) = expect(OBJECT_IDENTIFIER, attribute)?;
            let (tag, text, _) = element(value)?;
            if number == COMMON_NAME && [UTF8_STRING, PRINTABLE_STRING, IA5_STRING].contains(&tag) {
                name = Some(text);
            }
            set = rest;
        }
        subject = rest;
    }
    name
}

/// The content of an element that has this tag, and what follows it.
fn expect(wanted: u8, octets: &[u8]) -> Option<(&[u8], &[u8])> {
    element(octets).filter(|(tag, _, _)| *tag == wanted).map(|(_, content, rest)| (content, rest))
}

/// Tag, content and rest of DER (X.690 §8.1). Tags have one octet here.
fn element(octets: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = octets.split_first_chunk::<2>()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (length.iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair};

    fn certificate(fill: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let mut params = CertificateParams::new(["phone.isp".to_owned()]).unwrap();
        params.distinguished_name.remove(DnType::CommonName);
        params.distinguished_name.push(DnType::OrganizationName, "not this");
        fill(&mut params);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn the_common_name_is_found_among_the_parts_of_a_subject() {
        for name in ["bob", "ümit", &"long".repeat(60)] {
            let made = certificate(|params| {
                params.distinguished_name.push(DnType::CommonName, name);
                params.distinguished_name.push(DnType::CountryName, "PS");
            });
            assert_eq!(common_name(&made), Some(name.as_bytes()));
        }
        assert_eq!(common_name(&certificate(|_| ())), None);
    }

    #[test]
    fn no_octets_are_too_strange_to_be_read() {
        let made = certificate(|params| params.distinguished_name.push(DnType::CommonName, "bob"));
        let mut rng = fastrand::Rng::with_seed(5280);
        let mut found = 0;
        for _ in 0..20_000 {
            let mut strange = made.clone();
            for _ in 0..rng.usize(1..4) {
                let place = rng.usize(..200.min(strange.len()));
                strange[place] = rng.u8(..);
            }
            strange.truncate(rng.usize(..made.len() * 4));
            found += u32::from(common_name(&strange).is_some());
        }
        assert!((1..20_000).contains(&found), "some are damaged elsewhere: {found}");
    }
}
