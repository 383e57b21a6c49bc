//! EAP packets (RFC 3748 §4) and how RADIUS carries them (RFC 3579 §3.1).
//!
//! Owns the shape of a packet, of the simple methods and of the fragments in which EAP-TLS, TTLS
//! and PEAP carry TLS. Never keeps a conversation and never puts fragments together: whoever does
//! must bound what he keeps.

use std::borrow::Cow;

use crate::chap::Chap;
use crate::dictionary::number;
use crate::packet::Packet as Carrier;

/// The longest value of one EAP-Message.
const LONGEST_PIECE: usize = 253;

/// Code, identifier and length.
const HEADER_LENGTH: usize = 4;

/// The EAP-Messages of one RADIUS packet, put together in their order.
#[derive(Clone, PartialEq, Eq)]
pub struct Message<'a>(Cow<'a, [u8]>);

impl<'a> Message<'a> {
    /// What a packet carries, if it carries EAP.
    pub fn of(packet: &Carrier<'a>) -> Option<Message<'a>> {
        let mut pieces = packet
            .raw_attributes()
            .filter(|attribute| attribute.number == number::EAP_MESSAGE)
            .map(|attribute| attribute.value);
        let mut whole = Cow::Borrowed(pieces.next()?);
        for piece in pieces {
            whole.to_mut().extend(piece);
        }
        Some(Message(whole))
    }

    /// Whether the NAS asks the server to begin (RFC 3579 §2.1): the message is empty.
    pub fn is_start(&self) -> bool {
        self.0.is_empty()
    }

    /// The octets.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }

    /// The packet inside.
    pub fn packet(&self) -> Result<Packet<'_>, Malformed> {
        Packet::parse(&self.0)
    }
}

/// Shows the size; the octets may hold a name or an answer.
impl std::fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Message({} octets)", self.0.len())
    }
}

/// Cuts a packet into the values of EAP-Message, in their order.
pub fn pieces(packet: &[u8]) -> impl Iterator<Item = &[u8]> {
    packet.chunks(LONGEST_PIECE)
}

/// Why octets are not an EAP packet. The answer is silence (RFC 3748 §4.1), or an Access-Reject
/// if the conversation cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// Shorter than a header.
    #[error("dropped an EAP packet of {received} octets: it has at least 4")]
    Truncated {
        /// Octets that came.
        received: usize,
    },
    /// The Length field does not suit what came.
    #[error("dropped an EAP packet: Length says {length} octets and {received} came")]
    Length {
        /// The Length field.
        length: usize,
        /// Octets that came.
        received: usize,
    },
    /// A code that is neither question nor answer nor end.
    #[error("dropped an EAP packet with the unknown code {code}")]
    UnknownCode {
        /// The code octet.
        code: u8,
    },
    /// A question or an answer without a method.
    #[error("dropped an EAP packet that names no method")]
    NoMethod,
    /// Success or Failure with something behind it.
    #[error("dropped an EAP Success or Failure that carries data")]
    DataAfterEnd,
    /// A Nak as a question, which it cannot be.
    #[error("dropped an EAP request that says Nak")]
    NakAsRequest,
    /// What the method carries does not have its format.
    #[error("dropped an EAP packet whose data does not suit method {method}")]
    MethodData {
        /// The number of the method.
        method: u8,
    },
}

/// The packet cannot be written: it, or a part of it, is longer than its length field can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an EAP packet was given more octets than its length fields can say; send it in fragments")]
pub struct TooLong;

/// An EAP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// The server asks.
    Request {
        /// Pairs the answer with the question.
        identifier: u8,
        /// What is asked.
        request: Request<'a>,
    },
    /// The user's device answers.
    Response {
        /// The identifier of the question.
        identifier: u8,
        /// What is answered.
        response: Response<'a>,
    },
    /// The user is let in.
    Success {
        /// The identifier of the last answer.
        identifier: u8,
    },
    /// The user is not let in.
    Failure {
        /// The identifier of the last answer.
        identifier: u8,
    },
}

