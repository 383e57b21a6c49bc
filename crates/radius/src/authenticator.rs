//! Whether a packet comes from someone who knows the secret: the Request and Response
//! Authenticators (RFC 2865 §3, RFC 2866 §3, RFC 5176 §2.3) and the Message-Authenticator
//! (RFC 3579 §3.2, RFC 5176 §3.4, RFC 5997 §3).
//!
//! Owns the arithmetic and what every packet must satisfy. Whether a NAS that has never signed may
//! go on so is the server's policy: it reads [`VerifiedRequest::signature`].

use std::ops::Deref;

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};

use crate::code::Code;
use crate::dictionary::{Field, number};
use crate::draft::Concealed;
use crate::format::{Tagged, TaggedSalted, read_tag};
use crate::packet::{HEADER_LENGTH, Packet};
use crate::secret::{ClearText, Secret, equal_in_constant_time};

/// Why a packet is not to be trusted. The answer to each is silence; a mismatch is worth telling
/// the operator, since the secrets on both sides differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Untrusted {
    /// A reply came where requests are expected.
    #[error("dropped a {code}: only requests are answered here")]
    NotARequest {
        /// What came.
        code: Code,
    },
    /// A reply of the wrong kind.
    #[error("dropped a {code}: it does not answer a {request}")]
    NotAnAnswer {
        /// What came.
        code: Code,
        /// What had been asked.
        request: Code,
    },
    /// A reply to another request.
    #[error("dropped a reply with identifier {came}: the request had {expected}")]
    OtherIdentifier {
        /// The reply's identifier.
        came: u8,
        /// The request's identifier.
        expected: u8,
    },
    /// No Message-Authenticator where there must be one.
    #[error("dropped a {code} without Message-Authenticator, which it must have")]
    Unsigned {
        /// What came.
        code: Code,
    },
    /// More than one Message-Authenticator, or one that has not 16 octets.
    #[error("dropped a {code} with a malformed or repeated Message-Authenticator")]
    MalformedSignature {
        /// What came.
        code: Code,
    },
    /// The Message-Authenticator does not verify.
    #[error(
        "dropped a {code}: its Message-Authenticator does not match; compare the shared secret"
    )]
    WrongSignature {
        /// What came.
        code: Code,
    },
    /// The authenticator in the header does not verify.
    #[error("dropped a {code}: its authenticator does not match; compare the shared secret")]
    WrongAuthenticator {
        /// What came.
        code: Code,
    },
}

impl Untrusted {
    /// Whether the likely reason is that the two sides hold different secrets.
    pub fn suggests_other_secret(self) -> bool {
        matches!(self, Untrusted::WrongSignature { .. } | Untrusted::WrongAuthenticator { .. })
    }
}

/// Whether a verified packet had a Message-Authenticator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// None.
    Absent,
    /// A valid one, before everything that an attacker could prepare.
    First,
    /// A valid one, after other attributes.
    Later,
}

impl Signature {
    /// Whether there was a valid one.
    pub fn is_present(self) -> bool {
        self != Signature::Absent
    }
}

/// A request that nothing speaks against. An Access-Request without Message-Authenticator gets
/// here unproven, since its own authenticator is random: see [`VerifiedRequest::signature`].
#[derive(Clone, Copy, Debug)]
pub struct VerifiedRequest<'a> {
    packet: Packet<'a>,
    signature: Signature,
}

impl<'a> VerifiedRequest<'a> {
    /// Whether the request was signed.
    pub fn signature(&self) -> Signature {
        self.signature
    }

    /// Brings a hidden value out. Only an Access-Request has any; a wrong secret yields rubbish,
    /// not an error, unless the request is signed.
    pub fn reveal<F: Concealed>(&self, field: Field<F>, secret: &Secret) -> Option<ClearText> {
        F::reveal(secret, self.packet.authenticator(), self.packet.first(field.id())?)
    }
}

impl<'a> Deref for VerifiedRequest<'a> {
    type Target = Packet<'a>;

    fn deref(&self) -> &Packet<'a> {
        &self.packet
    }
}

/// A reply that somebody who knows the secret made for this request. An Access-Accept that is not
/// signed may still be forged (CVE-2024-3596): see [`VerifiedReply::signature`].
#[derive(Clone, Copy, Debug)]
pub struct VerifiedReply<'a> {
    packet: Packet<'a>,
    signature: Signature,
    request_authenticator: [u8; 16],
}

impl<'a> VerifiedReply<'a> {
    /// Whether the reply was signed, and where.
    pub fn signature(&self) -> Signature {
        self.signature
    }

    /// Brings a hidden value out.
    pub fn reveal<F: Concealed>(&self, field: Field<F>, secret: &Secret) -> Option<ClearText> {
        F::reveal(secret, &self.request_authenticator, self.packet.first(field.id())?)
    }

