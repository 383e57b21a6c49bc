//! What is said inside TTLS (RFC 5281 §10 and §11): attributes, as RADIUS has them but in the form
//! of Diameter, and challenges that nobody sends because both sides make them of the tunnel.

use lango_radius::chap::Chap;
use lango_radius::eap::Malformed;
use lango_radius::mschap::MsChap2;

use super::account::{Account, name};
use super::inner::Reply;
use super::refusal::Refusal;
use super::tunnel::Tunnel;

/// An attribute: vendor, 0 for the RFCs', and number.
type Number = (u32, u32);

/// An attribute with its value.
type Attribute<'a> = (Number, &'a [u8]);

const USER_NAME: Number = (0, 1);
const USER_PASSWORD: Number = (0, 2);
const CHAP_PASSWORD: Number = (0, 3);
const CHAP_CHALLENGE: Number = (0, 60);
const MS_CHAP_CHALLENGE: Number = (311, 11);
const MS_CHAP2_RESPONSE: Number = (311, 25);
const MS_CHAP2_SUCCESS: Number = (311, 26);

const HAS_VENDOR: u8 = 0x80;
const MANDATORY: u8 = 0x40;

/// How far the inner conversation is.
pub(super) enum Ttls {
    /// The device has not said anything inside.
    Begin,
    /// It gave a proof; the account is being looked up.
    Deciding { name: String, proof: Proof },
    /// It was told our own proof, which it is to acknowledge.
    Told { name: String },
    /// Nothing more is to be said.
    Over,
}

/// By what a device proves that it knows the password.
pub(super) enum Proof {
    Password(Vec<u8>),
    Chap { identifier: u8, digest: [u8; 16], challenge: [u8; 16] },
    MsChap2 { response: [u8; 50], challenge: [u8; 16], name: Vec<u8> },
}

impl Ttls {
    /// What is to be done after the device said this.
    pub(super) fn turn(&mut self, said: &[u8], tunnel: &Tunnel) -> Result<Reply, Refusal> {
        match std::mem::replace(self, Ttls::Over) {
            // The first words may come with the end of the handshake or after it.
            Ttls::Begin if said.is_empty() => {
                *self = Ttls::Begin;
                Ok(Reply::Nothing)
            }
            Ttls::Begin => {
                let attributes = Attributes::parse(said)?;
                let given = attributes.first(USER_NAME).ok_or(Refusal::NoName)?;
                let (name, proof) = (name(given)?, Proof::among(&attributes, given, tunnel)?);
                *self = Ttls::Deciding { name: name.clone(), proof };
                Ok(Reply::LookUp(name))
            }
            Ttls::Told { name } if said.is_empty() => Ok(Reply::Let(name)),
            Ttls::Told { .. } => Err(Refusal::DeviceDeclined),
            Ttls::Deciding { .. } | Ttls::Over => {
                Err(Refusal::Unexpected { what: "words inside TTLS" })
            }
        }
    }

    /// What is to be done when the account is known; nothing if it was not asked for. A device
    /// that failed is told so by the outer Failure alone (RFC 5281 §11.2.4).
    pub(super) fn decide(&mut self, account: Option<&Account>) -> Option<Result<Reply, Refusal>> {
        let (name, proof) = match std::mem::replace(self, Ttls::Over) {
            Ttls::Deciding { name, proof } => (name, proof),
            other => {
                *self = other;
                return None;
            }
        };
        let verified =
            account.ok_or(Refusal::UnknownAccount).and_then(|account| proof.verify(account));
        Some(verified.map(|answer| match answer {
            None => Reply::Let(name),
            Some(answer) => {
                *self = Ttls::Told { name };
                Reply::Say(answer)
            }
        }))
    }
}

impl Proof {
    /// The proof among attributes. Challenges must be those that the tunnel makes: else somebody
    /// repeats an answer that he heard elsewhere (RFC 5281 §11.1).
    fn among(attributes: &Attributes<'_>, name: &[u8], tunnel: &Tunnel) -> Result<Proof, Refusal> {
        if let Some(password) = attributes.first(USER_PASSWORD) {
            return Ok(Proof::Password(without_padding(password).to_vec()));
        }
        let made: [u8; 17] = tunnel.export(b"ttls challenge", None)?;
        let (challenge, &[identifier]) = made
            .split_first_chunk::<16>()
            .and_then(|(challenge, rest)| Some((*challenge, rest.first_chunk::<1>()?)))
            .ok_or(Refusal::NoCredentials)?;
        let foreign = Refusal::Unexpected { what: "a challenge that is not the tunnel's" };
        let exact = |id| attributes.first(id);
        if let Some(response) = exact(MS_CHAP2_RESPONSE) {
            let response: [u8; 50] = response.try_into().map_err(|_| Refusal::NoCredentials)?;
            let is_ours =
                exact(MS_CHAP_CHALLENGE) == Some(&challenge[..]) && response[0] == identifier;
            let proof = Proof::MsChap2 { response, challenge, name: name.to_vec() };
            return is_ours.then_some(proof).ok_or(foreign);
        }
        let password: &[u8; 17] = exact(CHAP_PASSWORD)
            .and_then(|password| password.try_into().ok())
            .ok_or(Refusal::NoCredentials)?;
        let is_ours = exact(CHAP_CHALLENGE) == Some(&challenge[..]) && password[0] == identifier;
        let digest = std::array::from_fn(|place| password[place + 1]);
        is_ours.then_some(Proof::Chap { identifier, digest, challenge }).ok_or(foreign)
    }

