//! Where a router is and how to get a byte stream to it: address, credentials, time limits, TLS.
//!
//! Speaks neither protocol. Secrets pass through here and never into a `Debug` or an error.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::error::Error;
use crate::tls;

/// Which of the two services of a router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// The binary API: `api` on 8728, `api-ssl` on 8729.
    Api,
    /// REST, from version 7: `www` on 80, `www-ssl` on 443.
    Rest,
}

impl Protocol {
    /// The port RouterOS uses unless told otherwise.
    pub fn usual_port(self, encrypted: bool) -> u16 {
        match (self, encrypted) {
            (Protocol::Api, false) => 8728,
            (Protocol::Api, true) => 8729,
            (Protocol::Rest, false) => 80,
            (Protocol::Rest, true) => 443,
        }
    }
}

/// How the router proves who it is.
#[derive(Debug, Clone)]
pub enum Tls {
    /// No encryption: only inside a VPN or a management network.
    Off,
    /// The certificate with this SHA-256 fingerprint and no other; names and dates do not matter,
    /// routers' certificates are mostly self-signed.
    Pinned([u8; 32]),
    /// A certificate for the endpoint's host signed by one of these authorities.
    Verify(Arc<RootCertStore>),
    /// Any certificate: encryption without knowing who is there.
    AnyCertificate,
}

impl Tls {
    /// Trust in the authorities of a PEM file.
    pub fn verify_pem(pem: &[u8]) -> Result<Tls, String> {
        tls::roots_from_pem(pem).map(|roots| Tls::Verify(Arc::new(roots)))
    }

    /// Trust in one certificate named by its fingerprint in hex, with or without colons.
    pub fn pinned_hex(fingerprint: &str) -> Option<Tls> {
        let digits: String = fingerprint.chars().filter(|c| !matches!(c, ':' | ' ')).collect();
        if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let mut bytes = [0; 32];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&digits[index * 2..index * 2 + 2], 16).ok()?;
        }
        Some(Tls::Pinned(bytes))
    }
}

/// One service of one router.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Which service listens there.
    pub protocol: Protocol,
    /// How it proves who it is.
    pub tls: Tls,
}

impl Endpoint {
    /// Host and port, as errors name the router.
    pub(crate) fn label(&self) -> Arc<str> {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port).into()
        } else {
            format!("{}:{}", self.host, self.port).into()
        }
    }
}

/// A password that does not print itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a password.
    pub fn new(secret: impl Into<String>) -> Secret {
        Secret(secret.into())
    }

    /// The password, for the wire and nothing else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Who we are to the router.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// User name.
    pub user: String,
    /// Password.
    pub password: Secret,
}

impl Credentials {
    /// A user with a password.
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Credentials {
        Credentials { user: user.into(), password: Secret::new(password) }
    }
}

/// How long to wait for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a TCP connection and the TLS handshake, each.
    pub connect: Duration,
    /// For the next sign of life while a reply is due; it restarts with each one.
    pub reply: Duration,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts { connect: Duration::from_secs(5), reply: Duration::from_secs(10) }
    }
}

/// Bytes in both directions, encrypted or not.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Connects and, if asked for, encrypts.
pub(crate) async fn dial(endpoint: &Endpoint, limit: Duration) -> Result<Box<dyn Stream>, Error> {
    let router = endpoint.label();
    let socket = connect(endpoint, &router, limit).await?;
    match tls::client_config(&endpoint.tls) {
        None => Ok(Box::new(socket)),
        Some(config) => {
            let stream = tls::handshake(socket, config, endpoint, &router, limit).await?;
            Ok(Box::new(stream))
        }
    }
}

/// The SHA-256 fingerprint of the certificate a router shows, whoever signed it: for showing it
/// to a person who then pins it. Sends nothing but the handshake.
pub async fn fingerprint(endpoint: &Endpoint, timeouts: Timeouts) -> Result<[u8; 32], Error> {
    let router = endpoint.label();
    let socket = connect(endpoint, &router, timeouts.connect).await?;
    let config = tls::any_certificate();
    let stream = tls::handshake(socket, config, endpoint, &router, timeouts.connect).await?;
    tls::peer_fingerprint(&stream).ok_or_else(|| Error::Untrusted {
        router,
        problem: "it showed none; bind one to the service with /ip/service certificate=".into(),
    })
}

async fn connect(
    endpoint: &Endpoint,
    router: &Arc<str>,
    limit: Duration,
) -> Result<TcpStream, Error> {
    let unreachable = |hint, cause: io::Error| Error::Unreachable {
        router: router.clone(),
        hint,
        cause: Arc::new(cause),
    };
    let dialing = TcpStream::connect((endpoint.host.as_str(), endpoint.port));
    let socket = match timeout(limit, dialing).await {
        Ok(Ok(socket)) => socket,
        Ok(Err(cause)) => return Err(unreachable(connect_hint(&cause), cause)),
        Err(_) => {
            let cause = io::Error::new(io::ErrorKind::TimedOut, "no answer to the connection");
            return Err(unreachable("nothing answers at this address", cause));
        }
    };
    socket.set_nodelay(true).map_err(|cause| unreachable("the connection broke at once", cause))?;
    Ok(socket)
}

fn connect_hint(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::ConnectionRefused => {
            "the connection was refused; is the service enabled in /ip/service, on this port?"
        }
        _ => "no connection; check address, route and firewall",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_do_not_print_the_password() {
        let shown = format!("{:?}", Credentials::new("lango", "hush"));
        assert!(shown.contains("lango") && !shown.contains("hush"), "{shown}");
    }

    #[test]
    fn a_fingerprint_is_read_as_people_paste_it() {
        let plain = "ab".repeat(32);
        let colons = vec!["AB"; 32].join(":");
        for text in [plain.as_str(), colons.as_str()] {
            let Some(Tls::Pinned(bytes)) = Tls::pinned_hex(text) else { panic!("{text}") };
            assert_eq!(bytes, [0xAB; 32]);
        }
        assert!(Tls::pinned_hex("abcd").is_none());
        assert!(Tls::pinned_hex(&"é".repeat(32)).is_none());
    }
}
