//! Requests to other people's servers: one connection each, bounded in time and size, never
//! redirected, and never repeated here. What went wrong is told apart by the one question that
//! matters where money or messages are asked for: can the other side have got it?
//!
//! A connection is used once. On one kept open, a request that meets the other side's closing it
//! cannot be told from a request that was taken, and would have to be called unknown.

use crate::app::App;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{CONTENT_LENGTH, HOST, HeaderValue, USER_AGENT};
use hyper::{HeaderMap, Method, Request, Uri};
use hyper_rustls::ConfigBuilderExt;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// How long a request may take, and how much of its answer is read.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Name, connection and TLS.
    pub connect: Duration,
    /// All of it.
    pub total: Duration,
    /// Octets of the answer's body.
    pub answer: usize,
}

impl Limits {
    /// For payments and messages.
    pub const USUAL: Limits = Limits {
        connect: Duration::from_secs(10),
        total: Duration::from_secs(30),
        answer: 1_024 * 1_024,
    };
}

/// Where requests may lead. Their addresses come from people who may be customers of this machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// To the internet, and neither here nor next door.
    Public,
    /// Anywhere: the gateway stands in the operator's own network, or a stand-in on loopback.
    Anywhere,
}

impl Reach {
    /// What this installation allows.
    pub fn of(app: &App) -> Reach {
        if app.webhooks_may_be_private() { Reach::Anywhere } else { Reach::Public }
    }
}

/// What came back, whatever its status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// Whether the status is one of 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as JSON, if it is JSON.
    pub fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The beginning of the body in one line, for messages to people.
    pub fn excerpt(&self) -> String {
        const MOST: usize = 200;
        let text = String::from_utf8_lossy(&self.body);
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        words.chars().filter(|sign| !sign.is_control()).take(MOST).collect()
    }
}

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoAnswer {
    /// Surely nothing reached them: it can be asked again.
    #[error("{host} was not reached: {why}")]
    NotSent {
        /// Who was asked.
        host: String,
        /// What stood in the way.
        why: String,
    },
    /// It was sent, at least in part, and nothing readable came back: they may have done it.
    #[error("{host} was asked and its answer is unknown: {why}")]
    Unknown {
        /// Who was asked.
        host: String,
        /// What became of the answer.
        why: String,
    },
}

impl NoAnswer {
    /// Whether they may have got it.
    pub const fn is_unknown(&self) -> bool {
        matches!(self, NoAnswer::Unknown { .. })
    }
}

/// Asks within the usual limits. The request's address is absolute: `https://HOST/PATH`.
///
/// # Errors
/// See [`NoAnswer`]. An answer of any status is no error.
pub async fn ask(request: Request<Bytes>, reach: Reach) -> Result<Answer, NoAnswer> {
    ask_within(request, reach, Limits::USUAL).await
}

/// Asks within these limits.
///
/// # Errors
/// See [`NoAnswer`].
pub async fn ask_within(
    request: Request<Bytes>,
    reach: Reach,
    limits: Limits,
) -> Result<Answer, NoAnswer> {
    let begun = tokio::time::Instant::now();
    let host = request.uri().authority().map(ToString::to_string).unwrap_or_default();
    let not_sent = |why: String| NoAnswer::NotSent { host: host.clone(), why };
    let unknown = |why: String| NoAnswer::Unknown { host: host.clone(), why };
    let connecting = connect(request.uri(), reach);
    let stream = match tokio::time::timeout(limits.connect.min(limits.total), connecting).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(why)) => return Err(not_sent(why.to_string())),
        Err(_) => return Err(not_sent(format!("no connection within {:?}", limits.connect))),
    };
    let request = in_origin_form(request).map_err(|why| not_sent(why.to_string()))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|why| not_sent(why.to_string()))?;
    let connection = Aborted(tokio::spawn(connection));
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|why| {
            // Hyper says "cancelled" only of what it gave back before it wrote any of it.
            if why.is_canceled() { not_sent(why.to_string()) } else { unknown(why.to_string()) }
        })?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, limits.answer)
            .collect()
            .await
            .map_err(|why| unknown(format!("status {}, then {why}", head.status.as_u16())))?;
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body: body.to_bytes() })
    };
    let answer = tokio::time::timeout_at(begun + limits.total, exchange).await;
    drop(connection);
    answer.unwrap_or_else(|_| Err(unknown(format!("no answer within {:?}", limits.total))))
}