/// What a server asks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Request<'a> {
    /// Who are you? With a text that may be shown.
    Identity(&'a [u8]),
    /// A text to show, which is to be acknowledged.
    Notification(&'a [u8]),
    /// A step of a method.
    Method(Method<'a>),
}

/// What a user's device answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Response<'a> {
    /// Its name for routing, often not the user's own.
    Identity(&'a [u8]),
    /// The text was taken note of.
    Notification(&'a [u8]),
    /// Not by this method, but by one of these; 0 or nothing at all says by none.
    Nak(&'a [u8]),
    /// A step of a method.
    Method(Method<'a>),
}

/// A step of a method.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Method<'a> {
    /// A challenge or an answer as in CHAP.
    Md5(Md5<'a>),
    /// A piece of TLS.
    Tls(TlsMethod, Fragment<'a>),
    /// A method that is not opened here. The numbers 1 to 3 are no methods.
    Other {
        /// Its number.
        number: u8,
        /// Its data.
        data: &'a [u8],
    },
}

/// The methods that carry TLS in fragments of one form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlsMethod {
    /// EAP-TLS (RFC 5216): the user has a certificate.
    Tls,
    /// EAP-TTLS (RFC 5281): attributes inside the tunnel.
    Ttls,
    /// PEAP: EAP inside the tunnel.
    Peap,
}

impl TlsMethod {
    /// The number of the method.
    pub fn number(self) -> u8 {
        match self {
            TlsMethod::Tls => TLS,
            TlsMethod::Ttls => TTLS,
            TlsMethod::Peap => PEAP,
        }
    }

    fn from_number(number: u8) -> Option<TlsMethod> {
        match number {
            TLS => Some(TlsMethod::Tls),
            TTLS => Some(TlsMethod::Ttls),
            PEAP => Some(TlsMethod::Peap),
            _ => None,
        }
    }
}

/// A challenge or an answer of EAP-MD5 (RFC 3748 §5.4).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Md5<'a> {
    /// The challenge, at least one octet, or the answer, 16 octets.
    pub value: &'a [u8],
    /// Who sends it; often empty.
    pub name: &'a [u8],
}

impl<'a> Md5<'a> {
    /// The answer to a challenge, which is verified as CHAP's is. Nothing if it has not 16 octets.
    pub fn answer(&self, identifier: u8, challenge: &'a [u8]) -> Option<Chap<'a>> {
        let digest = self.value.try_into().ok()?;
        Some(Chap { identifier, digest, challenge })
    }
}

/// A piece of TLS (RFC 5216 §3.1, RFC 5281 §9.1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fragment<'a> {
    /// How long the whole will be, as the sender says: not to be trusted. It stands in the first of
    /// several fragments and may stand in each (flag L).
    pub total: Option<u32>,
    /// More fragments follow (flag M).
    pub more: bool,
    /// The method begins (flag S). Only a server says so.
    pub start: bool,
    /// The version of the method, 0 to 7; EAP-TLS has none and writes 0.
    pub version: u8,
    /// The octets of TLS; nothing in an acknowledgement.
    pub data: &'a [u8],
}

impl Fragment<'_> {
    /// The server's first word.
    pub fn start(version: u8) -> Fragment<'static> {
        Fragment { start: true, ..Fragment::acknowledgement(version) }
    }

    /// Asks for the next fragment.
    pub fn acknowledgement(version: u8) -> Fragment<'static> {
        Fragment { total: None, more: false, start: false, version, data: &[] }
    }

    /// Whether this asks for the next fragment, or says that there is nothing left to say.
    pub fn is_acknowledgement(&self) -> bool {
        self.data.is_empty() && !self.more && !self.start
    }
}

impl<'a> Packet<'a> {
    /// Reads a packet. Octets past its own length are padding and ignored.
    pub fn parse(octets: &'a [u8]) -> Result<Packet<'a>, Malformed> {
        let received = octets.len();
        let (&[code, identifier, high, low], _) =
            octets.split_first_chunk::<HEADER_LENGTH>().ok_or(Malformed::Truncated { received })?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let data =
            octets.get(HEADER_LENGTH..length).ok_or(Malformed::Length { length, received })?;
        match code {
            REQUEST => Request::parse(data).map(|request| Packet::Request { identifier, request }),
            RESPONSE => {
                Response::parse(data).map(|response| Packet::Response { identifier, response })
            }
            SUCCESS | FAILURE if !data.is_empty() => Err(Malformed::DataAfterEnd),
            SUCCESS => Ok(Packet::Success { identifier }),
            FAILURE => Ok(Packet::Failure { identifier }),
            _ => Err(Malformed::UnknownCode { code }),
        }
    }

    /// The identifier that pairs an answer with its question.
    pub fn identifier(&self) -> u8 {
        match self {
            Packet::Request { identifier, .. }
            | Packet::Response { identifier, .. }
            | Packet::Success { identifier }
            | Packet::Failure { identifier } => *identifier,
        }
    }

    /// The octets of the packet.
    pub fn encode(&self) -> Result<Vec<u8>, TooLong> {
        let mut octets = vec![self.code(), self.identifier(), 0, 0];
        match self {
            Packet::Request { request, .. } => request.encode(&mut octets)?,
            Packet::Response { response, .. } => response.encode(&mut octets)?,
            Packet::Success { .. } | Packet::Failure { .. } => (),
        }
        let length = u16::try_from(octets.len()).map_err(|_| TooLong)?;
        octets[2..HEADER_LENGTH].copy_from_slice(&length.to_be_bytes());
        Ok(octets)
    }

    fn code(&self) -> u8 {
        match self {
            Packet::Request { .. } => REQUEST,
            Packet::Response { .. } => RESPONSE,
            Packet::Success { .. } => SUCCESS,
            Packet::Failure { .. } => FAILURE,
        }
    }
}

const REQUEST: u8 = 1;
const RESPONSE: u8 = 2;
const SUCCESS: u8 = 3;
const FAILURE: u8 = 4;

const IDENTITY: u8 = 1;
const NOTIFICATION: u8 = 2;
const NAK: u8 = 3;
const MD5: u8 = 4;
const TLS: u8 = 13;
const TTLS: u8 = 21;
const PEAP: u8 = 25;

impl<'a> Request<'a> {
    fn parse(octets: &'a [u8]) -> Result<Request<'a>, Malformed> {
        let (&number, data) = octets.split_first().ok_or(Malformed::NoMethod)?;
        match number {
            IDENTITY => Ok(Request::Identity(data)),
            NOTIFICATION => Ok(Request::Notification(data)),
            NAK => Err(Malformed::NakAsRequest),
            _ => Method::parse(number, data).map(Request::Method),
        }
    }

    fn encode(&self, octets: &mut Vec<u8>) -> Result<(), TooLong> {
        match self {
            Request::Identity(text) => append(octets, IDENTITY, text),
            Request::Notification(text) => append(octets, NOTIFICATION, text),
            Request::Method(method) => method.encode(octets)?,
        }
        Ok(())
    }
}

impl<'a> Response<'a> {
    fn parse(octets: &'a [u8]) -> Result<Response<'a>, Malformed> {
        let (&number, data) = octets.split_first().ok_or(Malformed::NoMethod)?;
        match number {
            IDENTITY => Ok(Response::Identity(data)),
            NOTIFICATION => Ok(Response::Notification(data)),
            NAK => Ok(Response::Nak(data)),
            _ => Method::parse(number, data).map(Response::Method),
        }
    }

    fn encode(&self, octets: &mut Vec<u8>) -> Result<(), TooLong> {
        match self {
            Response::Identity(name) => append(octets, IDENTITY, name),
            Response::Notification(text) => append(octets, NOTIFICATION, text),
            Response::Nak(wanted) => append(octets, NAK, wanted),
            Response::Method(method) => method.encode(octets)?,
        }
        Ok(())
    }
}

impl<'a> Method<'a> {
    /// The number of the method.
    pub fn number(&self) -> u8 {
        match self {
            Method::Md5(_) => MD5,
            Method::Tls(method, _) => method.number(),
            Method::Other { number, .. } => *number,
        }
    }

    fn parse(number: u8, data: &'a [u8]) -> Result<Method<'a>, Malformed> {
        let opened = if number == MD5 {
            Md5::parse(data).map(Method::Md5)
        } else if let Some(method) = TlsMethod::from_number(number) {
            Fragment::parse(data).map(|fragment| Method::Tls(method, fragment))
        } else {
            Some(Method::Other { number, data })
        };
        opened.ok_or(Malformed::MethodData { method: number })
    }

    fn encode(&self, octets: &mut Vec<u8>) -> Result<(), TooLong> {
        match self {
            Method::Md5(md5) => {
                let length = u8::try_from(md5.value.len()).map_err(|_| TooLong)?;
                append(octets, MD5, &[length]);
                octets.extend([md5.value, md5.name].concat());
            }
            Method::Tls(method, fragment) => {
                append(octets, method.number(), &[fragment.flags()]);
                octets.extend(fragment.total.map(u32::to_be_bytes).iter().flatten());
                octets.extend(fragment.data);
            }
            Method::Other { number, data } => append(octets, *number, data),
        }
        Ok(())
    }
}

impl<'a> Md5<'a> {
    /// A value of no octets is forbidden (RFC 1994 §4.1).
    fn parse(data: &'a [u8]) -> Option<Md5<'a>> {
        let (&length, rest) = data.split_first().filter(|(length, _)| **length > 0)?;
        let (value, name) = rest.split_at_checked(length.into())?;
        Some(Md5 { value, name })
    }
}

impl<'a> Fragment<'a> {
    fn parse(data: &'a [u8]) -> Option<Fragment<'a>> {
        let (&flags, mut data) = data.split_first()?;
        let mut total = None;
        if flags & TOTAL_FOLLOWS != 0 {
            let (octets, rest) = data.split_first_chunk::<4>()?;
            (total, data) = (Some(u32::from_be_bytes(*octets)), rest);
        }
        Some(Fragment {
            total,
            more: flags & MORE != 0,
            start: flags & START != 0,
            version: flags & VERSION,
            data,
        })
    }

    fn flags(&self) -> u8 {
        let flag = |is_set, flag| if is_set { flag } else { 0 };
        flag(self.total.is_some(), TOTAL_FOLLOWS)
            | flag(self.more, MORE)
            | flag(self.start, START)
            | self.version & VERSION
    }
}

const TOTAL_FOLLOWS: u8 = 0x80;
const MORE: u8 = 0x40;
const START: u8 = 0x20;
const VERSION: u8 = 0x07;

fn append(octets: &mut Vec<u8>, number: u8, data: &[u8]) {
    octets.push(number);
    octets.extend(data);
}

/// Shows what is asked; texts are shown by their size.
impl std::fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Request::Identity(text) => write!(f, "Identity({} octets)", text.len()),
            Request::Notification(text) => write!(f, "Notification({} octets)", text.len()),
            Request::Method(method) => method.fmt(f),
        }
    }
}

/// Shows what is answered; a name is shown by its size.
impl std::fmt::Debug for Response<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Response::Identity(name) => write!(f, "Identity({} octets)", name.len()),
            Response::Notification(text) => write!(f, "Notification({} octets)", text.len()),
            Response::Nak(wanted) => write!(f, "Nak({wanted:?})"),
            Response::Method(method) => method.fmt(f),
        }
    }
}

/// Shows the method and its progress, no octets of either side.
impl std::fmt::Debug for Method<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Method::Md5(_) => f.write_str("Md5(..)"),
            Method::Tls(method, fragment) => write!(f, "{method:?}({fragment:?})"),
            Method::Other { number, data } => write!(f, "Method {number}({} octets)", data.len()),
        }
    }
}

