//! Ten thousand requests that nobody in his right mind would send. None of them may break the
//! server, and none may make it tell what is another's.

use super::roles::assert_no_leak;
use super::{Business, House};
use crate::harness::Engine;
use lango_domain::role::Role;
use serde_json::{Value, json};

const REQUESTS: usize = 10_000;

#[tokio::test]
async fn ten_thousand_mutated_requests_break_nothing_and_leak_nothing() {
    let house = House::on(Engine::Sqlite).await;
    let described = house.described().await;
    let document = house.send("GET", "/api/openapi.json", &[], "").await.ok(200);
    let mut dice = fastrand::Rng::with_seed(20_261_121);
    let (mut refused, mut passed) = (0, 0);
    for number in 0..REQUESTS {
        let (method, path, operation) = &described[dice.usize(..described.len())];
        let to = mutated_path(path, operation, &house, &mut dice);
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        let body = match &operation["requestBody"]["content"]["text/csv"] {
            Value::Null => mutated_body(schema, &document, &house, &mut dice),
            _ => mutated_table(&house, &mut dice),
        };
        let headers = mutated_headers(&house, &mut dice);
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = house.send(method, &to, &headers, body.clone()).await;
        let status = answer.status.as_u16();
        let told = || format!("request {number}: {method} {to} {}", String::from_utf8_lossy(&body));
        // Not now, because no router answers, is an answer; a fault is not.
        assert!(status < 500 || status == 503, "{}: {status} {}", told(), answer.text());
        if !(200..300).contains(&status) && status != 503 && answer.status != 304 {
            let kind = answer.headers.get("content-type").map(|kind| kind.as_bytes().to_vec());
            assert_eq!(kind.as_deref(), Some(&b"application/problem+json"[..]), "{}", told());
            refused += 1;
        } else {
            passed += 1;
        }
        // Whoever says it himself is told nothing when he hears it again.
        let said = told();
        let theirs = [&house.theirs.mark, &house.theirs.phone, "zebra-line"];
        if !theirs.into_iter().any(|theirs: &str| said.contains(theirs)) {
            assert_no_leak(&house, &answer, method, &to);
        }
    }
    // A test whose requests are all refused, or all pass, tests little.
    assert!(
        refused > REQUESTS / 10 && passed > REQUESTS / 10,
        "{passed} passed, {refused} refused"
    );
}

fn mutated_headers(house: &House, dice: &mut fastrand::Rng) -> Vec<(&'static str, String)> {
    let role = Role::ALL[dice.usize(..5)];
    let token = match dice.u8(..40) {
        0 => "Bearer".to_owned(),
        1 => format!("Basic {}", house.key(role)),
        _ => format!("Bearer {}", house.key(role)),
    };
    let mut headers = vec![("authorization", token)];
    if dice.u8(..4) == 0 {
        headers.push(("if-match", pick(dice, &["\"1\"", "\"99\"", "*", "W/\"x\"", ""])));
    }
    if dice.u8(..4) == 0 {
        headers.push(("idempotency-key", pick(dice, &["a", "b", "", "\"c\"", &"k".repeat(200)])));
    }
    if dice.u8(..6) == 0 {
        let theirs = house.theirs.tenant.to_string();
        headers.push(("x-lango-tenant", pick(dice, &[&theirs, "t", "nobody", "0"])));
    }
    if dice.u8(..4) == 0 {
        let kinds = ["application/json", "text/csv", "text/plain", "x", ";;;"];
        headers.push(("content-type", pick(dice, &kinds)));
    }
    if dice.u8(..6) == 0 {
        headers.push(("accept", pick(dice, &["text/csv", "*/*", "image/png"])));
    }
    headers
}

fn pick(dice: &mut fastrand::Rng, from: &[&str]) -> String {
    from[dice.usize(..from.len())].to_owned()
}

