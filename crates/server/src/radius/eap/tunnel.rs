//! TLS in fragments (RFC 5216 §2.1.5, RFC 5281 §9). Owns the connection and what of our words was
//! not sent yet; knows nothing of what is said inside.
//!
//! Fragments go into TLS as they come, so that nothing is kept twice.

use std::sync::Arc;

use lango_radius::eap::{Fragment, TlsMethod};
use rustls::{ServerConfig, ServerConnection};

use super::keys::Keys;
use super::refusal::Refusal;

/// What is spoken: both methods have only one version that anybody deployed.
const VERSION: u8 = 0;

/// Code, identifier, length, method and flags, and the total that only first fragments have.
const OVERHEAD: usize = 4 + 1 + 1 + 4;

/// A TLS connection with a device.
pub(super) struct Tunnel {
    method: TlsMethod,
    tls: ServerConnection,
    /// What we are saying, and how much of it the device has.
    saying: Vec<u8>,
    said: usize,
    /// How long the device's message is as far as it came.
    heard: usize,
    /// What the device said inside, until we may answer it.
    inside: Vec<u8>,
    /// TLS failed; the device is being told.
    failed: Option<rustls::Error>,
    limit: usize,
}

/// What is to be done after a fragment came.
pub(super) enum Heard {
    /// Send the next fragment of what we are saying.
    Speak,
    /// Ask for the device's next fragment.
    Acknowledge,
    /// The device has finished, and said this inside; it is our turn.
    Turn(Vec<u8>),
}

impl Tunnel {
    pub(super) fn new(
        config: Arc<ServerConfig>,
        method: TlsMethod,
        limit: usize,
    ) -> Result<Tunnel, Refusal> {
        let tls = ServerConnection::new(config).map_err(Refusal::Tls)?;
        let (saying, inside) = (Vec::new(), Vec::new());
        Ok(Tunnel { method, tls, saying, said: 0, heard: 0, inside, failed: None, limit })
    }

    pub(super) fn method(&self) -> TlsMethod {
        self.method
    }

    pub(super) fn is_established(&self) -> bool {
        !self.tls.is_handshaking()
    }

    /// The certificate that the device showed, which an authority that we trust signed.
    pub(super) fn device_certificate(&self) -> Option<&[u8]> {
        self.tls.peer_certificates()?.first().map(AsRef::as_ref)
    }

    /// Takes a fragment.
    pub(super) fn hear(&mut self, fragment: Fragment<'_>) -> Result<Heard, Refusal> {
        if fragment.version != VERSION {
            return Err(Refusal::Version { version: fragment.version });
        }
        if fragment.start {
            return Err(Refusal::Unexpected { what: "a beginning" });
        }
        if self.said < self.saying.len() {
            return match fragment.is_acknowledgement() {
                true => Ok(Heard::Speak),
                false => Err(Refusal::Unexpected { what: "words while we spoke" }),
            };
        }
        if let Some(cause) = self.failed.take() {
            return Err(Refusal::Tls(cause));
        }
        self.take(&fragment)?;
        if fragment.more && self.failed.is_none() {
            return Ok(Heard::Acknowledge);
        }
        self.heard = 0;
        self.collect_words()?;
        match (self.saying.is_empty(), self.failed.take()) {
            (true, Some(cause)) => Err(Refusal::Tls(cause)),
            (true, None) => Ok(Heard::Turn(std::mem::take(&mut self.inside))),
            (false, failed) => {
                self.failed = failed;
                Ok(Heard::Speak)
            }
        }
    }

    /// Says something inside.
    pub(super) fn say(&mut self, inside: &[u8]) -> Result<(), Refusal> {
        let cannot =
            |cause: std::io::Error| Refusal::Tls(rustls::Error::General(cause.to_string()));
        std::io::Write::write_all(&mut self.tls.writer(), inside).map_err(cannot)?;
        self.collect_words()
    }

