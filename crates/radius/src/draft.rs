//! A packet in the making. Owns everything that goes onto the wire: sizes, the place of the
//! Message-Authenticator, hidden values, the copies of Proxy-State.
//!
//! A draft cannot outgrow a packet and is sealed once; what it gives out is always well formed.

use hmac::Mac;

use crate::attribute::{AttributeId, may_be_empty};
use crate::authenticator::{self, FIRST_SIGNATURE_OFFSET, VerifiedRequest};
use crate::code::Code;
use crate::dictionary::{self, Field, number};
use crate::eap;
use crate::format::{Format, Hidden, Salted, Shape, Shaped, Tagged, TaggedSalted, written_tag};
use crate::packet::{HEADER_LENGTH, MAXIMUM_LENGTH, Packet};
use crate::password;
use crate::secret::{ClearText, Secret};
use crate::vendor;

/// The longest value of an attribute of the RFCs.
const LONGEST_VALUE: usize = 253;

/// Room that is kept for the Message-Authenticator in every draft, used or not.
const SIGNATURE_LENGTH: usize = 18;

/// As many as [`Packet::parse`] takes, less the Message-Authenticator.
const MAXIMUM_ATTRIBUTES: usize = 199;

/// Why something could not be written. The draft is as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// An empty value, which RADIUS cannot say.
    #[error("{id} was given an empty value; leave the attribute out instead")]
    Empty {
        /// Which attribute.
        id: AttributeId,
    },
    /// A text with a NUL inside, which NASes cut or refuse.
    #[error("{id} was given a text with a NUL character; remove it")]
    NulInText {
        /// Which attribute.
        id: AttributeId,
    },
    /// A value that does not fit into one attribute.
    #[error("{id} was given {length} octets, more than the attribute holds; shorten the value")]
    TooLong {
        /// Which attribute.
        id: AttributeId,
        /// The length of the value.
        length: usize,
    },
    /// A value that does not fit into the packet any more.
    #[error("{id} does not fit into the packet any more; send fewer or shorter attributes")]
    Full {
        /// Which attribute.
        id: AttributeId,
    },
    /// An attribute that the draft writes by itself.
    #[error("{id} is written when the packet is sealed and cannot be set")]
    Reserved {
        /// Which attribute.
        id: AttributeId,
    },
    /// A number or vendor whose attributes cannot be written.
    #[error("{id} cannot be written: its vendor's layout has no room for it")]
    Unwritable {
        /// Which attribute.
        id: AttributeId,
    },
    /// Hiding needs an authenticator that is known before the packet is complete.
    #[error("{id} cannot be hidden in a {code}, whose authenticator is not known yet")]
    CannotHide {
        /// Which attribute.
        id: AttributeId,
        /// The packet.
        code: Code,
    },
    /// The reply does not belong to the request.
    #[error("a {reply} does not answer a {request}; choose the code by the request")]
    NotAnAnswer {
        /// The reply's code.
        reply: Code,
        /// The request's code.
        request: Code,
    },
}

/// A packet in the making.
pub struct Draft {
    code: Code,
    identifier: u8,
    /// The request's authenticator: random, or of the request that is answered, or not yet known.
    request_authenticator: Option<[u8; 16]>,
    signed: bool,
    attributes: Vec<u8>,
    count: usize,
    salts: Vec<u16>,
}

impl Draft {
    /// A question whether a user may come in. The authenticator must be unpredictable and never
    /// used before with this secret (RFC 2865 §3).
    pub fn access_request(identifier: u8, authenticator: [u8; 16]) -> Draft {
        Draft::begin(Code::AccessRequest, identifier, Some(authenticator))
    }

    /// A question whether the server is there. The authenticator must be unpredictable.
    pub fn status_server(identifier: u8, authenticator: [u8; 16]) -> Draft {
        Draft::begin(Code::StatusServer, identifier, Some(authenticator))
    }

    /// A report about a session.
    pub fn accounting_request(identifier: u8) -> Draft {
        Draft::begin(Code::AccountingRequest, identifier, None)
    }

    /// An order to end a session. Put identifiers into it and nothing else (RFC 5176 §3).
    pub fn disconnect_request(identifier: u8) -> Draft {
        Draft::begin(Code::DisconnectRequest, identifier, None)
    }

