//! Doors: every route of the API is declared once, with who may pass, what it takes and what it
//! answers. From the declaration come the check of the role, the reading of the request and the
//! description for programs; a route that is not declared does not exist.

use crate::operations::asked::By;
use crate::web::Entrance;
use crate::web::api::caller::{Caller, Ground};
use crate::web::api::problem::Problem;
use crate::web::api::words::read_json;
use crate::web::listen::client_address::{ClientAddress, Origin};
use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use lango_domain::ids::TenantId;
use lango_domain::role::Permission;
use lango_domain::time::Timestamp;
use schemars::generate::SchemaGenerator;
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// How long a key may be (the draft of Idempotency-Key gives no bound; a key is a UUID).
const LONGEST_KEY: usize = 100;

/// The largest body; a table of customers has some hundred bytes a line.
const LARGEST_BODY: usize = 8 * 1_024 * 1_024;
/// How long a body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// A declared route.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    /// A name that programs may be built on: the operationId.
    pub(crate) name: &'static str,
    pub(crate) tag: &'static str,
    pub(crate) says: &'static str,
    pub(crate) needs: Permission,
    pub(crate) status: StatusCode,
    /// Another status of success that it may answer with.
    pub(crate) or_status: Option<StatusCode>,
    /// Whether it honours Idempotency-Key.
    pub(crate) makes: bool,
    /// Whether it honours If-Match.
    pub(crate) changes: bool,
    pub(crate) list: bool,
    pub(crate) in_a_business: bool,
    /// Whether it needs no token.
    pub(crate) to_guests: bool,
    pub(crate) query: Schema,
    pub(crate) takes: Option<Content>,
    pub(crate) answers: Option<Content>,
}

/// A body, in words of the description.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) kind: &'static str,
    pub(crate) schema: Schema,
}

/// What is said of a door before its types say the rest.
#[derive(Clone, Debug)]
pub(crate) struct Sign {
    method: Method,
    path: &'static str,
    name: &'static str,
    tag: &'static str,
    says: &'static str,
    needs: Permission,
    status: StatusCode,
    or_status: Option<StatusCode>,
    makes: bool,
    changes: bool,
    list: bool,
}

impl Sign {
    fn new(method: Method, path: &'static str, name: &'static str) -> Sign {
        Sign {
            method,
            path,
            name,
            tag: "",
            says: "",
            needs: Permission::Read,
            status: StatusCode::OK,
            or_status: None,
            makes: false,
            changes: false,
            list: false,
        }
    }

    pub(crate) fn get(path: &'static str, name: &'static str) -> Sign {
        Sign::new(Method::GET, path, name)
    }

    /// A list: pages, and all of it as CSV.
    pub(crate) fn list(path: &'static str, name: &'static str) -> Sign {
        Sign { list: true, ..Sign::new(Method::GET, path, name) }
    }

    /// Makes something new: 201, once for each Idempotency-Key.
    pub(crate) fn make(path: &'static str, name: &'static str) -> Sign {
        let sign = Sign::new(Method::POST, path, name);
        Sign { status: StatusCode::CREATED, makes: true, ..sign }
    }

    /// Acts on something there is; honours If-Match.
    pub(crate) fn act(path: &'static str, name: &'static str) -> Sign {
        Sign { changes: true, ..Sign::new(Method::POST, path, name) }
    }

    /// Does something that is no change of one thing.
    pub(crate) fn run(path: &'static str, name: &'static str) -> Sign {
        Sign::new(Method::POST, path, name)
    }

    /// Changes some fields (RFC 7396); honours If-Match.
    pub(crate) fn change(path: &'static str, name: &'static str) -> Sign {
        Sign { changes: true, ..Sign::new(Method::PATCH, path, name) }
    }

    /// Removes something; honours If-Match.
    pub(crate) fn remove(path: &'static str, name: &'static str) -> Sign {
        let sign = Sign::new(Method::DELETE, path, name);
        Sign { status: StatusCode::NO_CONTENT, changes: true, ..sign }
    }

    /// What it is about has no version, so there is nothing that If-Match could expect.
    pub(crate) fn unversioned(self) -> Sign {
        Sign { changes: false, ..self }
    }

    pub(crate) fn about(self, tag: &'static str, says: &'static str) -> Sign {
        Sign { tag, says, ..self }
    }