    /// What is to be said to a device whose proof is right, if anything.
    fn verify(&self, account: &Account) -> Result<Option<Vec<u8>>, Refusal> {
        match self {
            Proof::Password(password) => account.verify_password(password).map(|()| None),
            Proof::Chap { identifier, digest, challenge } => account
                .verify_chap(Chap { identifier: *identifier, digest, challenge })
                .map(|()| None),
            Proof::MsChap2 { response, challenge, name } => {
                let answer =
                    MsChap2::parse(response, challenge, name).ok_or(Refusal::NoCredentials)?;
                let success = account.verify_ms_chap2(answer)?.success();
                Ok(Some(attribute(MS_CHAP2_SUCCESS, &success)))
            }
        }
    }
}

/// The attributes that a device sent.
struct Attributes<'a>(Vec<Attribute<'a>>);

impl<'a> Attributes<'a> {
    fn parse(mut octets: &'a [u8]) -> Result<Attributes<'a>, Refusal> {
        let malformed = || Refusal::Malformed(Malformed::MethodData { method: 21 });
        let mut attributes = Vec::new();
        while !octets.is_empty() {
            let (attribute, rest) = parse_one(octets).ok_or_else(malformed)?;
            attributes.push(attribute);
            octets = rest;
        }
        Ok(Attributes(attributes))
    }

    fn first(&self, wanted: Number) -> Option<&'a [u8]> {
        self.0.iter().find(|(number, _)| *number == wanted).map(|(_, value)| *value)
    }
}

/// One attribute and what follows it. The padding of the last may be missing.
fn parse_one(octets: &[u8]) -> Option<(Attribute<'_>, &[u8])> {
    let (code, rest) = octets.split_first_chunk::<4>()?;
    let (&[flags, high, middle, low], _) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes([0, high, middle, low])).ok()?;
    let mut value = octets.get(8..length)?;
    let mut vendor = 0;
    if flags & HAS_VENDOR != 0 {
        let (octets, rest) = value.split_first_chunk::<4>()?;
        (vendor, value) = (u32::from_be_bytes(*octets), rest);
    }
    let next = length.next_multiple_of(4).min(octets.len());
    Some((((vendor, u32::from_be_bytes(*code)), value), &octets[next..]))
}

/// An attribute of a vendor, padded. Its value is far shorter than a length can say.
fn attribute((vendor, number): Number, value: &[u8]) -> Vec<u8> {
    let length = u32::try_from(value.len() + 12).unwrap_or(u32::MAX).to_be_bytes();
    let mut octets = number.to_be_bytes().to_vec();
    octets.push(HAS_VENDOR | MANDATORY);
    octets.extend(&length[1..]);
    octets.extend(vendor.to_be_bytes());
    octets.extend(value);
    octets.resize(octets.len().next_multiple_of(4), 0);
    octets
}

/// Devices pad passwords with NULs to hide their length (RFC 5281 §11.2.5).
fn without_padding(password: &[u8]) -> &[u8] {
    let length = password.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
    &password[..length]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_found_by_vendor_and_number() {
        let plain = [&[0, 0, 0, 1, 0x40, 0, 0, 11][..], b"bob\0"].concat();
        let whole = [&plain[..], &attribute(MS_CHAP2_SUCCESS, b"12345")].concat();
        let attributes = Attributes::parse(&whole).unwrap();
        assert_eq!(attributes.first(USER_NAME), Some(&b"bob"[..]));
        assert_eq!(attributes.first(MS_CHAP2_SUCCESS), Some(&b"12345"[..]));
        assert_eq!(attributes.first((0, 26)), None, "another vendor's number");
        assert_eq!(Attributes::parse(&plain[..11]).unwrap().first(USER_NAME), Some(&b"bob"[..]));
    }

    #[test]
    fn attributes_that_do_not_add_up_are_refused() {
        let bad: [&[u8]; 6] = [
            &[0],
            &[0, 0, 0, 1, 0, 0, 0],
            &[0, 0, 0, 1, 0, 0, 0, 0],
            &[0, 0, 0, 1, 0, 0, 0, 7],
            &[0, 0, 0, 1, 0, 0xff, 0xff, 0xff],
            &[0, 0, 0, 1, HAS_VENDOR, 0, 0, 11, 0, 0, 0],
        ];
        for octets in bad {
            assert!(Attributes::parse(octets).is_err(), "{octets:?}");
        }
        assert!(Attributes::parse(&[]).unwrap().first(USER_NAME).is_none());
    }

    #[test]
    fn padding_is_no_part_of_a_password() {
        assert_eq!(without_padding(b"secret\0\0"), b"secret");
        assert_eq!(without_padding(b"\0\0"), b"");
        assert_eq!(without_padding(b"in\0side"), b"in\0side");
    }
}