    /// An order to change a session.
    pub fn coa_request(identifier: u8) -> Draft {
        Draft::begin(Code::CoaRequest, identifier, None)
    }

    /// An answer, which already holds the request's Proxy-States in their order.
    pub fn reply(request: &VerifiedRequest<'_>, code: Code) -> Result<Draft, EncodeError> {
        if !code.answers(request.code()) {
            return Err(EncodeError::NotAnAnswer { reply: code, request: request.code() });
        }
        let authenticator = Some(*request.authenticator());
        let mut draft = Draft::begin(code, request.identifier(), authenticator);
        for state in request.read_all(dictionary::PROXY_STATE) {
            draft.put(dictionary::PROXY_STATE, state)?;
        }
        Ok(draft)
    }

    fn begin(code: Code, identifier: u8, request_authenticator: Option<[u8; 16]>) -> Draft {
        Draft {
            code,
            identifier,
            request_authenticator,
            signed: code.is_signed_by_default(),
            attributes: Vec::with_capacity(256),
            count: 0,
            salts: Vec::new(),
        }
    }

    /// Chooses whether the packet gets a Message-Authenticator, always as its first attribute.
    /// Access packets have one by default, accounting and dynamic authorization have not. A
    /// Status-Server and a packet with EAP inside get one whatever is said here.
    pub fn signed(mut self, signed: bool) -> Draft {
        self.signed = signed;
        self
    }

    /// Appends a value. The same field may be appended several times.
    pub fn put<F: Format>(
        &mut self,
        field: Field<F>,
        value: F::Value<'_>,
    ) -> Result<(), EncodeError> {
        let id = field.id();
        let mut octets = Vec::new();
        F::encode(value, &mut octets);
        let text = match F::SHAPE {
            Shape::Text => octets.as_slice(),
            // The tag octet may be 0.
            Shape::TaggedText => octets.get(1..).unwrap_or_default(),
            _ => &[],
        };
        if text.contains(&0) {
            return Err(EncodeError::NulInText { id });
        }
        if text.is_empty() && F::SHAPE == Shape::TaggedText {
            return Err(EncodeError::Empty { id });
        }
        self.put_octets(id, &octets)
    }

    /// Appends an attribute by its octets, as they shall lie in the packet. What should be hidden
    /// is not hidden by this.
    pub fn put_octets(&mut self, id: AttributeId, value: &[u8]) -> Result<(), EncodeError> {
        if id == dictionary::MESSAGE_AUTHENTICATOR.id() {
            return Err(EncodeError::Reserved { id });
        }
        if value.is_empty() && !may_be_empty(id) {
            return Err(EncodeError::Empty { id });
        }
        let header = header(id, value.len())?;
        let length = HEADER_LENGTH + SIGNATURE_LENGTH + self.attributes.len();
        let is_full = length + header.len() + value.len() > MAXIMUM_LENGTH;
        if is_full || self.count == MAXIMUM_ATTRIBUTES {
            return Err(EncodeError::Full { id });
        }
        self.attributes.extend(header);
        self.attributes.extend(value);
        self.count += 1;
        Ok(())
    }

    /// Appends an EAP packet in as many EAP-Messages as it needs, one after the other; the draft
    /// is then signed whatever was said.
    pub fn put_eap(&mut self, packet: &[u8]) -> Result<(), EncodeError> {
        if packet.is_empty() {
            return Err(EncodeError::Empty { id: dictionary::EAP_MESSAGE.id() });
        }
        let (length, count) = (self.attributes.len(), self.count);
        for piece in eap::pieces(packet) {
            if let Err(reason) = self.put_octets(dictionary::EAP_MESSAGE.id(), piece) {
                self.attributes.truncate(length);
                self.count = count;
                return Err(reason);
            }
        }
        Ok(())
    }

    /// Appends a value hidden as User-Password is.
    pub fn hide(
        &mut self,
        field: Field<Hidden>,
        secret: &Secret,
        clear: &[u8],
    ) -> Result<(), EncodeError> {
        self.conceal(field, secret, 0, clear)
    }