    /// Brings every hidden value out with the tunnel that it belongs to, leaving out those that do
    /// not add up.
    pub fn reveal_tagged(
        &self,
        field: Field<TaggedSalted>,
        secret: &Secret,
    ) -> impl Iterator<Item = Tagged<ClearText>> {
        let over = self.request_authenticator;
        self.packet.attributes().filter(move |held| held.id == field.id()).filter_map(move |held| {
            let tag = read_tag(*held.value.first()?);
            Some(Tagged { tag, value: TaggedSalted::reveal(secret, &over, held.value)? })
        })
    }
}

impl<'a> Deref for VerifiedReply<'a> {
    type Target = Packet<'a>;

    fn deref(&self) -> &Packet<'a> {
        &self.packet
    }
}

impl<'a> Packet<'a> {
    /// Verifies a request by everything that it carries. Status-Server must be signed, and so must
    /// an Access-Request with EAP inside (RFC 5997 §3, RFC 3579 §3.2).
    pub fn verify_request(self, secret: &Secret) -> Result<VerifiedRequest<'a>, Untrusted> {
        let code = self.code();
        if !code.is_request() {
            return Err(Untrusted::NotARequest { code });
        }
        let signed_over = if code.has_random_authenticator() {
            *self.authenticator()
        } else {
            self.verify_authenticator(&[0; 16], secret)?;
            [0; 16]
        };
        let signature = self.verify_signature(&signed_over, secret)?;
        Ok(VerifiedRequest { packet: self, signature })
    }

    /// Verifies that this is the answer to `request`.
    pub fn verify_reply(
        self,
        request: &Packet<'_>,
        secret: &Secret,
    ) -> Result<VerifiedReply<'a>, Untrusted> {
        let (code, came, expected) = (self.code(), self.identifier(), request.identifier());
        if !code.answers(request.code()) {
            return Err(Untrusted::NotAnAnswer { code, request: request.code() });
        }
        if came != expected {
            return Err(Untrusted::OtherIdentifier { came, expected });
        }
        let request_authenticator = *request.authenticator();
        self.verify_authenticator(&request_authenticator, secret)?;
        let signature = self.verify_signature(&request_authenticator, secret)?;
        Ok(VerifiedReply { packet: self, signature, request_authenticator })
    }

    fn verify_authenticator(&self, over: &[u8; 16], secret: &Secret) -> Result<(), Untrusted> {
        let expected = computed_authenticator(self.octets(), over, secret);
        if equal_in_constant_time(&expected, self.authenticator()) {
            Ok(())
        } else {
            Err(Untrusted::WrongAuthenticator { code: self.code() })
        }
    }

    fn verify_signature(&self, over: &[u8; 16], secret: &Secret) -> Result<Signature, Untrusted> {
        let code = self.code();
        let Some((offset, value)) = self.locate_signature()? else {
            let must_be_signed = code == Code::StatusServer || self.has_raw(number::EAP_MESSAGE);
            return if must_be_signed {
                Err(Untrusted::Unsigned { code })
            } else {
                Ok(Signature::Absent)
            };
        };
        signing(self.octets(), over, offset, secret)
            .verify_slice(value)
            .map_err(|_| Untrusted::WrongSignature { code })?;
        let is_first = offset == FIRST_SIGNATURE_OFFSET;
        Ok(if is_first { Signature::First } else { Signature::Later })
    }

    /// Where the value of the only Message-Authenticator begins, and its 16 octets.
    fn locate_signature(&self) -> Result<Option<(usize, &'a [u8; 16])>, Untrusted> {
        let malformed = Untrusted::MalformedSignature { code: self.code() };
        let mut found = None;
        let mut offset = HEADER_LENGTH + 2;
        for attribute in self.raw_attributes() {
            if attribute.number == number::MESSAGE_AUTHENTICATOR {
                let value = attribute.value.try_into().map_err(|_| malformed)?;
                if found.replace((offset, value)).is_some() {
                    return Err(malformed);
                }
            }
            offset += attribute.value.len() + 2;
        }
        Ok(found)
    }
}

/// Where the value begins if the Message-Authenticator is the first attribute.
pub(crate) const FIRST_SIGNATURE_OFFSET: usize = HEADER_LENGTH + 2;

/// MD5 over the packet with `over` in the place of its authenticator, and the secret.
pub(crate) fn computed_authenticator(octets: &[u8], over: &[u8; 16], secret: &Secret) -> [u8; 16] {
    Md5::new()
        .chain_update(octets.get(..4).unwrap_or_default())
        .chain_update(over)
        .chain_update(octets.get(HEADER_LENGTH..).unwrap_or_default())
        .chain_update(secret.octets())
        .finalize()
        .into()
}

/// HMAC-MD5 over the packet with `over` in the place of its authenticator and zeros in the place
/// of the Message-Authenticator's value, which begins at `offset`.
pub(crate) fn signing(octets: &[u8], over: &[u8; 16], offset: usize, secret: &Secret) -> Hmac<Md5> {
    Hmac::<Md5>::new_from_slice(secret.octets())
        .expect("HMAC takes a key of any length")
        .chain_update(octets.get(..4).unwrap_or_default())
        .chain_update(over)
        .chain_update(octets.get(HEADER_LENGTH..offset).unwrap_or_default())
        .chain_update([0; 16])
        .chain_update(octets.get(offset + 16..).unwrap_or_default())
}
