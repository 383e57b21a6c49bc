//! The other side of a login: a phone with its own TLS, a name and a password, which sends what it
//! is told to spoil.

use super::site::Site;
use lango_radius::chap;
use lango_radius::eap::{Fragment, Method, Packet, Request, Response, TlsMethod};
use lango_radius::mschap::{Known, MsChap2, response2};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use std::io::{Read, Write};
use std::sync::Arc;

/// By what the device logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Peap,
    TtlsPap,
    TtlsChap,
    TtlsMsChap2,
    Certificate,
}

/// The ways that need a password.
pub(super) const WAYS: [Way; 4] = [Way::Peap, Way::TtlsPap, Way::TtlsChap, Way::TtlsMsChap2];

impl Way {
    pub(super) fn method(self) -> TlsMethod {
        match self {
            Way::Peap => TlsMethod::Peap,
            Way::Certificate => TlsMethod::Tls,
            Way::TtlsPap | Way::TtlsChap | Way::TtlsMsChap2 => TlsMethod::Ttls,
        }
    }
}

/// Changes what the device says inside the tunnel.
pub(super) type Spoil = Box<dyn FnMut(&mut Vec<u8>)>;

pub(super) struct Device {
    pub(super) way: Way,
    pub(super) name: Vec<u8>,
    pub(super) password: String,
    pub(super) outer: Vec<u8>,
    /// How much TLS each fragment carries.
    pub(super) fragment: usize,
    /// Whether the device checks that the server knows the password too.
    pub(super) believes: bool,
    pub(super) spoil: Option<Spoil>,
    pub(super) config: Arc<ClientConfig>,
    tls: Option<ClientConnection>,
    saying: Vec<u8>,
    said: usize,
    heard: Vec<u8>,
    has_spoken: bool,
    challenge: [u8; 16],
    nt_response: [u8; 24],
}

const PEER_CHALLENGE: [u8; 16] = *b"of the device's!";

impl Device {
    pub(super) fn new(site: &Site, way: Way, name: &str, password: &str) -> Device {
        Device {
            way,
            name: name.into(),
            password: password.to_owned(),
            outer: b"anonymous@isp".to_vec(),
            fragment: 900,
            believes: true,
            spoil: None,
            config: site.trusting(&[&rustls::version::TLS12, &rustls::version::TLS13]),
            tls: None,
            saying: Vec::new(),
            said: 0,
            heard: Vec::new(),
            has_spoken: false,
            challenge: [0; 16],
            nt_response: [0; 24],
        }
    }

    /// The first message, in which the device names itself.
    pub(super) fn begin(&self, identifier: u8) -> Vec<u8> {
        respond(identifier, Response::Identity(&self.outer))
    }

    /// The answer to a request of the server.
    pub(super) fn answer(&mut self, request: &[u8]) -> Vec<u8> {
        let Packet::Request { identifier, request } = Packet::parse(request).unwrap() else {
            panic!("the server asks");
        };
        match request {
            Request::Identity(_) => self.begin(identifier),
            Request::Method(Method::Tls(method, fragment)) if method == self.way.method() => {
                let response = self.fragment(fragment);
                respond(identifier, Response::Method(Method::Tls(method, response)))
            }
            _ => respond(identifier, Response::Nak(&[self.way.method().number()])),
        }
    }