fn mutated_path(path: &str, operation: &Value, house: &House, dice: &mut fastrand::Rng) -> String {
    let parts = path.split('/').map(|part| match part.strip_prefix('{') {
        Some(name) => id(name.trim_end_matches('}'), house, dice),
        None => part.to_owned(),
    });
    let mut to = parts.collect::<Vec<_>>().join("/");
    let mut sign = '?';
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        if parameter["in"] == "query" && dice.bool() {
            let name = parameter["name"].as_str().unwrap();
            let value = query_value(name, &parameter["schema"], house, dice);
            to.push_str(&format!("{sign}{name}={value}"));
            sign = '&';
        }
    }
    if dice.u8(..20) == 0 {
        to.push_str(&format!("{sign}nonsense={}", dice.u32(..)));
    }
    to
}

fn query_value(name: &str, schema: &Value, house: &House, dice: &mut fastrand::Rng) -> String {
    if let Some(words) = schema["enum"].as_array()
        && dice.bool()
    {
        return words[dice.usize(..words.len())].as_str().unwrap_or_default().to_owned();
    }
    match dice.u8(..6) {
        0 => id(name, house, dice),
        1 => dice.i64(..).to_string(),
        2 => "%00".to_owned(),
        3 => "%F0%9F%A6%93%E2%80%A8".to_owned(),
        4 => "true".to_owned(),
        _ => dice.u8(..).to_string(),
    }
}

/// An id of ours, of theirs, or of nobody.
fn id(name: &str, house: &House, dice: &mut fastrand::Rng) -> String {
    let of = |business: &Business| business.ids.get(name).cloned();
    match dice.u8(..8) {
        0..=3 => of(&house.ours).unwrap_or_else(|| "k0000000000001".to_owned()),
        4 | 5 => of(&house.theirs).unwrap_or_else(|| "g7zzzzzzzzzzzz".to_owned()),
        6 => "%2e%2e%2f".to_owned(),
        _ => pick(dice, &["0", "g", "g7zzzzzzzzzzzz", "%00", "null", "-1", "%F0%9F%A6%93"]),
    }
}

fn mutated_body(
    schema: &Value,
    document: &Value,
    house: &House,
    dice: &mut fastrand::Rng,
) -> Vec<u8> {
    if schema.is_null() {
        return if dice.u8(..10) == 0 { vec![dice.u8(..); 20] } else { Vec::new() };
    }
    let mut value = sample(schema, document, house, dice, 0);
    for _ in 0..dice.u8(..3) {
        mutate(&mut value, dice);
    }
    let mut bytes = serde_json::to_vec(&value).unwrap();
    if dice.u8(..10) == 0 && !bytes.is_empty() {
        let place = dice.usize(..bytes.len());
        bytes[place] = dice.u8(..);
    }
    if dice.u8(..20) == 0 {
        bytes.truncate(dice.usize(..=bytes.len()));
    }
    bytes
}

/// A table of columns that mean something and cells that mostly do not.
fn mutated_table(house: &House, dice: &mut fastrand::Rng) -> Vec<u8> {
    const COLUMNS: [&str; 11] = [
        "kind",
        "plan",
        "login",
        "password",
        "address",
        "phone",
        "customer",
        "router",
        "name",
        "code",
        "paid_until",
    ];
    let columns: Vec<&str> =
        (0..dice.usize(..9)).map(|_| COLUMNS[dice.usize(..COLUMNS.len())]).collect();
    let mut text = columns.join(",");
    for _ in 0..dice.u8(..5) {
        text.push('\n');
        for column in &columns {
            let right = match *column {
                "kind" => "pppoe".to_owned(),
                "plan" => format!("{} Month", house.ours.mark),
                "paid_until" => "2027-01-31".to_owned(),
                "address" => "10.9.9.9".to_owned(),
                "phone" => format!("07{:08}", dice.u32(..100_000_000)),
                _ => format!("n{}", dice.u32(..)),
            };
            let cell = match dice.u8(..8) {
                0 => id("code", house, dice),
                1 => pick(
                    dice,
                    &["", "\"", "\u{1F993}\u{2028}", "=1+1", "\r", "\0", &house.theirs.phone],
                ),
                _ => right,
            };
            text.push_str(&format!("{cell},"));
        }
    }
    let mut bytes = text.into_bytes();
    if dice.u8(..10) == 0 && !bytes.is_empty() {
        let place = dice.usize(..bytes.len());
        bytes[place] = dice.u8(..);
    }
    bytes
}

