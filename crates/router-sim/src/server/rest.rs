//! Owns REST: how paths, methods and JSON become commands, and how refusals become statuses.
//! (MikroTik manual, "REST API".)

use std::net::IpAddr;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::faults::PrintEnd;
use crate::router::Router;
use crate::world::command::Query;
use crate::world::{Answer, Command, Permissions, Row, Trap};

/// The longest body.
const BODY: usize = 1024 * 1024;

/// Serves one connection to its end.
pub(crate) async fn serve<S>(stream: S, router: Router, from: IpAddr)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut plan = router.faults().watch();
    let epoch = plan.borrow().epoch;
    let serving = router.clone();
    let service = service_fn(move |request| answer(request, serving.clone(), from));
    let served =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // An error here is a client that went away, or a reply that a fault took back.
        _ = served => {}
        _ = plan.wait_for(|plan| plan.epoch != epoch) => {}
    }
}

/// The reply is not to be sent: the connection breaks.
#[derive(Debug, thiserror::Error)]
#[error("this reply is lost on purpose")]
struct Lost;

/// What a request asks for besides its command.
enum Shape {
    /// An array of rows.
    List,
    /// The one object.
    One,
    /// 201 and the new object.
    Created,
    /// The changed object.
    Changed,
    /// 204 without a body.
    Gone,
    /// Whatever the command gives.
    Raw,
}

async fn answer(
    request: Request<Incoming>,
    router: Router,
    from: IpAddr,
) -> Result<Response<Full<Bytes>>, Lost> {
    let mut plan = router.faults().watch();
    let delay = {
        let free = plan.wait_for(|plan| !plan.hanging).await.map_err(|_| Lost)?;
        free.delay
    };
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    if router.faults().take_drop(1) {
        return Err(Lost);
    }
    let response = match handle(request, &router, from).await {
        Ok(response) => response,
        Err(Stop::Refused { status, detail }) => refusal(status, &detail),
        Err(Stop::Lost) => return Err(Lost),
    };
    if router.faults().take_cut().is_some() {
        return Err(Lost);
    }
    Ok(response)
}

/// Why a request gets nothing of what it asked for.
enum Stop {
    Refused { status: StatusCode, detail: String },
    Lost,
}

async fn handle(
    request: Request<Incoming>,
    router: &Router,
    from: IpAddr,
) -> Result<Response<Full<Bytes>>, Stop> {
    let permissions = authenticate(&request, router, from)?;
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let path = path.strip_prefix("/rest").ok_or_else(|| error(StatusCode::NOT_FOUND, ""))?;
    let path = percent_decoded(path);
    let query = parts.uri.query().unwrap_or_default();
    let body = read_body(body).await?;
    let (command, shape) =
        command_of(&parts.method, path.trim_end_matches('/'), query, &body, router)?;
    if let Some(trap) = router.faults().take_refusal(&command.path) {
        return Err(refused(&trap));
    }
    let outcome = router.with(|world| world.execute(&command, &permissions));
    if router.faults().take_lost_reply(&command.path) {
        return Err(Stop::Lost);
    }
    let answer = outcome.map_err(|trap| refused(&trap))?;
    reply(answer, &command, &shape, router, &permissions)
}

fn authenticate(
    request: &Request<Incoming>,
    router: &Router,
    from: IpAddr,
) -> Result<Permissions, Stop> {
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let basic = header.and_then(|value| value.strip_prefix("Basic ")).and_then(base64_decoded);
    let text = basic.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let (name, password) = text.split_once(':').unwrap_or_default();
    let outcome = router.with(|world| world.check_user(name, password, "rest-api", from));
    let taken = router.faults().now().taken_policies.clone();
    match outcome {
        Ok(permissions) if !taken.iter().any(|policy| policy == "rest-api") => {
            Ok(permissions.without(&taken))
        }
        Ok(_) => Err(refused(&Trap::new("not enough permissions (9)"))),
        Err(trap) if trap.message.contains("permissions") => Err(refused(&trap)),
        Err(_) => Err(error(StatusCode::UNAUTHORIZED, "")),
    }
}