impl std::fmt::Debug for Md5<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Md5(..)")
    }
}

impl std::fmt::Debug for Fragment<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fragment")
            .field("total", &self.total)
            .field("more", &self.more)
            .field("start", &self.start)
            .field("version", &self.version)
            .field("octets", &self.data.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chap;

    fn response(response: Response<'_>) -> Packet<'_> {
        Packet::Response { identifier: 7, response }
    }

    fn peap(fragment: Fragment<'_>) -> Packet<'_> {
        let request = Request::Method(Method::Tls(TlsMethod::Peap, fragment));
        Packet::Request { identifier: 7, request }
    }

    #[test]
    fn packets_are_written_and_read_octet_for_octet() {
        let fragment = Fragment {
            total: Some(0x0001_0203),
            more: true,
            start: false,
            version: 5,
            data: b"hello",
        };
        let challenge = Md5 { value: b"chal", name: b"us" };
        let challenge = Request::Method(Method::Md5(challenge));
        let unopened = Method::Other { number: 26, data: &[2] };
        for (packet, octets) in [
            (response(Response::Identity(b"bob")), &b"\x02\x07\0\x08\x01bob"[..]),
            (response(Response::Nak(&[25, 21])), &[2, 7, 0, 7, 3, 25, 21]),
            (response(Response::Notification(b"")), &[2, 7, 0, 5, 2]),
            (response(Response::Method(unopened)), &[2, 7, 0, 6, 26, 2]),
            (
                Packet::Request { identifier: 7, request: challenge },
                b"\x01\x07\0\x0c\x04\x04chalus",
            ),
            (peap(Fragment::start(0)), &[1, 7, 0, 6, 25, 0x20]),
            (peap(Fragment::acknowledgement(1)), &[1, 7, 0, 6, 25, 1]),
            (peap(fragment), b"\x01\x07\0\x0f\x19\xc5\0\x01\x02\x03hello"),
            (Packet::Success { identifier: 7 }, &[3, 7, 0, 4]),
            (Packet::Failure { identifier: 7 }, &[4, 7, 0, 4]),
        ] {
            assert_eq!(packet.encode().as_deref(), Ok(octets));
            assert_eq!(Packet::parse(octets), Ok(packet));
            let padded = [octets, &[0xde, 0xad]].concat();
            assert_eq!(Packet::parse(&padded), Ok(packet), "padding is no part of it");
        }
    }

    #[test]
    fn what_does_not_add_up_is_no_packet() {
        for (octets, expected) in [
            (&[][..], Malformed::Truncated { received: 0 }),
            (&[1, 1, 0], Malformed::Truncated { received: 3 }),
            (&[2, 1, 0, 6, 1], Malformed::Length { length: 6, received: 5 }),
            (&[2, 1, 0, 3, 1], Malformed::Length { length: 3, received: 5 }),
            (&[5, 1, 0, 4], Malformed::UnknownCode { code: 5 }),
            (&[1, 1, 0, 4], Malformed::NoMethod),
            (&[2, 1, 0, 4], Malformed::NoMethod),
            (&[3, 1, 0, 5, 0], Malformed::DataAfterEnd),
            (&[4, 1, 0, 5, 0], Malformed::DataAfterEnd),
            (&[1, 1, 0, 6, 3, 25], Malformed::NakAsRequest),
            (&[2, 1, 0, 5, 4], Malformed::MethodData { method: 4 }),
            (&[2, 1, 0, 6, 4, 0], Malformed::MethodData { method: 4 }),
            (&[2, 1, 0, 7, 4, 2, 1], Malformed::MethodData { method: 4 }),
            (&[2, 1, 0, 5, 25], Malformed::MethodData { method: 25 }),
            (&[2, 1, 0, 9, 21, 0x80, 0, 0, 0], Malformed::MethodData { method: 21 }),
        ] {
            assert_eq!(Packet::parse(octets), Err(expected), "{octets:?}");
        }
    }

    #[test]
    fn reserved_flags_mean_nothing() {
        let octets = [2, 7, 0, 6, 13, 0x18];
        let read = Packet::parse(&octets).unwrap();
        let silent = Fragment::acknowledgement(0);
        assert!(silent.is_acknowledgement() && !Fragment::start(0).is_acknowledgement());
        assert_eq!(read, response(Response::Method(Method::Tls(TlsMethod::Tls, silent))));
    }

    #[test]
    fn an_md5_answer_is_verified_as_chap_is() {
        let answer = chap::password(7, b"pw", b"challenge");
        let answer = Md5 { value: &answer[1..], name: b"" };
        assert!(answer.answer(7, b"challenge").unwrap().verifies(b"pw"));
        assert!(!answer.answer(8, b"challenge").unwrap().verifies(b"pw"));
        assert_eq!(Md5 { value: b"short", name: b"" }.answer(7, b"challenge"), None);
    }

    #[test]
    fn what_no_length_field_can_say_is_not_written() {
        let long = vec![0; 65_531];
        assert_eq!(response(Response::Identity(&long)).encode(), Err(TooLong));
        assert!(response(Response::Identity(&long[1..])).encode().is_ok());
        let challenge = Method::Md5(Md5 { value: &long[..256], name: b"" });
        assert_eq!(response(Response::Method(challenge)).encode(), Err(TooLong));
    }

    #[test]
    fn debug_shows_the_step_and_neither_name_nor_octets() {
        let shown = format!("{:?}", response(Response::Identity(b"bob")));
        assert_eq!(shown, "Response { identifier: 7, response: Identity(3 octets) }");
        let fragment = Fragment { data: b"bob", ..Fragment::start(1) };
        let shown = format!("{:?}", peap(fragment));
        assert!(shown.contains("Peap") && shown.contains("octets: 3"), "{shown}");
        let shown = format!("{:?}", Message(Cow::Borrowed(b"bob")));
        assert_eq!(shown, "Message(3 octets)");
    }
}