/// A value that the schema allows, mostly.
fn sample(
    schema: &Value,
    document: &Value,
    house: &House,
    dice: &mut fastrand::Rng,
    depth: u8,
) -> Value {
    if let Some(name) = schema["$ref"].as_str().and_then(|name| name.rsplit('/').next()) {
        return sample(&document["components"]["schemas"][name], document, house, dice, depth);
    }
    for of in ["anyOf", "oneOf"] {
        if let Some(choices) = schema[of].as_array() {
            let choice = &choices[dice.usize(..choices.len())];
            return sample(choice, document, house, dice, depth);
        }
    }
    if let Some(constant) = schema.get("const") {
        return constant.clone();
    }
    if let Some(words) = schema["enum"].as_array() {
        return words[dice.usize(..words.len())].clone();
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds[dice.usize(..kinds.len())].as_str(),
        kind => kind.as_str(),
    };
    match kind {
        Some("object") if depth < 6 => {
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            let mut object = serde_json::Map::new();
            for (name, of) in schema["properties"].as_object().into_iter().flatten() {
                if required.contains(&json!(name)) || dice.u8(..3) == 0 {
                    object.insert(name.clone(), sample(of, document, house, dice, depth + 1));
                }
            }
            Value::Object(object)
        }
        Some("array") => json!([sample(&schema["items"], document, house, dice, depth + 1)]),
        Some("integer" | "number") => json!(dice.i64(1..=1_000)),
        Some("boolean") => json!(dice.bool()),
        Some("null") => Value::Null,
        _ => sample_text(schema, house, dice),
    }
}

fn sample_text(schema: &Value, house: &House, dice: &mut fastrand::Rng) -> Value {
    let pattern = schema["pattern"].as_str().unwrap_or_default();
    let names = ["plan", "customer", "grant", "router", "tenant"];
    let business = if dice.u8(..5) == 0 { &house.theirs } else { &house.ours };
    for name in names {
        let id = &business.ids[name];
        if pattern.starts_with(&format!("^{}[0-7]", &id[..1])) {
            return json!(id);
        }
    }
    match (schema["format"].as_str(), pattern) {
        (Some("date-time"), _) => json!("2027-01-01T00:00:00Z"),
        (Some("date"), _) => json!("2027-01-31"),
        (Some("ipv4"), _) => json!("10.5.50.20"),
        (_, "^[A-Z]{3}$") => json!(pick(dice, &["KES", "KES", "TZS"])),
        _ => json!(pick(dice, &["Anna", "0712345678", "api://127.0.0.1:9", "x@y.example", "a"])),
    }
}

fn mutate(value: &mut Value, dice: &mut fastrand::Rng) {
    match value {
        Value::Object(object) if !object.is_empty() => {
            let keys: Vec<String> = object.keys().cloned().collect();
            let key = &keys[dice.usize(..keys.len())];
            match dice.u8(..5) {
                0 => drop(object.remove(key)),
                1 => drop(object.insert("nonsense".to_owned(), odd(dice))),
                2 => drop(object.insert(key.clone(), odd(dice))),
                _ => object.get_mut(key).into_iter().for_each(|inner| mutate(inner, dice)),
            }
        }
        other => *other = odd(dice),
    }
}

fn odd(dice: &mut fastrand::Rng) -> Value {
    match dice.u8(..12) {
        0 => Value::Null,
        1 => json!(i64::MAX),
        2 => json!(i64::MIN),
        3 => json!(u64::MAX),
        4 => json!(1e308),
        5 => json!("\u{0}"),
        6 => json!("🦓\u{202e}' OR 1=1 --"),
        7 => json!("x".repeat(20_000)),
        8 => json!([[[[[[{}]]]]]]),
        9 => json!({ "by": "pppoe", "rule": "date" }),
        10 => json!(""),
        _ => json!(-1),
    }
}