/// A task that ends with whoever waits for it: requests are abandoned at time-outs.
struct Aborted<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for Aborted<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// `POST /path` with a host and, unless it asks only, a length: some servers answer 411 to an empty
/// POST without one, and hyper writes none for an empty body.
fn in_origin_form(request: Request<Bytes>) -> anyhow::Result<Request<Full<Bytes>>> {
    let (mut head, body) = request.into_parts();
    let host = head.uri.authority().map_or("", |authority| authority.as_str());
    // What stands before an @ is for nobody's log.
    let host = host.rsplit('@').next().unwrap_or_default();
    head.headers.insert(HOST, HeaderValue::from_str(host)?);
    if !head.headers.contains_key(USER_AGENT) {
        let agent = HeaderValue::from_static(concat!("lango/", env!("CARGO_PKG_VERSION")));
        head.headers.insert(USER_AGENT, agent);
    }
    if !matches!(head.method, Method::GET | Method::HEAD) {
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    head.uri = head.uri.path_and_query().map_or("/", |path| path.as_str()).parse()?;
    Ok(Request::from_parts(head, Full::new(body)))
}

/// A stream to somewhere, in clear or not.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

async fn connect(uri: &Uri, reach: Reach) -> anyhow::Result<Box<dyn Stream>> {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let encrypted = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => anyhow::bail!("`{uri}` is no address of a server: write https://HOST/PATH"),
    };
    let port = uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
    let stream = TcpStream::connect(address(&host, port, reach).await?).await?;
    if encrypted { secured(stream, host).await } else { Ok(Box::new(stream)) }
}

/// TLS over a connection, believing what this machine believes.
pub(crate) async fn secured(stream: TcpStream, host: String) -> anyhow::Result<Box<dyn Stream>> {
    let name = ServerName::try_from(host)?;
    let connector = tokio_rustls::TlsConnector::from(roots()?);
    Ok(Box::new(connector.connect(name, stream).await?))
}

/// Where a name leads: the first address that we may go to, and only it is connected to.
pub(crate) async fn address(host: &str, port: u16, reach: Reach) -> io::Result<SocketAddr> {
    let found = tokio::net::lookup_host((host, port)).await?;
    let may = |address: &SocketAddr| reach == Reach::Anywhere || is_public(address.ip());
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

/// The certificates that this machine trusts, read once.
pub(crate) fn roots() -> anyhow::Result<Arc<rustls::ClientConfig>> {
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// Takes one connection, reads what comes first, says `answer` and closes.
    async fn stand_in(answer: &'static str) -> (String, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/path?q=1", listener.local_addr().unwrap());
        let heard = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut heard = vec![0; 4_096];
            let read = stream.read(&mut heard).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8_lossy(&heard[..read]).into_owned()
        });
        (url, heard)
    }

    fn post(url: &str) -> Request<Bytes> {
        Request::post(url).body(Bytes::new()).unwrap()
    }

    #[tokio::test]
    async fn an_empty_post_has_a_length_and_any_status_is_an_answer() {
        let (url, heard) = stand_in("HTTP/1.1 503 X\r\ncontent-length: 2\r\n\r\nno").await;
        let answer = ask(post(&url), Reach::Anywhere).await.unwrap();
        assert_eq!((answer.status, answer.excerpt().as_str()), (503, "no"));
        let heard = heard.await.unwrap();
        assert!(heard.starts_with("POST /path?q=1 HTTP/1.1\r\n"), "{heard}");
        assert!(heard.contains("content-length: 0\r\n"), "{heard}");
    }

    #[tokio::test]
    async fn what_was_taken_and_not_answered_is_unknown() {
        let (url, _heard) = stand_in("").await;
        let failed = ask(post(&url), Reach::Anywhere).await.unwrap_err();
        assert!(failed.is_unknown(), "{failed}");
        let (url, _heard) = stand_in("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await;
        let failed = ask(post(&url), Reach::Anywhere).await.unwrap_err();
        assert!(failed.is_unknown(), "{failed}");
    }

    #[tokio::test]
    async fn a_silent_server_is_unknown_and_an_absent_one_was_not_sent_anything() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let limits = Limits { total: Duration::from_millis(50), ..Limits::USUAL };
        let failed = ask_within(post(&url), Reach::Anywhere, limits).await.unwrap_err();
        assert!(failed.is_unknown(), "{failed}");
        drop(listener);
        let failed = ask(post(&url), Reach::Anywhere).await.unwrap_err();
        assert!(!failed.is_unknown(), "{failed}");
    }

    #[tokio::test]
    async fn an_answer_without_end_is_cut_off() {
        let (url, _heard) =
            stand_in("HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nabcdefghijklmnopqrst").await;
        let limits = Limits { answer: 10, ..Limits::USUAL };
        let failed = ask_within(post(&url), Reach::Anywhere, limits).await.unwrap_err();
        assert!(failed.is_unknown(), "{failed}");
    }

    #[tokio::test]
    async fn private_networks_are_refused_unless_allowed() {
        let (url, _heard) = stand_in("").await;
        let failed = ask(post(&url), Reach::Public).await.unwrap_err();
        assert!(!failed.is_unknown());
        assert!(failed.to_string().contains("webhook_private_addresses"), "{failed}");
    }

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
}