    /// Appends a value hidden with a salt, which should be random; if this draft has used it
    /// already, the next free one is taken.
    pub fn hide_salted<F: Concealed>(
        &mut self,
        field: Field<F>,
        secret: &Secret,
        salt: u16,
        clear: &[u8],
    ) -> Result<(), EncodeError> {
        let salt = self.free_salt(salt);
        self.conceal(field, secret, salt, clear)?;
        self.salts.push(salt);
        Ok(())
    }

    /// Appends a value of one of several tunnels, hidden with a salt as
    /// [`Draft::hide_salted`] does it.
    pub fn hide_tagged(
        &mut self,
        field: Field<TaggedSalted>,
        secret: &Secret,
        salt: u16,
        clear: Tagged<&[u8]>,
    ) -> Result<(), EncodeError> {
        let salt = self.free_salt(salt);
        let untagged = self.concealed(field, secret, salt, clear.value)?;
        let hidden = [&[written_tag(clear.tag)], untagged.get(1..).unwrap_or_default()].concat();
        self.put_octets(field.id(), &hidden)?;
        self.salts.push(salt);
        Ok(())
    }

    fn free_salt(&self, salt: u16) -> u16 {
        let mut salt = password::marked(salt);
        while self.salts.contains(&salt) {
            salt = password::marked(salt.wrapping_add(1));
        }
        salt
    }

    fn conceal<F: Concealed>(
        &mut self,
        field: Field<F>,
        secret: &Secret,
        salt: u16,
        clear: &[u8],
    ) -> Result<(), EncodeError> {
        let hidden = self.concealed(field, secret, salt, clear)?;
        self.put_octets(field.id(), &hidden)
    }

    fn concealed<F: Concealed>(
        &self,
        field: Field<F>,
        secret: &Secret,
        salt: u16,
        clear: &[u8],
    ) -> Result<Vec<u8>, EncodeError> {
        let id = field.id();
        let authenticator = self
            .request_authenticator
            .as_ref()
            .ok_or(EncodeError::CannotHide { id, code: self.code })?;
        F::conceal(secret, authenticator, salt, clear)
            .ok_or(EncodeError::TooLong { id, length: clear.len() })
    }

    /// The length that the packet would have if it were sealed now, signed.
    pub fn length(&self) -> usize {
        HEADER_LENGTH + SIGNATURE_LENGTH + self.attributes.len()
    }

    /// Signs the packet and computes its authenticator.
    pub fn seal(self, secret: &Secret) -> Sealed {
        let mut octets = self.unauthenticated();
        let over = self.request_authenticator.unwrap_or_default();
        if self.must_be_signed() {
            let signature = authenticator::signing(&octets, &over, FIRST_SIGNATURE_OFFSET, secret)
                .finalize()
                .into_bytes();
            octets[FIRST_SIGNATURE_OFFSET..][..16].copy_from_slice(&signature);
        }
        let authenticator = if self.code.has_random_authenticator() {
            over
        } else {
            authenticator::computed_authenticator(&octets, &over, secret)
        };
        octets[4..HEADER_LENGTH].copy_from_slice(&authenticator);
        Sealed { octets }
    }

    /// Header and attributes with zeros for both authenticators.
    fn unauthenticated(&self) -> Vec<u8> {
        let mut octets = Vec::with_capacity(self.length());
        octets.extend([self.code.octet(), self.identifier]);
        octets.extend([0; 18]);
        if self.must_be_signed() {
            octets.extend([number::MESSAGE_AUTHENTICATOR, SIGNATURE_LENGTH as u8]);
            octets.extend([0; 16]);
        }
        octets.extend(&self.attributes);
        let length = octets.len() as u16; // At most 4096: put_octets keeps it so.
        octets[2..4].copy_from_slice(&length.to_be_bytes());
        octets
    }

    fn must_be_signed(&self) -> bool {
        let has_eap = || {
            crate::attribute::RawAttributes::over(&self.attributes)
                .any(|attribute| attribute.number == number::EAP_MESSAGE)
        };
        self.signed || self.code == Code::StatusServer || has_eap()
    }
}

/// Shows what the draft is and its size; values may be secret.
impl std::fmt::Debug for Draft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Draft")
            .field("code", &self.code)
            .field("identifier", &self.identifier)
            .field("length", &self.length())
            .finish_non_exhaustive()
    }
}

