//! A hundred thousand damaged packets, always the same ones: octets changed, cut, doubled and
//! moved in packets that other implementations made, and attributes damaged in packets that are
//! then signed anew, so that the damage reaches what only a trusted packet is read for.

use fastrand::Rng;
use lango_radius::attribute::RawAttribute;
use lango_radius::credentials::UnusableCredentials;
use lango_radius::dictionary::*;
use lango_radius::mschap::{Known, response1, response2};
use lango_radius::{AttributeId, Code, Credentials, Draft, EncodeError, Packet, Sealed, chap, eap};

use crate::properties::{read_eap, read_everything, secret};
use crate::vectors;

const SEED: u64 = 0x1a4e_6001;
const PACKETS_OF_EACH_SORT: usize = 50_000;

#[test]
fn damaged_packets_neither_panic_nor_gain_trust() {
    let mut random = Rng::with_seed(SEED);
    let genuine = genuine_packets();
    let (mut parsed, mut unsigned) = (0, 0);
    for _ in 0..PACKETS_OF_EACH_SORT {
        let mut datagram = genuine[random.usize(..genuine.len())].clone();
        for _ in 0..random.usize(1..5) {
            damage(&mut datagram, &genuine, &mut random);
        }
        read_everything(&datagram);
        let Ok(packet) = Packet::parse(&datagram) else { continue };
        parsed += 1;
        let Ok(request) = packet.verify_request(&secret()) else { continue };
        if request.code() == Code::AccessRequest && !request.signature().is_present() {
            unsigned += 1;
        } else {
            let is_genuine = genuine.iter().any(|octets| octets == packet.octets());
            assert!(is_genuine, "trusted {:02x?}", packet.octets());
        }
    }
    assert!(parsed > PACKETS_OF_EACH_SORT / 10, "only {parsed} were worth reading");
    assert!(unsigned > 100, "only {unsigned} could be taken for unsigned ones");
}

#[test]
fn damaged_credentials_neither_panic_nor_prove_anything() {
    let mut random = Rng::with_seed(SEED);
    let logins = logins();
    let mut seen = Seen::default();
    for _ in 0..PACKETS_OF_EACH_SORT {
        let login = &logins[random.usize(..logins.len())];
        let damaged = with_damaged_attributes(&login.packet(), &mut random);
        let request = damaged.packet().verify_request(&secret()).expect("it was signed anew");
        seen.judge(Credentials::of(&request, &secret()));
        if let Some(message) = eap::Message::of(&request) {
            read_eap(message.octets());
        }
    }
    seen.assert_everything();
}

/// How often each end was reached: a damage that reaches none of them tests nothing.
#[derive(Debug, Default)]
struct Seen {
    password: u32,
    chap: u32,
    ms_chap1: u32,
    ms_chap2: u32,
    eap: u32,
    malformed_eap: u32,
    absent: u32,
    several: u32,
    malformed: u32,
    incomplete: u32,
}

impl Seen {
    fn judge(&mut self, credentials: Result<Credentials<'_>, UnusableCredentials>) {
        let wrong = Known::ClearText("another password");
        match credentials {
            Ok(Credentials::Password(password)) => {
                assert!(!password.matches(b"another password"));
                self.password += 1;
            }
            Ok(Credentials::Chap(chap)) => {
                assert!(!chap.verifies(b"another password"));
                self.chap += 1;
            }
            Ok(Credentials::MsChap1(answer)) => {
                assert!(answer.verify(wrong).is_none());
                self.ms_chap1 += 1;
            }
            Ok(Credentials::MsChap2(answer)) => {
                assert!(answer.verify(wrong).is_none());
                self.ms_chap2 += 1;
            }
            Ok(Credentials::Eap(message)) if message.packet().is_ok() => self.eap += 1,
            Ok(Credentials::Eap(_)) => self.malformed_eap += 1,
            Ok(Credentials::Absent) => self.absent += 1,
            Ok(other) => panic!("{other:?} is not damaged here"),
            Err(UnusableCredentials::SeveralKinds) => self.several += 1,
            Err(UnusableCredentials::Malformed { .. }) => self.malformed += 1,
            Err(UnusableCredentials::Incomplete { .. }) => self.incomplete += 1,
            Err(other) => panic!("{other} is not expected here"),
        }
    }

    fn assert_everything(&self) {
        let Seen { password, chap, ms_chap1, ms_chap2, eap, malformed_eap, .. } = *self;
        let Seen { absent, several, malformed, incomplete, .. } = *self;
        let credentials = [password, chap, ms_chap1, ms_chap2, eap, malformed_eap];
        let refusals = [absent, several, malformed, incomplete];
        let all = [&credentials[..], &refusals].concat();
        assert!(all.iter().all(|times| *times > 100), "{self:?}");
        assert_eq!(all.iter().sum::<u32>() as usize, PACKETS_OF_EACH_SORT);
    }
}

/// Packets of others and our own, all of which verify under [`secret`].
fn genuine_packets() -> Vec<Vec<u8>> {
    let published = vectors::PACKETS.iter().map(|hex| vectors::octets(hex));
    let logins = logins().into_iter().map(Sealed::into_octets);
    published.chain(logins).collect()
}