    /// The key that the device makes, receive half first, as the NAS sees it.
    pub(super) fn keys(&self) -> Vec<u8> {
        let tls = self.tls.as_ref().unwrap();
        let is_tls13 = tls.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3);
        let number = [self.way.method().number()];
        let (label, context): (&[u8], Option<&[u8]>) = match (is_tls13, self.way) {
            (true, _) => (b"EXPORTER_EAP_TLS_Key_Material", Some(&number)),
            (false, Way::Peap | Way::Certificate) => (b"client EAP encryption", None),
            (false, _) => (b"ttls keying material", None),
        };
        tls.export_keying_material([0; 128], label, context).unwrap()[..64].to_vec()
    }

    fn fragment(&mut self, fragment: Fragment<'_>) -> Fragment<'_> {
        if fragment.start {
            let name = ServerName::try_from("radius.lango").unwrap();
            self.tls = Some(ClientConnection::new(Arc::clone(&self.config), name).unwrap());
            self.collect();
            return self.next();
        }
        if self.said < self.saying.len() && fragment.is_acknowledgement() {
            return self.next();
        }
        // Whoever is interrupted, as by an alert, has nothing to say any more.
        self.said = self.saying.len();
        self.heard.extend(fragment.data);
        if fragment.more {
            return Fragment::acknowledgement(0);
        }
        let heard = std::mem::take(&mut self.heard);
        self.listen(&heard);
        self.collect();
        self.next()
    }

    fn listen(&mut self, heard: &[u8]) {
        let tls = self.tls.as_mut().unwrap();
        let mut rest = heard;
        let mut inside = Vec::new();
        while !rest.is_empty() {
            let Ok(1..) = tls.read_tls(&mut rest) else {
                return;
            };
            let Ok(state) = tls.process_new_packets() else {
                return;
            };
            let start = inside.len();
            inside.resize(start + state.plaintext_bytes_to_read(), 0);
            tls.reader().read_exact(&mut inside[start..]).unwrap();
        }
        if tls.is_handshaking() {
            return;
        }
        let mut reply = match self.way {
            Way::Peap => self.in_peap(&inside),
            Way::Certificate => Vec::new(),
            _ => self.in_ttls(&inside),
        };
        if let Some(spoil) = &mut self.spoil {
            spoil(&mut reply);
        }
        self.tls.as_mut().unwrap().writer().write_all(&reply).unwrap();
    }

    fn in_peap(&mut self, said: &[u8]) -> Vec<u8> {
        match said {
            [1] => [&[1], &self.name[..]].concat(),
            [26, 1, identifier, _, _, 16, rest @ ..] => {
                self.challenge.copy_from_slice(&rest[..16]);
                let response = self.ms_chap2(*identifier);
                // Without its own identifier and flags, which stand elsewhere in EAP.
                let value = [&response[2..], &[0]].concat();
                let length = u16::try_from(5 + value.len() + self.name.len()).unwrap();
                let header = [&[26, 2, *identifier], &length.to_be_bytes()[..], &[49]].concat();
                [&header[..], &value, &self.name].concat()
            }
            [26, 3, _, _, _, proof @ ..] if self.believes => {
                let text = std::str::from_utf8(proof).unwrap();
                assert_eq!(text.split(' ').next().unwrap().as_bytes(), self.expected_proof());
                vec![26, 3]
            }
            [26, 3, ..] => vec![26, 4],
            [26, 4, _, _, _, text @ ..] => {
                let text = std::str::from_utf8(text).unwrap();
                assert!(text.starts_with("E=691 R=0 C="), "{text}");
                vec![26, 4]
            }
            [1, identifier, 0, 11, 33, result @ ..] => {
                [&[2, *identifier, 0, 11, 33], result].concat()
            }
            _ => Vec::new(),
        }
    }

    fn in_ttls(&mut self, said: &[u8]) -> Vec<u8> {
        if self.has_spoken {
            if !said.is_empty() {
                let proof = self.expected_proof();
                assert!(said.windows(42).any(|window| window == proof), "the server proves itself");
            }
            return if self.believes { Vec::new() } else { vec![0; 8] };
        }
        self.has_spoken = true;
        let tls = self.tls.as_ref().unwrap();
        let made = tls.export_keying_material([0; 17], b"ttls challenge", None).unwrap();
        self.challenge.copy_from_slice(&made[..16]);
        let name = attribute(0, 1, &self.name.clone());
        let proof = match self.way {
            Way::TtlsChap => {
                let password = chap::password(made[16], self.password.as_bytes(), &made[..16]);
                [attribute(0, 60, &made[..16]), attribute(0, 3, &password)].concat()
            }
            Way::TtlsMsChap2 => {
                let response = self.ms_chap2(made[16]);
                [attribute(311, 11, &made[..16]), attribute(311, 25, &response)].concat()
            }
            _ => {
                let mut padded = self.password.clone().into_bytes();
                padded.resize(padded.len().next_multiple_of(16), 0);
                attribute(0, 2, &padded)
            }
        };
        [name, proof].concat()
    }

    fn ms_chap2(&mut self, identifier: u8) -> [u8; 50] {
        let known = Known::ClearText(&self.password);
        let response = response2(identifier, known, &self.name, &self.challenge, &PEER_CHALLENGE);
        self.nt_response.copy_from_slice(&response[26..]);
        response
    }

    /// What a server says that knows this password.
    fn expected_proof(&self) -> [u8; 42] {
        let answer = MsChap2 {
            identifier: 0,
            user_name: &self.name,
            authenticator_challenge: &self.challenge,
            peer_challenge: &PEER_CHALLENGE,
            nt_response: &self.nt_response,
        };
        answer.verify(Known::ClearText(&self.password)).unwrap().authenticator_response()
    }

    fn collect(&mut self) {
        (self.saying, self.said) = (Vec::new(), 0);
        let tls = self.tls.as_mut().unwrap();
        while tls.wants_write() {
            tls.write_tls(&mut self.saying).unwrap();
        }
    }

    fn next(&mut self) -> Fragment<'_> {
        let left = &self.saying[self.said..];
        let data = &left[..left.len().min(self.fragment)];
        let more = data.len() < left.len();
        let total = (self.said == 0 && more).then_some(left.len() as u32);
        self.said += data.len();
        Fragment { total, more, start: false, version: 0, data }
    }
}

fn respond(identifier: u8, response: Response<'_>) -> Vec<u8> {
    Packet::Response { identifier, response }.encode().unwrap()
}

/// An attribute in the form of Diameter.
fn attribute(vendor: u32, number: u32, value: &[u8]) -> Vec<u8> {
    let header = if vendor == 0 { 8 } else { 12 };
    let mut octets = number.to_be_bytes().to_vec();
    octets.push(if vendor == 0 { 0x40 } else { 0xc0 });
    octets.extend(&((header + value.len()) as u32).to_be_bytes()[1..]);
    if vendor != 0 {
        octets.extend(vendor.to_be_bytes());
    }
    octets.extend(value);
    octets.resize(octets.len().next_multiple_of(4), 0);
    octets
}