/// A finished packet. To retransmit it, send the same octets again.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    octets: Vec<u8>,
}

impl Sealed {
    /// The datagram.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// The datagram, owned.
    pub fn into_octets(self) -> Vec<u8> {
        self.octets
    }

    /// The packet, against which [`Packet::verify_reply`] verifies the answer.
    pub fn packet(&self) -> Packet<'_> {
        Packet::parse(&self.octets).expect("a draft holds only attributes that fit into a packet")
    }
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.packet().fmt(f)
    }
}

fn header(id: AttributeId, length: usize) -> Result<Vec<u8>, EncodeError> {
    let too_long = EncodeError::TooLong { id, length };
    match id {
        AttributeId::Standard(_) if length > LONGEST_VALUE => Err(too_long),
        AttributeId::Standard(number) => Ok(vec![number, length as u8 + 2]),
        AttributeId::Vendor { vendor, number } => match vendor::header(vendor, number, length) {
            Some(header) => Ok(header),
            None if vendor::header(vendor, number, 1).is_some() => Err(too_long),
            None => Err(EncodeError::Unwritable { id }),
        },
    }
}

/// A format whose values are hidden by the secret.
pub trait Concealed: Shaped {
    /// Hides a value; nothing if it is too long. Formats without salt ignore it.
    fn conceal(
        secret: &Secret,
        request_authenticator: &[u8; 16],
        salt: u16,
        clear: &[u8],
    ) -> Option<Vec<u8>>;

    /// Brings a value out; nothing if its octets do not add up.
    fn reveal(
        secret: &Secret,
        request_authenticator: &[u8; 16],
        hidden: &[u8],
    ) -> Option<ClearText>;
}

impl Concealed for Hidden {
    fn conceal(
        secret: &Secret,
        request_authenticator: &[u8; 16],
        _salt: u16,
        clear: &[u8],
    ) -> Option<Vec<u8>> {
        password::hide(secret, request_authenticator, clear)
    }

    fn reveal(
        secret: &Secret,
        request_authenticator: &[u8; 16],
        hidden: &[u8],
    ) -> Option<ClearText> {
        password::unhide(secret, request_authenticator, hidden)
    }
}

impl Concealed for Salted {
    fn conceal(
        secret: &Secret,
        request_authenticator: &[u8; 16],
        salt: u16,
        clear: &[u8],
    ) -> Option<Vec<u8>> {
        password::hide_salted(secret, request_authenticator, salt, clear)
    }

    fn reveal(
        secret: &Secret,
        request_authenticator: &[u8; 16],
        hidden: &[u8],
    ) -> Option<ClearText> {
        password::unhide_salted(secret, request_authenticator, hidden)
    }
}

/// Written with tag 0, read with any: see [`Draft::hide_tagged`] for the others.
impl Concealed for TaggedSalted {
    fn conceal(
        secret: &Secret,
        request_authenticator: &[u8; 16],
        salt: u16,
        clear: &[u8],
    ) -> Option<Vec<u8>> {
        let hidden = password::hide_salted(secret, request_authenticator, salt, clear)?;
        Some([&[0], &hidden[..]].concat())
    }

