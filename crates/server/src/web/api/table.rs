//! A list as a table of text (RFC 4180): all of its pages, one after the other, while they are read.

use crate::sheet;
use crate::web::api::door::{Answered, Ask, Content, Doors, NoQuery, Nothing, Reply, Sign};
use crate::web::api::list::Page;
use crate::web::api::problem::Problem;
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use lango_domain::ids::TenantId;
use schemars::JsonSchema;
use schemars::generate::SchemaGenerator;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A query of a list: where its next page begins, and how long pages are.
pub(crate) trait Paged: Clone + Send + Sync + 'static {
    /// The same query, for the page that begins at that cursor, as long as pages may be.
    fn going_on(&self, cursor: Option<String>) -> Self;
}

/// A page as JSON, or all rows as a table.
pub(crate) enum Listed<T> {
    Page(Reply<Page<T>>),
    Table(Response),
}

impl<T: Serialize + JsonSchema + Send + 'static> Answered for Listed<T> {
    fn content(generator: &mut SchemaGenerator) -> Option<Content> {
        <Reply<Page<T>> as Answered>::content(generator)
    }

    fn answer(self, status: StatusCode) -> Response {
        match self {
            Listed::Page(reply) => reply.answer(status),
            Listed::Table(response) => response,
        }
    }
}

impl Doors {
    /// Declares and opens a list.
    pub(crate) fn open_list<P, Q, T, H, F>(&mut self, sign: Sign, handle: H)
    where
        P: DeserializeOwned + Clone + Send + Sync + 'static,
        Q: DeserializeOwned + JsonSchema + Paged,
        T: Serialize + JsonSchema + Send + 'static,
        H: Fn(Ask<P, Q, Nothing, TenantId>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Reply<Page<T>>, Problem>> + Send + 'static,
    {
        let columns = columns::<T>();
        self.open(sign, move |ask: Ask<P, Q, Nothing, TenantId>| {
            let (handle, columns) = (handle.clone(), columns.clone());
            async move {
                if wants_table(&ask) {
                    table(ask, handle, columns).await.map(Listed::Table)
                } else {
                    handle(ask).await.map(Listed::Page)
                }
            }
        });
    }
}

fn wants_table<P, Q>(ask: &Ask<P, Q, Nothing, TenantId>) -> bool {
    ask.header("accept").is_some_and(|accept| accept.contains("text/csv"))
}

/// The first page is read before the answer begins, so that a refusal is still a refusal; one that
/// fails later breaks the answer off, which no reader takes for its end.
async fn table<P, Q, T, H, F>(
    ask: Ask<P, Q, Nothing, TenantId>,
    handle: H,
    columns: Vec<String>,
) -> Result<Response, Problem>
where
    P: Clone + Send + Sync + 'static,
    Q: Paged,
    T: Serialize + Send + 'static,
    H: Fn(Ask<P, Q, Nothing, TenantId>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Reply<Page<T>>, Problem>> + Send + 'static,
{
    let first = handle(ask.going_on(None)).await?.into_page();
    let begin = Bytes::from(sheet::table(&first.items, &columns));
    let begin = stream::iter([Ok::<_, std::io::Error>(begin)]);
    let rest = stream::try_unfold(first.next, move |next| {
        let (handle, columns) = (handle.clone(), columns.clone());
        let ask = next.map(|cursor| ask.going_on(Some(cursor)));
        async move {
            let Some(ask) = ask else { return Ok::<_, std::io::Error>(None) };
            let page =
                handle(ask).await.map_err(|_| std::io::Error::other("the list broke off"))?;
            let page = page.into_page();
            Ok(Some((Bytes::from(sheet::lines(&page.items, &columns)), page.next)))
        }
    });
    let body = Body::from_stream(futures_util::StreamExt::chain(begin, rest));
    const TYPE: HeaderValue = HeaderValue::from_static("text/csv; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, TYPE)], body).into_response())
}

/// The columns of a row, as its schema has them; what is nested stands as `price_amount`.
fn columns<T: JsonSchema>() -> Vec<String> {
    let mut settings = schemars::generate::SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    let schema = settings.into_generator().into_root_schema_for::<T>();
    let mut found = Vec::new();
    gather(schema.as_value(), "", &mut found);
    found
}

fn gather(schema: &Value, prefix: &str, found: &mut Vec<String>) {
    let one_of = schema.get("anyOf").and_then(Value::as_array);
    let object = one_of.and_then(|of| of.iter().find(|one| one.get("properties").is_some()));
    let properties = object.unwrap_or(schema).get("properties").and_then(Value::as_object);
    match properties {
        Some(properties) => {
            for (name, schema) in properties {
                let name =
                    if prefix.is_empty() { name.clone() } else { format!("{prefix}_{name}") };
                gather(schema, &name, found);
            }
        }
        None => found.push(prefix.to_owned()),
    }
}

impl Paged for NoQuery {
    fn going_on(&self, _: Option<String>) -> NoQuery {
        NoQuery {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lango_domain::money::{Currency, Money};

    #[derive(Serialize, JsonSchema)]
    struct Row {
        name: String,
        price: Money,
        note: Option<String>,
    }

    #[test]
    fn nested_values_are_columns_of_their_own_and_formulas_are_text() {
        let price = Money::new(-50, Currency::KES);
        let rows = [
            Row { name: "=HYPERLINK(1)".to_owned(), price, note: None },
            Row { name: "a, \"b\"".to_owned(), price, note: Some("x".to_owned()) },
        ];
        let columns = columns::<Row>();
        assert_eq!(columns, ["name", "price_amount", "price_currency", "note"]);
        let text = sheet::lines(&rows, &columns);
        assert_eq!(text, "'=HYPERLINK(1),-50,KES,\r\n\"a, \"\"b\"\"\",-50,KES,x\r\n");
    }
}