    /// The next fragment of what we are saying, in a packet no longer than `room`; nothing is left
    /// to say, it is an acknowledgement.
    pub(super) fn next_fragment(&mut self, room: usize) -> Fragment<'_> {
        let left = &self.saying[self.said..];
        let data = &left[..left.len().min(room.saturating_sub(OVERHEAD).max(1))];
        let more = data.len() < left.len();
        let is_first_of_several = self.said == 0 && more;
        let total = is_first_of_several.then(|| u32::try_from(left.len()).unwrap_or(u32::MAX));
        self.said += data.len();
        Fragment { total, more, start: false, version: VERSION, data }
    }

    /// The keys that both sides make of the connection: by RFC 5216 §2.3 and RFC 5281 §8 for
    /// TLS 1.2, by RFC 9427 §2.1 for TLS 1.3.
    pub(super) fn keys(&self) -> Result<Keys, Refusal> {
        let number = [self.method.number()];
        let (label, context): (&[u8], Option<&[u8]>) = match (self.is_tls13(), self.method) {
            (true, _) => (b"EXPORTER_EAP_TLS_Key_Material", Some(&number)),
            (false, TlsMethod::Ttls) => (b"ttls keying material", None),
            (false, TlsMethod::Peap | TlsMethod::Tls) => (b"client EAP encryption", None),
        };
        // In TLS 1.3 the length changes every octet: it is 128, of which half is used.
        let material: [u8; 128] = self.export(label, context)?;
        Ok(Keys::new(std::array::from_fn(|place| material[place])))
    }

    /// Octets that only both ends of the connection know (RFC 5705, RFC 8446 §7.5).
    pub(super) fn export<const LENGTH: usize>(
        &self,
        label: &[u8],
        context: Option<&[u8]>,
    ) -> Result<[u8; LENGTH], Refusal> {
        self.tls.export_keying_material([0; LENGTH], label, context).map_err(Refusal::Tls)
    }

    pub(super) fn is_tls13(&self) -> bool {
        self.tls.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3)
    }

    /// Gives a fragment to TLS. If TLS fails, an alert waits to be sent.
    fn take(&mut self, fragment: &Fragment<'_>) -> Result<(), Refusal> {
        let announced =
            fragment.total.map_or(0, |total| usize::try_from(total).unwrap_or(usize::MAX));
        self.heard = self.heard.saturating_add(fragment.data.len());
        if announced.max(self.heard) > self.limit {
            return Err(Refusal::TooLong { limit: self.limit });
        }
        let mut rest = fragment.data;
        while !rest.is_empty() {
            let before = rest.len();
            let read = self.tls.read_tls(&mut rest);
            let processed = self.tls.process_new_packets();
            match processed {
                Err(rustls::Error::AlertReceived(alert)) => {
                    return Err(Refusal::DeviceBrokeOff { alert: format!("{alert:?}") });
                }
                Err(cause) => {
                    self.failed = Some(cause);
                    return Ok(());
                }
                Ok(state) => self.open(state.plaintext_bytes_to_read())?,
            }
            // A full buffer or an end by close_notify: TLS takes no more.
            if read.is_err() || rest.len() == before {
                return Err(Refusal::Unexpected { what: "more than TLS takes" });
            }
        }
        Ok(())
    }

    /// Takes out what the device said inside.
    fn open(&mut self, length: usize) -> Result<(), Refusal> {
        let start = self.inside.len();
        if start + length > self.limit {
            return Err(Refusal::TooLong { limit: self.limit });
        }
        self.inside.resize(start + length, 0);
        std::io::Read::read_exact(&mut self.tls.reader(), &mut self.inside[start..])
            .map_err(|_| Refusal::Unexpected { what: "an end of TLS" })
    }

    /// What TLS wants to send becomes what we are saying.
    fn collect_words(&mut self) -> Result<(), Refusal> {
        (self.saying, self.said) = (Vec::new(), 0);
        while self.tls.wants_write() {
            let wrote = self.tls.write_tls(&mut self.saying);
            if !wrote.is_ok_and(|count| count > 0) {
                break;
            }
        }
        match self.saying.len() > self.limit {
            true => Err(Refusal::TooLong { limit: self.limit }),
            false => Ok(()),
        }
    }
}