    /// Answers with another status of success than the usual one.
    pub(crate) fn answers_with(self, status: StatusCode) -> Sign {
        Sign { status, ..self }
    }

    /// May also answer with that status of success.
    pub(crate) fn or(self, status: StatusCode) -> Sign {
        Sign { or_status: Some(status), ..self }
    }

    pub(crate) fn needs(self, needs: Permission) -> Sign {
        Sign { needs, ..self }
    }
}

/// A request that passed: who asks, and all that it says, read and checked.
pub(crate) struct Ask<P = (), Q = NoQuery, B = Nothing, G = TenantId> {
    pub(crate) here: Entrance,
    pub(crate) caller: Caller,
    /// The business; or that it is above all of them.
    pub(crate) ground: G,
    pub(crate) path: P,
    pub(crate) query: Q,
    pub(crate) body: B,
    /// The version that the caller expects (If-Match).
    pub(crate) expected: Option<i64>,
    by: By,
    headers: HeaderMap,
}

impl<P, Q, B, G> Ask<P, Q, B, G> {
    pub(crate) fn by(&self) -> &By {
        &self.by
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.here.app.clock().now()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl<P: Clone, Q: super::table::Paged> Ask<P, Q, Nothing, TenantId> {
    /// The same request for the page that begins at that cursor.
    pub(crate) fn going_on(&self, cursor: Option<String>) -> Self {
        Ask {
            here: self.here.clone(),
            caller: self.caller.clone(),
            ground: self.ground,
            path: self.path.clone(),
            query: self.query.going_on(cursor),
            body: Nothing,
            expected: self.expected,
            by: self.by.clone(),
            headers: self.headers.clone(),
        }
    }
}

impl<P, Q, B> Ask<P, Q, B, TenantId> {
    pub(crate) fn tenant(&self) -> TenantId {
        self.ground
    }
}

/// No parameters.
#[derive(serde::Deserialize, JsonSchema, Debug, Clone)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoQuery {}

/// What a body can be.
pub(crate) trait Taken: Sized + Send + 'static {
    fn content(generator: &mut SchemaGenerator) -> Option<Content>;
    fn read(headers: &HeaderMap, body: Bytes) -> Result<Self, Problem>;
}

/// No body. One that comes all the same is read within the same bounds as any other and thrown away:
/// left unread it would cost the caller his connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nothing;

impl Taken for Nothing {
    fn content(_: &mut SchemaGenerator) -> Option<Content> {
        None
    }

    fn read(_: &HeaderMap, _: Bytes) -> Result<Nothing, Problem> {
        Ok(Nothing)
    }
}

/// A JSON body.
#[derive(Debug, Clone)]
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned + JsonSchema + Send + 'static> Taken for Json<T> {
    fn content(generator: &mut SchemaGenerator) -> Option<Content> {
        Some(Content { kind: "application/json", schema: generator.subschema_for::<T>() })
    }

    fn read(headers: &HeaderMap, body: Bytes) -> Result<Json<T>, Problem> {
        must_be(headers, &["application/json", "application/merge-patch+json"])?;
        read_json(&body).map(Json)
    }
}

/// A table as text: CSV.
#[derive(Debug, Clone)]
pub(crate) struct Csv(pub(crate) Bytes);

impl Taken for Csv {
    fn content(_: &mut SchemaGenerator) -> Option<Content> {
        Some(Content { kind: "text/csv", schema: schemars::json_schema!({ "type": "string" }) })
    }

    fn read(headers: &HeaderMap, body: Bytes) -> Result<Csv, Problem> {
        must_be(headers, &["text/csv", "text/plain"])?;
        Ok(Csv(body))
    }
}