    fn reveal(
        secret: &Secret,
        request_authenticator: &[u8; 16],
        hidden: &[u8],
    ) -> Option<ClearText> {
        let (_tag, hidden) = hidden.split_first()?;
        password::unhide_salted(secret, request_authenticator, hidden)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authenticator::Signature;
    use crate::dictionary::*;

    fn secret() -> Secret {
        Secret::new("testing123").unwrap()
    }

    #[test]
    fn what_radius_cannot_say_is_refused_and_changes_nothing() {
        let mut draft = Draft::access_request(1, [1; 16]);
        let before = draft.length();
        let id = USER_NAME.id();
        assert_eq!(draft.put(USER_NAME, ""), Err(EncodeError::Empty { id }));
        assert_eq!(draft.put(USER_NAME, "a\0b"), Err(EncodeError::NulInText { id }));
        let long = "x".repeat(254);
        assert_eq!(draft.put(USER_NAME, &long), Err(EncodeError::TooLong { id, length: 254 }));
        let id = MIKROTIK_RATE_LIMIT.id();
        let long = "x".repeat(248);
        let too_long = EncodeError::TooLong { id, length: 248 };
        assert_eq!(draft.put(MIKROTIK_RATE_LIMIT, &long), Err(too_long));
        let id = MESSAGE_AUTHENTICATOR.id();
        assert_eq!(draft.put_octets(id, &[0; 16]), Err(EncodeError::Reserved { id }));
        let id = AttributeId::Vendor { vendor: 24757, number: 1 };
        assert_eq!(draft.put_octets(id, &[0]), Err(EncodeError::Unwritable { id }));
        assert_eq!(draft.length(), before);
        draft.put(CHARGEABLE_USER_IDENTITY, b"").unwrap();
    }

    #[test]
    fn a_draft_never_outgrows_a_packet() {
        for size in [1, 100, 253] {
            let mut draft = Draft::access_request(1, [1; 16]);
            let value = vec![5; size];
            while draft.put(CLASS, &value).is_ok() {}
            let id = CLASS.id();
            assert_eq!(draft.put(CLASS, &value), Err(EncodeError::Full { id }));
            let sealed = draft.seal(&secret());
            assert!(sealed.octets().len() <= MAXIMUM_LENGTH);
            sealed.packet().verify_request(&secret()).unwrap();
        }
    }

    #[test]
    fn every_proxy_state_comes_back_in_its_order() {
        let mut draft = Draft::access_request(1, [1; 16]);
        draft.put(PROXY_STATE, b"outer").unwrap();
        draft.put(USER_NAME, "bob").unwrap();
        draft.put(PROXY_STATE, b"inner").unwrap();
        let sealed = draft.seal(&secret());
        let request = sealed.packet().verify_request(&secret()).unwrap();

        let mut reply = Draft::reply(&request, Code::AccessReject).unwrap();
        reply.put(REPLY_MESSAGE, "no").unwrap();
        let sealed_reply = reply.seal(&secret());
        let reply = sealed_reply.packet().verify_reply(&request, &secret()).unwrap();
        assert_eq!(reply.signature(), Signature::First);
        let states: Vec<&[u8]> = reply.read_all(PROXY_STATE).collect();
        assert_eq!(states, [&b"outer"[..], b"inner"]);
    }

    #[test]
    fn a_reply_has_the_kind_of_its_request() {
        let sealed = Draft::accounting_request(1).seal(&secret());
        let request = sealed.packet().verify_request(&secret()).unwrap();
        let refused = Draft::reply(&request, Code::AccessAccept).unwrap_err();
        let expected =
            EncodeError::NotAnAnswer { reply: Code::AccessAccept, request: request.code() };
        assert_eq!(refused, expected);
    }

    #[test]
    fn eap_and_status_server_are_signed_whatever_was_said() {
        let mut draft = Draft::access_request(1, [1; 16]).signed(false);
        draft.put(EAP_MESSAGE, &[2, 1, 0, 5, 1]).unwrap();
        let sealed = draft.seal(&secret());
        let request = sealed.packet().verify_request(&secret()).unwrap();
        assert_eq!(request.signature(), Signature::First);

        let sealed = Draft::status_server(1, [1; 16]).signed(false).seal(&secret());
        assert!(sealed.packet().verify_request(&secret()).is_ok());
    }

    #[test]
    fn eap_travels_in_pieces_and_comes_out_whole() {
        for length in [1_usize, 253, 254, 506, 507, 3000] {
            let packet: Vec<u8> = (0..length).map(|place| place as u8).collect();
            let mut draft = Draft::access_request(1, [1; 16]);
            draft.put(USER_NAME, "bob").unwrap();
            draft.put_eap(&packet).unwrap();
            let sealed = draft.seal(&secret());
            let message = eap::Message::of(&sealed.packet()).unwrap();
            assert_eq!(message.octets(), packet);
            assert_eq!(sealed.packet().read_all(EAP_MESSAGE).count(), length.div_ceil(253));
        }
    }

    #[test]
    fn eap_that_does_not_fit_leaves_no_piece_behind() {
        let mut draft = Draft::access_request(1, [1; 16]);
        draft.put(USER_NAME, "bob").unwrap();
        let before = draft.length();
        let id = EAP_MESSAGE.id();
        assert_eq!(draft.put_eap(&[7; 4096]), Err(EncodeError::Full { id }));
        assert_eq!(draft.put_eap(&[]), Err(EncodeError::Empty { id }));
        assert_eq!(draft.length(), before);
        let sealed = draft.seal(&secret());
        assert_eq!(eap::Message::of(&sealed.packet()), None);
    }

    #[test]
    fn keys_travel_hidden_and_never_share_a_salt() {
        let sealed = Draft::access_request(1, [1; 16]).seal(&secret());
        let request = sealed.packet().verify_request(&secret()).unwrap();
        let mut reply = Draft::reply(&request, Code::AccessAccept).unwrap();
        reply.hide_salted(MS_MPPE_SEND_KEY, &secret(), 5, b"send key").unwrap();
        reply.hide_salted(MS_MPPE_RECV_KEY, &secret(), 5, b"recv key").unwrap();
        reply.hide_salted(TUNNEL_PASSWORD, &secret(), 5, b"tunnel").unwrap();
        let sealed_reply = reply.seal(&secret());
        let reply = sealed_reply.packet().verify_reply(&request, &secret()).unwrap();

        assert!(reply.reveal(MS_MPPE_SEND_KEY, &secret()).unwrap().matches(b"send key"));
        assert!(reply.reveal(MS_MPPE_RECV_KEY, &secret()).unwrap().matches(b"recv key"));
        assert!(reply.reveal(TUNNEL_PASSWORD, &secret()).unwrap().matches(b"tunnel"));
        assert_eq!(reply.first(MS_MPPE_SEND_KEY.id()).unwrap()[..2], [0x80, 5]);
        assert_eq!(reply.first(MS_MPPE_RECV_KEY.id()).unwrap()[..2], [0x80, 6]);
        assert_eq!(reply.first(TUNNEL_PASSWORD.id()).unwrap()[..3], [0, 0x80, 7]);
    }

    #[test]
    fn every_tunnel_has_a_password_of_its_own() {
        let sealed = Draft::access_request(1, [1; 16]).seal(&secret());
        let request = sealed.packet().verify_request(&secret()).unwrap();
        let mut reply = Draft::reply(&request, Code::AccessAccept).unwrap();
        for (tag, value) in [(1, &b"north"[..]), (31, b"south"), (200, b"cut to 31")] {
            reply.hide_tagged(TUNNEL_PASSWORD, &secret(), 5, Tagged { tag, value }).unwrap();
        }
        reply.put_octets(TUNNEL_PASSWORD.id(), &[2, 0x80, 1, 1]).unwrap();
        let sealed_reply = reply.seal(&secret());
        let reply = sealed_reply.packet().verify_reply(&request, &secret()).unwrap();

        let tunnels: Vec<_> = reply
            .reveal_tagged(TUNNEL_PASSWORD, &secret())
            .map(|tunnel| (tunnel.tag, tunnel.value.expose().to_vec()))
            .collect();
        let expected =
            [(1, b"north".to_vec()), (31, b"south".to_vec()), (31, b"cut to 31".to_vec())];
        assert_eq!(tunnels, expected, "what does not add up is left out");
        let salts: Vec<&[u8]> =
            reply.raw_attributes().skip(1).map(|held| &held.value[1..3]).collect();
        assert_eq!(salts[..3], [[0x80, 5], [0x80, 6], [0x80, 7]]);
    }

    #[test]
    fn nothing_is_hidden_by_an_authenticator_that_is_not_known_yet() {
        let mut draft = Draft::coa_request(1);
        let id = TUNNEL_PASSWORD.id();
        assert_eq!(
            draft.hide_salted(TUNNEL_PASSWORD, &secret(), 1, b"x"),
            Err(EncodeError::CannotHide { id, code: Code::CoaRequest })
        );
    }

    #[test]
    fn debug_shows_no_value() {
        let mut draft = Draft::coa_request(1);
        draft.put(USER_NAME, "bob").unwrap();
        assert!(!format!("{draft:?}").contains("bob"));
        assert!(!format!("{:?}", draft.seal(&secret())).contains("bob"));
    }
}