async fn read_body(body: Incoming) -> Result<Map<String, Value>, Stop> {
    let bytes = Limited::new(body, BODY).collect().await;
    let bytes =
        bytes.map_err(|_| error(StatusCode::BAD_REQUEST, "cannot read the body"))?.to_bytes();
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(error(StatusCode::BAD_REQUEST, "object expected")),
        Err(_) => Err(error(StatusCode::BAD_REQUEST, "Bad JSON")),
    }
}

fn command_of(
    method: &Method,
    path: &str,
    query: &str,
    body: &Map<String, Value>,
    router: &Router,
) -> Result<(Command, Shape), Stop> {
    let is_menu = |path: &str| router.with(|world| world.spot(path).is_ok());
    let item = || {
        let (menu, item) = path.rsplit_once('/').filter(|(menu, _)| is_menu(menu))?;
        Some((menu, item))
    };
    let no_menu = || refused(&Trap::new("no such command or directory"));
    match method.as_str() {
        "GET" => {
            let (list, query) = filters(query);
            let (mut command, shape) = if is_menu(path) {
                (Command::of(format!("{path}/print")), Shape::List)
            } else {
                let (menu, item) = item().ok_or_else(no_menu)?;
                (Command::of(format!("{menu}/print")).with(".id", item), Shape::One)
            };
            command.query = query;
            if let Some(list) = list {
                command = command.with(".proplist", list);
            }
            Ok((command, shape))
        }
        "PUT" if is_menu(path) => {
            Ok((with_body(Command::of(format!("{path}/add")), body)?, Shape::Created))
        }
        "PATCH" => {
            let (menu, item) =
                if is_menu(path) { (path, "*1") } else { item().ok_or_else(no_menu)? };
            let command = Command::of(format!("{menu}/set")).with(".id", item);
            Ok((with_body(command, body)?, Shape::Changed))
        }
        "DELETE" => {
            let (menu, item) = item().ok_or_else(no_menu)?;
            Ok((Command::of(format!("{menu}/remove")).with(".id", item), Shape::Gone))
        }
        "POST" => Ok((with_body(Command::of(path), body)?, Shape::Raw)),
        _ => Err(no_menu()),
    }
}

/// `?name=x&.proplist=.id,name`
fn filters(query: &str) -> (Option<String>, Query) {
    let mut list = None;
    let mut filter = Query::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (percent_decoded(name), percent_decoded(value));
        if name == ".proplist" {
            list = Some(value);
        } else {
            filter = filter.and(Query::equal(&name, value.as_bytes()));
        }
    }
    (list, filter)
}

