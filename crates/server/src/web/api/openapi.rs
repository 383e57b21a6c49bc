//! The description of the API for programs (OpenAPI 3.1), made from the doors themselves: what is
//! not true of a door cannot stand here.

use crate::web::api::door::{Content, Door, Doors};
use crate::web::api::problem::Told;
use axum::http::{Method, StatusCode};
use lango_domain::ids::{
    ActivityId, CustomerId, DeliveryId, GrantId, JobId, PlanId, RouterId, SessionId, TaskId,
    TenantId, TokenId, WebhookId,
};
use lango_domain::mac_address::MacAddress;
use lango_domain::role::Role;
use schemars::{JsonSchema, schema_for};
use serde_json::{Map, Value, json};

const ABOUT: &str = "\
Everything that Lango can do, for programs.

Times are RFC 3339 in UTC, lengths of time are whole seconds, money is in the currency's smallest
unit. Lists page by `cursor`; a page may be short and the list still go on, as long as `next` is not
null. With `Accept: text/csv` a list answers with all of its rows as a table.

A POST that makes something may be repeated with the same `Idempotency-Key`: it makes nothing twice,
whatever broke in between. A change may say in `If-Match` which `ETag` it expects.

Errors are RFC 9457. A path that does not know a method answers 405, with the methods that it knows in
`Allow`.";

/// The document.
pub(crate) fn document(doors: &mut Doors) -> Value {
    let problem = doors.generator.subschema_for::<Told>();
    let mut paths: Map<String, Value> = Map::new();
    for door in &doors.list {
        let path = paths.entry(door.path).or_insert_with(|| json!({}));
        path[door.method.as_str().to_ascii_lowercase()] = operation(door);
    }
    for (path, says, kind) in [
        ("/healthz", "Whether the process is alive", "text/plain; charset=utf-8"),
        ("/readyz", "Whether it can work", "text/plain; charset=utf-8"),
        ("/metrics", "Its numbers, for Prometheus", METRICS),
        ("/api/openapi.json", "This document", "application/json"),
    ] {
        paths.insert(path.to_owned(), json!({ "get": unguarded(path, says, kind) }));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Lango",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "security": [{ "token": [] }, { "admin": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer" },
                "admin": { "type": "apiKey", "in": "header", "name": "X-Admin-Token" },
            },
            "schemas": doors.generator.take_definitions(true),
            "responses": { "Problem": {
                "description": "It did not work, and why",
                "content": { "application/problem+json": { "schema": problem } },
            } },
        },
    })
}

const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

fn unguarded(path: &str, says: &str, kind: &str) -> Value {
    let name = path.trim_start_matches("/api/").trim_matches('/').replace(['.', '/'], "_");
    let content = json!({ kind: { "schema": {} } });
    let mut responses = json!({ "200": { "description": "So it is", "content": content } });
    if path == "/readyz" {
        responses["503"] = json!({ "description": "Not yet", "content": content });
    }
    json!({
        "operationId": name, "summary": says, "tags": ["server"], "security": [],
        "responses": responses,
    })
}

fn operation(door: &Door) -> Value {
    let may: Vec<&str> =
        Role::ALL.into_iter().filter(|role| role.may(door.needs)).map(Role::word).collect();
    let mut operation = json!({
        "operationId": door.name,
        "summary": door.says,
        "tags": [door.tag],
        "x-lango-permission": door.needs.word(),
        "x-lango-roles": may,
        "parameters": parameters(door),
        "responses": responses(door),
    });
    if door.to_guests {
        operation["security"] = json!([]);
        operation["x-lango-roles"] = json!([]);
    }
    if let Some(Content { kind, schema }) = &door.takes {
        operation["requestBody"] =
            json!({ "required": true, "content": { *kind: { "schema": schema } } });
    }
    operation
}

fn parameters(door: &Door) -> Vec<Value> {
    let mut all: Vec<Value> = in_path(door.path).map(path_parameter).collect();
    all.extend(query_parameters(door));
    let mut header = |name: &str, says: &str, schema: Value| {
        all.push(json!({ "name": name, "in": "header", "description": says, "schema": schema }));
    };
    if door.in_a_business {
        let says = "Which business, for a token above all of them; others need not send it";
        header("X-Lango-Tenant", says, look::<TenantId>());
    }
    if door.makes {
        let says = "The same key again makes nothing again";
        let schema = json!({ "type": "string", "pattern": "^[!#-~]{1,100}$" });
        header("Idempotency-Key", says, schema);
    }
    if door.changes {
        let schema = json!({ "type": "string", "pattern": "^\"[0-9]{1,18}\"$" });
        header("If-Match", "The ETag that it must still have", schema);
    }
    all
}

