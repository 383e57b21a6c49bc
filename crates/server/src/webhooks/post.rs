//! One message to one address: signed, bounded in time and size, never redirected.

use super::Answer;
use crate::app::App;
use crate::observe::chain;
use axum::http::Uri;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper_rustls::ConfigBuilderExt;
use hyper_util::rt::TokioIo;
use lango_domain::time::Timestamp;
use lango_store::webhooks::{Due, Webhook};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::TcpStream;

/// How long a connection and an answer may take together.
const LIMIT: Duration = Duration::from_secs(10);
/// More of an answer is not read.
const MOST_READ: usize = 64 * 1_024;

/// Sends a message and says what came back.
pub(super) async fn post(
    app: &App,
    webhook: &Webhook,
    secret: &[u8],
    body: &str,
    due: &Due,
    now: Timestamp,
) -> Answer {
    let sent = send(app, webhook, secret, body, due, now);
    match tokio::time::timeout(LIMIT, sent).await {
        Ok(Ok(status)) if (200..300).contains(&status) => {
            Answer { status: Some(status), error: None }
        }
        Ok(Ok(status)) => Answer { status: Some(status), error: Some(format!("status {status}")) },
        Ok(Err(error)) => Answer { status: None, error: Some(chain(error.as_ref())) },
        Err(_) => Answer { status: None, error: Some(format!("no answer within {LIMIT:?}")) },
    }
}

async fn send(
    app: &App,
    webhook: &Webhook,
    secret: &[u8],
    body: &str,
    due: &Due,
    now: Timestamp,
) -> anyhow::Result<u16> {
    let uri: Uri = webhook.url.parse()?;
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let encrypted = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
    let stream = TcpStream::connect(address(app, &host, port).await?).await?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::post(path)
        .header("host", uri.authority().map_or("", |authority| authority.as_str()))
        .header("content-type", "application/json")
        .header("user-agent", concat!("lango/", env!("CARGO_PKG_VERSION")))
        .header("lango-event-id", due.activity.to_string())
        .header("lango-attempt", due.attempt)
        .header("lango-signature", signature(secret, body, now))
        .body(Full::new(Bytes::from(body.to_owned())))?;
    if !encrypted {
        return speak(stream, request).await;
    }
    let name = rustls::pki_types::ServerName::try_from(host)?;
    let connector = tokio_rustls::TlsConnector::from(roots()?);
    speak(connector.connect(name, stream).await?, request).await
}

/// Where a name leads: the first address that we may go to, and only it is connected to.
async fn address(app: &App, host: &str, port: u16) -> io::Result<SocketAddr> {
    let found = tokio::net::lookup_host((host, port)).await?;
    let may = |address: &SocketAddr| app.webhooks_may_be_private() || is_public(address.ip());
    found.into_iter().find(may).ok_or_else(|| {
        io::Error::other(
            "it leads into a private network: set webhook_private_addresses to allow that",
        )
    })
}

/// Whether an address is somewhere on the internet, and not here or next door.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            // RFC 6598, RFC 2544, RFC 6890: shared, benchmarks, and what is for special ends.
            let special = a == 0
                || a >= 240
                || (a == 100 && b & 0xC0 == 64)
                || (a == 198 && b & 0xFE == 18)
                || (a == 192 && b == 0);
            !(special
                || v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_documentation())
        }
        IpAddr::V6(v6) => {
            let first = v6.segments()[0];
            // Only 2000::/3 is given out (RFC 4291); 6to4 and Teredo carry any IPv4 address inside.
            first & 0xE000 == 0x2000
                && first != 0x2002
                && !(first == 0x2001 && v6.segments()[1] == 0)
        }
    }
}

async fn speak<S>(stream: S, request: Request<Full<Bytes>>) -> anyhow::Result<u16>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the sender at the end of this function.
    let connection = tokio::spawn(connection);
    let response = sender.send_request(request).await?;
    let status = response.status().as_u16();
    // An answer is an answer whatever is in it; reading it is only politeness.
    let _ = Limited::new(response.into_body(), MOST_READ).collect().await;
    connection.abort();
    Ok(status)
}

/// `t=SECONDS,v1=HEX`: HMAC-SHA-256 of `SECONDS.BODY`, so that an old message cannot be sent again.
fn signature(secret: &[u8], body: &str, now: Timestamp) -> String {
    let seconds = now.micros() / 1_000_000;
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
    let tag = ring::hmac::sign(&key, format!("{seconds}.{body}").as_bytes());
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={seconds},v1={hex}")
}

/// The certificates that this machine trusts, read once.
fn roots() -> anyhow::Result<Arc<rustls::ClientConfig>> {
    static ROOTS: OnceLock<Arc<rustls::ClientConfig>> = OnceLock::new();
    if let Some(known) = ROOTS.get() {
        return Ok(known.clone());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_native_roots()?
        .with_no_client_auth();
    Ok(ROOTS.get_or_init(|| Arc::new(config)).clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_here_or_next_door_is_not_public() {
        for here in [
            "127.0.0.1",
            "10.1.2.3",
            "192.168.88.1",
            "172.16.0.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "fe80::1",
            "fd00::1",
            "::",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "2002:7f00:1::",
            "2001:0:1::",
            "ff02::1",
        ] {
            assert!(!is_public(here.parse().unwrap()), "{here}");
        }
        for there in ["1.1.1.1", "41.90.0.1", "2606:4700::1111"] {
            assert!(is_public(there.parse().unwrap()), "{there}");
        }
    }

    #[test]
    fn the_signature_is_what_the_guide_says() {
        let now = Timestamp::from_micros(1_795_251_600_000_000);
        let signed = signature(b"whsec_x", "{}", now);
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"whsec_x");
        let hex = signed.strip_prefix("t=1795251600,v1=").unwrap();
        let tag: Vec<u8> = (0..hex.len() / 2)
            .map(|place| u8::from_str_radix(&hex[place * 2..place * 2 + 2], 16).unwrap())
            .collect();
        ring::hmac::verify(&key, b"1795251600.{}", &tag).unwrap();
    }
}