fn with_body(mut command: Command, body: &Map<String, Value>) -> Result<Command, Stop> {
    for (name, value) in body {
        match (name.as_str(), value) {
            (".query", Value::Array(words)) => {
                let words: Vec<String> = words.iter().map(text_of).collect();
                command.query = Query::parse(words.iter().map(|word| word.as_bytes()));
            }
            (".proplist", Value::Array(names)) => {
                let names: Vec<String> = names.iter().map(text_of).collect();
                command = command.with(".proplist", names.join(","));
            }
            (_, Value::Array(_) | Value::Object(_)) => {
                return Err(error(StatusCode::BAD_REQUEST, "value expected"));
            }
            (name, value) => command = command.with(name, text_of(value)),
        }
    }
    Ok(command)
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn reply(
    answer: Answer,
    command: &Command,
    shape: &Shape,
    router: &Router,
    permissions: &Permissions,
) -> Result<Response<Full<Bytes>>, Stop> {
    let rows = match answer {
        Answer::Rows(rows) => rows,
        Answer::Reboot => {
            router.reboot_as_told();
            return Err(Stop::Lost);
        }
        Answer::Value(id) if matches!(shape, Shape::Created) => {
            let object = fetch(command, &id, router, permissions)?;
            return Ok(body(StatusCode::CREATED, &object));
        }
        Answer::Value(value) => return Ok(body(StatusCode::OK, &json!({ "ret": value }))),
        Answer::Done | Answer::Quit => {
            return match shape {
                Shape::Changed => {
                    let id = command.text(".id").unwrap_or_default();
                    Ok(body(StatusCode::OK, &fetch(command, &id, router, permissions)?))
                }
                Shape::Gone => Ok(empty(StatusCode::NO_CONTENT)),
                _ => Ok(body(StatusCode::OK, &json!([]))),
            };
        }
    };
    let short = router.faults().take_short_print(&command.path);
    match short {
        Some((_, PrintEnd::Close)) => return Err(Stop::Lost),
        Some((_, PrintEnd::Trap(trap))) => return Err(refused(&trap)),
        None => {}
    }
    let single =
        router.with(|world| world.spot(command.split().0).is_ok_and(|spot| spot.is_single()));
    if matches!(shape, Shape::One) || (matches!(shape, Shape::List) && single) {
        return match rows.first() {
            Some(row) => Ok(body(StatusCode::OK, &object(row))),
            None => Err(error(StatusCode::NOT_FOUND, "no such item")),
        };
    }
    Ok(body(StatusCode::OK, &Value::Array(rows.iter().map(object).collect())))
}

fn fetch(
    command: &Command,
    id: &str,
    router: &Router,
    permissions: &Permissions,
) -> Result<Value, Stop> {
    let print = Command::of(format!("{}/print", command.split().0)).with(".id", id);
    let answer =
        router.with(|world| world.execute(&print, permissions)).map_err(|trap| refused(&trap))?;
    match answer {
        Answer::Rows(rows) => Ok(rows.first().map(object).unwrap_or_else(|| json!({}))),
        _ => Ok(json!({})),
    }
}

fn object(row: &Row) -> Value {
    let pairs = row.fields().map(|(name, value)| {
        (name.to_owned(), Value::String(String::from_utf8_lossy(value).into_owned()))
    });
    Value::Object(pairs.collect())
}

/// A trap's text becomes `detail`; the status depends on what it says.
fn refused(trap: &Trap) -> Stop {
    let text = trap.message.as_str();
    let status = if text.contains("no such item") {
        StatusCode::NOT_FOUND
    } else if text.contains("no such command") {
        StatusCode::NOT_ACCEPTABLE
    } else if text.contains("not enough permissions") {
        StatusCode::INTERNAL_SERVER_ERROR
    } else {
        StatusCode::BAD_REQUEST
    };
    error(status, text)
}

fn error(status: StatusCode, detail: &str) -> Stop {
    Stop::Refused { status, detail: detail.to_owned() }
}

fn refusal(status: StatusCode, detail: &str) -> Response<Full<Bytes>> {
    let mut object = json!({
        "error": status.as_u16(),
        "message": status.canonical_reason().unwrap_or_default(),
    });
    if !detail.is_empty() {
        object["detail"] = Value::String(detail.to_owned());
    }
    let mut response = body(status, &object);
    if status == StatusCode::UNAUTHORIZED {
        let realm = hyper::header::HeaderValue::from_static("Basic realm=\"mikrotik\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, realm);
    }
    response
}

fn body(status: StatusCode, value: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(value.to_string())));
    *response.status_mut() = status;
    let json = hyper::header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = status;
    response
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match (first, hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            // The star of an id is understood only as itself.
            (b'%', Some(b'*')) => bytes.extend_from_slice(b"%2A"),
            (b'%', Some(byte)) => bytes.push(byte),
            (byte, _) => {
                bytes.push(*byte);
                rest = tail;
                continue;
            }
        }
        rest = &tail[2..];
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn base64_decoded(text: &str) -> Option<Vec<u8>> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut buffer, mut bits) = (0_u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let value = ALPHABET.iter().position(|other| *other == byte)?;
        buffer = (buffer << 6 | u32::try_from(value).ok()?) & 0xFFFF;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(buffer >> bits & 0xFF).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_credentials_and_paths_are_decoded() {
        assert_eq!(base64_decoded("bGFuZ286c2VjcmV0").unwrap(), b"lango:secret");
        assert_eq!(base64_decoded("YQ==").unwrap(), b"a");
        assert_eq!(base64_decoded("!"), None);
        assert_eq!(percent_decoded("/a%20b/*1"), "/a b/*1");
        assert_eq!(percent_decoded("/%2A1"), "/%2A1");
        assert_eq!(percent_decoded("%zz%4"), "%zz%4");
    }
}