fn in_path(path: &'static str) -> impl Iterator<Item = &'static str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

/// A part of a path is called like the thing that it names.
fn path_parameter(name: &'static str) -> Value {
    let schema = match name {
        "activity" => look::<ActivityId>(),
        "customer" => look::<CustomerId>(),
        "delivery" => look::<DeliveryId>(),
        "grant" | "voucher" | "service" => look::<GrantId>(),
        "job" => look::<JobId>(),
        "plan" => look::<PlanId>(),
        "router" => look::<RouterId>(),
        "session" => look::<SessionId>(),
        "task" => look::<TaskId>(),
        "tenant" => look::<TenantId>(),
        "token" => look::<TokenId>(),
        "webhook" => look::<WebhookId>(),
        "mac" => look::<MacAddress>(),
        _ => json!({ "type": "string" }),
    };
    json!({ "name": name, "in": "path", "required": true, "schema": schema })
}

fn look<T: JsonSchema>() -> Value {
    let mut schema = schema_for!(T).to_value();
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("$schema");
        schema.remove("title");
    }
    schema
}

fn query_parameters(door: &Door) -> Vec<Value> {
    let required: Vec<&str> = door
        .query
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let properties = door.query.get("properties").and_then(Value::as_object);
    properties
        .into_iter()
        .flatten()
        .map(|(name, schema)| {
            let mut schema = without_null(schema.clone());
            let says = schema.as_object_mut().and_then(|schema| schema.remove("description"));
            json!({
                "name": name, "in": "query", "required": required.contains(&name.as_str()),
                "description": says.unwrap_or_default(), "schema": schema,
            })
        })
        .collect()
}

/// A parameter that is left out is none; there is no null in a query.
fn without_null(mut schema: Value) -> Value {
    if let Some(kinds) = schema.get("type").and_then(Value::as_array) {
        let mut kinds: Vec<Value> =
            kinds.iter().filter(|kind| kind.as_str() != Some("null")).cloned().collect();
        if kinds.len() == 1 {
            schema["type"] = kinds.remove(0);
        }
    }
    if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        words.retain(|word| !word.is_null());
    }
    let of = schema.get("anyOf").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut some = of.into_iter().filter(|one| one.get("type") != Some(&json!("null")));
    match (some.next(), some.next()) {
        (Some(mut only), None) => {
            if let Some(says) = schema.get("description") {
                only["description"] = says.clone();
            }
            only
        }
        _ => schema,
    }
}

fn responses(door: &Door) -> Value {
    let mut all = json!({});
    all[door.status.as_str()] = success(door);
    if let Some(status) = door.or_status {
        all[status.as_str()] = success(door);
    }
    let mut problem = |status: StatusCode| {
        all[status.as_str()] = json!({ "$ref": "#/components/responses/Problem" });
    };
    // A body is read where none is wanted, too: it can be too slow or too large everywhere.
    for status in [400, 401, 403, 404, 408, 413, 429, 500, 503] {
        problem(StatusCode::from_u16(status).unwrap_or_default());
    }
    if door.takes.is_some() {
        problem(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    if door.method != Method::GET {
        for status in [StatusCode::CONFLICT, StatusCode::UNPROCESSABLE_ENTITY] {
            problem(status);
        }
    }
    if door.changes {
        problem(StatusCode::PRECONDITION_FAILED);
    }
    all
}

fn success(door: &Door) -> Value {
    let mut headers = json!({});
    if door.makes {
        headers["Location"] =
            json!({ "description": "Where it is", "schema": { "type": "string" } });
    }
    if !door.to_guests {
        headers["RateLimit"] = json!({
            "description": "How many requests are left to the token",
            "schema": { "type": "string" },
        });
    }
    if door.changes && door.answers.is_some() {
        headers["ETag"] = json!({ "description": "Its version", "schema": { "type": "string" } });
    }
    let mut success = json!({ "description": "Done", "headers": headers });
    if let Some(Content { kind, schema }) = &door.answers {
        success["content"] = json!({ *kind: { "schema": schema } });
        if door.list {
            success["content"]["text/csv; charset=utf-8"] =
                json!({ "schema": { "type": "string" } });
        }
    }
    success
}