fn logins() -> Vec<Sealed> {
    let known = Known::ClearText("clientPass");
    let identity = eap::Response::Identity(b"OFFICE\\bob");
    let method = |method| eap::Response::Method(method);
    let md5 = eap::Md5 { value: &[5; 16], name: b"bob" };
    let hello = vec![22; 600];
    let fragment =
        eap::Fragment { total: Some(1200), more: true, start: false, version: 0, data: &hello };
    let said = [
        identity,
        eap::Response::Nak(&[25, 21]),
        method(eap::Method::Md5(md5)),
        method(eap::Method::Tls(eap::TlsMethod::Peap, fragment)),
        method(eap::Method::Tls(eap::TlsMethod::Ttls, eap::Fragment::acknowledgement(0))),
        method(eap::Method::Other { number: 26, data: &[2, 7, 0, 6] }),
    ];
    let mut logins = vec![
        login(|draft| draft.hide(USER_PASSWORD, &secret(), b"correct horse battery")),
        login(|draft| {
            draft.put(CHAP_CHALLENGE, &[8; 16])?;
            draft.put(CHAP_PASSWORD, &chap::password(1, b"clientPass", &[8; 16]))
        }),
        login(|draft| {
            draft.put(MS_CHAP_CHALLENGE, &[8; 8])?;
            draft.put(MS_CHAP_RESPONSE, &response1(1, known, &[8; 8]))
        }),
        login(|draft| {
            draft.put(MS_CHAP_CHALLENGE, &[8; 16])?;
            draft.put(MS_CHAP2_RESPONSE, &response2(1, known, b"bob", &[8; 16], &[9; 16]))
        }),
    ];
    for response in said {
        let packet = eap::Packet::Response { identifier: 9, response };
        let octets = packet.encode().expect("it is short");
        logins.push(login(|draft| draft.put_eap(&octets)));
    }
    logins
}

fn login(fill: impl FnOnce(&mut Draft) -> Result<(), EncodeError>) -> Sealed {
    let mut draft = Draft::access_request(7, [6; 16]);
    draft.put(USER_NAME, "OFFICE\\bob").expect("a name fits");
    draft.put(NAS_IDENTIFIER, "hotspot").expect("a name fits");
    fill(&mut draft).expect("credentials fit");
    draft.seal(&secret())
}

/// Damages octets without regard to what they mean; half of the time the Length field is made to
/// tell the truth again, so that the damage gets past it.
fn damage(datagram: &mut Vec<u8>, genuine: &[Vec<u8>], random: &mut Rng) {
    let place = random.usize(..=datagram.len());
    match random.u8(..7) {
        0 => datagram.truncate(place),
        1 => datagram.insert(place, random.u8(..)),
        2 => datagram.extend_from_within(place..),
        3 => {
            let other = &genuine[random.usize(..genuine.len())];
            datagram.truncate(place);
            datagram.extend(&other[random.usize(..other.len())..]);
        }
        4 => datagram.extend((0..random.usize(..40)).map(|_| random.u8(..))),
        _ => {
            if let Some(octet) = datagram.get_mut(place) {
                *octet =
                    [*octet ^ (1 << random.u8(..8)), 0, 0xff, random.u8(..)][random.usize(..4)];
            }
        }
    }
    if random.bool()
        && let Some(length) = datagram.len().try_into().ok().map(u16::to_be_bytes)
        && let Some(field) = datagram.get_mut(2..4)
    {
        field.copy_from_slice(&length);
    }
}

/// Damages whole attributes and their values, and signs what remains.
fn with_damaged_attributes(packet: &Packet<'_>, random: &mut Rng) -> Sealed {
    let mut attributes: Vec<(u8, Vec<u8>)> = packet
        .raw_attributes()
        .filter(|held| AttributeId::Standard(held.number) != MESSAGE_AUTHENTICATOR.id())
        .map(|RawAttribute { number, value }| (number, value.to_vec()))
        .collect();
    for _ in 0..random.usize(1..4) {
        damage_attribute(&mut attributes, random);
    }
    let mut draft = Draft::access_request(packet.identifier(), *packet.authenticator());
    for (number, value) in attributes {
        // What cannot be written at all, such as an empty value, is left out.
        let _ = draft.put_octets(AttributeId::Standard(number), &value);
    }
    draft.seal(&secret())
}

fn damage_attribute(attributes: &mut Vec<(u8, Vec<u8>)>, random: &mut Rng) {
    const TELLING: [u8; 8] = [1, 2, 3, 24, 26, 60, 79, 80];
    let Some(place) = random.choice(0..attributes.len()) else { return };
    let other = random.usize(..attributes.len());
    let (number, value) = &mut attributes[place];
    let within = random.usize(..=value.len());
    match random.u8(..8) {
        0 => *number = TELLING[random.usize(..TELLING.len())],
        1 => value.truncate(within),
        2 => value.insert(within, random.u8(..)),
        3 => drop(attributes.remove(place)),
        4 => attributes.swap(place, other),
        5 => {
            let doubled = attributes[other].clone();
            attributes.insert(place, doubled);
        }
        _ => {
            if let Some(octet) = value.get_mut(within) {
                *octet =
                    [*octet ^ (1 << random.u8(..8)), 0, 0xff, random.u8(..)][random.usize(..4)];
            }
        }
    }
}