/// No type at all is taken for the right one, as curl's users expect of `-d`: it sends its own.
fn must_be(headers: &HeaderMap, kinds: &[&'static str]) -> Result<(), Problem> {
    const CURL: &str = "application/x-www-form-urlencoded";
    let Some(said) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let said = said.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let is_one = kinds.iter().any(|kind| said.eq_ignore_ascii_case(kind));
    if is_one || said.is_empty() || said == CURL {
        Ok(())
    } else {
        Err(Problem::wrong_type(kinds[0]))
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply<A> {
    body: Option<A>,
    status: Option<StatusCode>,
    version: Option<i64>,
    location: Option<String>,
}

impl<A> Reply<A> {
    pub(crate) fn ok(body: A) -> Reply<A> {
        Reply { body: Some(body), status: None, version: None, location: None }
    }

    /// What is answered.
    pub(crate) fn into_body(self) -> Option<A> {
        self.body
    }

    /// With the version that a change may expect.
    pub(crate) fn version(self, version: i64) -> Reply<A> {
        Reply { version: Some(version), ..self }
    }

    /// Where the new thing is.
    pub(crate) fn at(self, location: String) -> Reply<A> {
        Reply { location: Some(location), ..self }
    }

    /// Another status than the usual one.
    pub(crate) fn status(self, status: StatusCode) -> Reply<A> {
        Reply { status: Some(status), ..self }
    }
}

impl<T> Reply<super::list::Page<T>> {
    /// The page itself.
    pub(crate) fn into_page(self) -> super::list::Page<T> {
        self.body.unwrap_or(super::list::Page { items: Vec::new(), next: None })
    }
}

impl Reply<()> {
    pub(crate) fn nothing() -> Reply<()> {
        Reply { body: None, status: None, version: None, location: None }
    }
}

/// What a handler may answer with.
pub(crate) trait Answered: Send + 'static {
    fn content(generator: &mut SchemaGenerator) -> Option<Content>;
    fn answer(self, status: StatusCode) -> Response;
}

impl Answered for Reply<()> {
    fn content(_: &mut SchemaGenerator) -> Option<Content> {
        None
    }

    fn answer(self, status: StatusCode) -> Response {
        self.status.unwrap_or(status).into_response()
    }
}

/// A value that goes out as JSON. `()` is not one: it has its own answer.
pub(crate) trait Shown: Serialize + JsonSchema + Send + 'static {}

impl<A: Shown> Answered for Reply<A> {
    fn content(generator: &mut SchemaGenerator) -> Option<Content> {
        Some(Content { kind: "application/json", schema: generator.subschema_for::<A>() })
    }

    fn answer(self, status: StatusCode) -> Response {
        let Ok(body) = serde_json::to_vec(&self.body) else {
            return Problem::ours().into_response();
        };
        let mut response = (self.status.unwrap_or(status), body).into_response();
        let headers = response.headers_mut();
        const TYPE: HeaderValue = HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, TYPE);
        if let Some(version) = self.version
            && let Ok(tag) = HeaderValue::from_str(&format!("\"{version}\""))
        {
            headers.insert(header::ETAG, tag);
        }
        if let Some(location) = self.location
            && let Ok(location) = HeaderValue::from_str(&location)
        {
            headers.insert(header::LOCATION, location);
        }
        response
    }
}

/// An answer that is no JSON document: a stream of events, a table.
pub(crate) struct Raw {
    pub(crate) response: Response,
}

/// Says what a raw answer is.
pub(crate) struct RawKind(pub(crate) &'static str);

impl IntoResponse for Raw {
    fn into_response(self) -> Response {
        self.response
    }
}

/// The doors, declared and open.
pub(crate) struct Doors {
    pub(crate) list: Vec<Door>,
    pub(crate) generator: SchemaGenerator,
    pub(crate) router: axum::Router<Entrance>,
}

impl Doors {
    pub(crate) fn new() -> Doors {
        let mut settings = schemars::generate::SchemaSettings::draft2020_12();
        settings.definitions_path = "/components/schemas".into();
        let generator = settings.into_generator();
        Doors { list: Vec::new(), generator, router: axum::Router::new() }
    }

    /// Declares and opens a door.
    pub(crate) fn open<P, Q, B, G, A, H, F>(&mut self, sign: Sign, handle: H)
    where
        P: DeserializeOwned + Send + 'static,
        Q: DeserializeOwned + JsonSchema + Send + 'static,
        B: Taken,
        G: Ground,
        A: Answered,
        H: Fn(Ask<P, Q, B, G>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<A, Problem>> + Send + 'static,
    {
        let answers = A::content(&mut self.generator);
        let door = self.declare::<Q, B, G>(&sign, answers);
        let (needs, status, makes) = (door.needs, door.status, door.makes);
        let open = move |State(here): State<Entrance>, request: Request| {
            let handle = handle.clone();
            async move {
                match pass::<P, Q, B, G>(here, request, needs, makes).await {
                    Ok(ask) => {
                        let left = ask.caller.left;
                        with_limit(answer(handle(ask).await, status), left)
                    }
                    Err(problem) => problem.into_response(),
                }
            }
        };
        self.hang(door, open);
    }

    /// Declares and opens a door whose answer is not JSON.
    pub(crate) fn open_raw<P, Q, B, G, H, F>(&mut self, sign: Sign, kind: RawKind, handle: H)
    where
        P: DeserializeOwned + Send + 'static,
        Q: DeserializeOwned + JsonSchema + Send + 'static,
        B: Taken,
        G: Ground,
        H: Fn(Ask<P, Q, B, G>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Raw, Problem>> + Send + 'static,
    {
        let schema = schemars::json_schema!({ "type": "string" });
        let door = self.declare::<Q, B, G>(&sign, Some(Content { kind: kind.0, schema }));
        let (needs, makes) = (door.needs, door.makes);
        let open = move |State(here): State<Entrance>, request: Request| {
            let handle = handle.clone();
            async move {
                match pass::<P, Q, B, G>(here, request, needs, makes).await {
                    Ok(ask) => {
                        let left = ask.caller.left;
                        with_limit(handle(ask).await.into_response(), left)
                    }
                    Err(problem) => problem.into_response(),
                }
            }
        };
        self.hang(door, open);
    }

    fn declare<Q: JsonSchema, B: Taken, G: Ground>(
        &mut self,
        sign: &Sign,
        answers: Option<Content>,
    ) -> Door {
        Door {
            method: sign.method.clone(),
            path: sign.path,
            name: sign.name,
            tag: sign.tag,
            says: sign.says,
            needs: sign.needs,
            status: sign.status,
            or_status: sign.or_status,
            makes: sign.makes,
            changes: sign.changes,
            list: sign.list,
            in_a_business: G::IN_A_BUSINESS,
            to_guests: false,
            query: inlined::<Q>(),
            takes: B::content(&mut self.generator),
            answers,
        }
    }

    fn hang<H, T>(&mut self, door: Door, handler: H)
    where
        H: axum::handler::Handler<T, Entrance>,
        T: 'static,
    {
        // Only methods of ours are declared; each of them has a filter.
        let filter = MethodFilter::try_from(door.method.clone()).unwrap_or(MethodFilter::GET);
        let route: MethodRouter<Entrance> = on(filter, handler);
        self.router = std::mem::take(&mut self.router).route(door.path, route);
        self.list.push(door);
    }
}

/// The schema of a query, with nothing to be looked up elsewhere.
fn inlined<Q: JsonSchema>() -> Schema {
    let mut settings = schemars::generate::SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    settings.into_generator().into_root_schema_for::<Q>()
}

fn answer<A: Answered>(outcome: Result<A, Problem>, status: StatusCode) -> Response {
    match outcome {
        Ok(reply) => reply.answer(status),
        Err(problem) => problem.into_response(),
    }
}

/// How many requests are left (draft-ietf-httpapi-ratelimit-headers).
fn with_limit(mut response: Response, left: u32) -> Response {
    if let Ok(value) = HeaderValue::from_str(&format!("\"token\";r={left}")) {
        response.headers_mut().insert("ratelimit", value);
    }
    response
}

/// Reads a request, in the order in which a caller wants to know what is wrong: who he is, what he
/// may, then what he wrote.
async fn pass<P, Q, B, G>(
    here: Entrance,
    request: Request,
    needs: Permission,
    makes: bool,
) -> Result<Ask<P, Q, B, G>, Problem>
where
    P: DeserializeOwned + Send,
    Q: DeserializeOwned,
    B: Taken,
    G: Ground,
{
    let (mut parts, body) = request.into_parts();
    let caller = Caller::of(&here, &parts.headers, origin(&parts)).await?;
    caller.needs(needs)?;
    let ground = G::of(&caller)?;
    let path = path(&mut parts).await?;
    let query = query(&parts)?;
    let expected = expected(&parts.headers)?;
    let bytes = whole(body).await?;
    let by = by(&caller, &parts, &bytes, makes)?;
    let body = B::read(&parts.headers, bytes)?;
    let headers = parts.headers;
    Ok(Ask { here, caller, ground, path, query, body, expected, by, headers })
}

/// An id that cannot be read names nothing.
async fn path<P: DeserializeOwned + Send>(parts: &mut Parts) -> Result<P, Problem> {
    let read = Path::<P>::from_request_parts(parts, &()).await;
    read.map(|Path(path)| path).map_err(|_| Problem::missing("thing"))
}

fn query<Q: DeserializeOwned>(parts: &Parts) -> Result<Q, Problem> {
    let text = parts.uri.query().unwrap_or_default();
    serde_urlencoded::from_str(text)
        .map_err(|error| Problem::unreadable(format!("the query: {error}")).at("?"))
}

/// The version in `If-Match: "12"`.
fn expected(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let Some(said) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let said = said.to_str().unwrap_or_default().trim();
    if said == "*" {
        return Ok(None);
    }
    let inside = said.strip_prefix('"').and_then(|said| said.strip_suffix('"'));
    let version = inside.and_then(|digits| digits.parse().ok());
    let refused = || Problem::unreadable("If-Match must be the ETag of an answer").at("if-match");
    version.map(Some).ok_or_else(refused)
}

/// From where somebody asks, as the listener found out.
fn origin(parts: &Parts) -> Origin {
    parts.extensions.get::<ClientAddress>().copied().unwrap_or_default().0.into()
}

/// The whole body: not too large, and not drop by drop.
async fn whole(body: Body) -> Result<Bytes, Problem> {
    use http_body_util::{BodyExt, LengthLimitError, Limited};
    let collect = Limited::new(body, LARGEST_BODY).collect();
    match tokio::time::timeout(BODY_TIMEOUT, collect).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::too_large()),
        Ok(Err(_)) => Err(Problem::unreadable("the body broke off")),
        Err(_) => Err(Problem::too_slow()),
    }
}

/// Who asks, and by which key he may ask again. What he asks for is told by method, path and body.
fn by(caller: &Caller, parts: &Parts, body: &Bytes, makes: bool) -> Result<By, Problem> {
    let by = caller.by();
    let Some(key) = parts.headers.get("idempotency-key").filter(|_| makes) else { return Ok(by) };
    let refused = || {
        let detail = format!("Idempotency-Key must be 1 to {LONGEST_KEY} signs of ASCII");
        Problem::unreadable(detail).at("idempotency-key")
    };
    let key = key.to_str().map_err(|_| refused())?.trim().trim_matches('"');
    if key.is_empty() || key.len() > LONGEST_KEY {
        return Err(refused());
    }
    let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
    let tenant = parts.headers.get(super::caller::TENANT_HEADER).map(HeaderValue::as_bytes);
    for part in [
        parts.method.as_str().as_bytes(),
        parts.uri.path().as_bytes(),
        tenant.unwrap_or_default(),
        body,
    ] {
        digest.update(&(part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    Ok(by.with_key(caller.token().id, key, digest.finish().as_ref().to_vec()))
}

/// A request of somebody without a token, at a business.
pub(crate) struct Guest<B> {
    pub(crate) here: Entrance,
    pub(crate) tenant: TenantId,
    pub(crate) from: Origin,
    pub(crate) body: B,
}

impl Doors {
    /// Declares and opens a door that needs no token.
    pub(crate) fn open_to_guests<B, A, H, F>(&mut self, sign: Sign, handle: H)
    where
        B: DeserializeOwned + JsonSchema + Send + 'static,
        A: Answered,
        H: Fn(Guest<B>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<A, Problem>> + Send + 'static,
    {
        let answers = A::content(&mut self.generator);
        let door = self.declare::<NoQuery, Json<B>, TenantId>(&sign, answers);
        let door = Door { to_guests: true, ..door };
        let status = door.status;
        let open = move |State(here): State<Entrance>, request: Request| {
            let handle = handle.clone();
            async move {
                match guest(here, request).await {
                    Ok(guest) => answer(handle(guest).await, status),
                    Err(problem) => problem.into_response(),
                }
            }
        };
        self.hang(door, open);
    }
}

async fn guest<B>(here: Entrance, request: Request) -> Result<Guest<B>, Problem>
where
    B: DeserializeOwned + JsonSchema + Send + 'static,
{
    let (parts, body) = request.into_parts();
    let from = origin(&parts);
    if let super::rate::Taken::Wait(seconds) =
        here.limits.guests.take(from, std::time::Instant::now())
    {
        return Err(Problem::too_many(seconds, "too many requests from here: wait a little"));
    }
    let tenant = super::caller::business_of_guest(&here, &parts.headers).await?;
    query::<NoQuery>(&parts)?;
    let Json(body) = Json::<B>::read(&parts.headers, whole(body).await?)?;
    Ok(Guest { here, tenant, from, body })
}
