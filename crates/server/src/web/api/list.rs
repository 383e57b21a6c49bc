//! Lists: pages that follow one another by a cursor, however many rows there are and whatever
//! changes meanwhile. A page looks at a bounded number of rows, so no filter can make it slow; it
//! may therefore come out short, and the cursor goes on where it stopped.

use crate::web::api::problem::Problem;
use crate::web::api::words::Whole;
use lango_store::{Error, Order};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// How many rows a page has unless somebody asks for another number.
const USUAL: usize = 50;
/// How many rows one page looks at.
const MOST_READ: usize = 5_000;
/// How many rows are read at once when some of them are left out.
const CHUNK: usize = 500;

/// How many rows a page may have.
pub(crate) type Limit = Whole<1, 500>;

/// One page of a list.
#[derive(Serialize, JsonSchema, Debug)]
#[schemars(rename = "{T}Page")]
pub(crate) struct Page<T> {
    /// The rows
    pub(crate) items: Vec<T>,
    /// What to send as `cursor` for the rows that follow; null if there are none
    pub(crate) next: Option<String>,
}

impl<T: Serialize + JsonSchema + Send + 'static> super::door::Shown for Page<T> {}

/// Where a page begins and how long it is.
#[derive(Debug, Clone)]
pub(crate) struct Place<K> {
    pub(crate) order: Order,
    pub(crate) from: Option<K>,
    pub(crate) limit: usize,
    /// The list and order that its cursors belong to.
    kind: &'static str,
}

impl<K: DeserializeOwned + Serialize> Place<K> {
    /// Reads where a page begins.
    ///
    /// # Errors
    /// The cursor is not of this list in this order.
    pub(crate) fn read(
        kind: &'static str,
        order: Order,
        limit: Option<Limit>,
        cursor: Option<&str>,
    ) -> Result<Place<K>, Problem> {
        let limit = limit.map_or(USUAL, |Whole(limit)| limit as usize);
        let from = cursor.map(|text| read_cursor(kind, order, text)).transpose()?;
        Ok(Place { order, from, limit, kind })
    }

    /// The page that these rows make; `next` is where the following one begins.
    pub(crate) fn page<T>(&self, items: Vec<T>, next: Option<K>) -> Page<T> {
        let next = next.map(|key| write_cursor(self.kind, self.order, &key));
        Page { items, next }
    }
}

#[derive(Serialize, Deserialize)]
struct Cursor<'c, K> {
    list: std::borrow::Cow<'c, str>,
    down: bool,
    key: K,
}

fn write_cursor<K: Serialize>(kind: &str, order: Order, key: &K) -> String {
    let cursor = Cursor { list: kind.into(), down: order == Order::Descending, key };
    // Keys are numbers and text: serialising cannot fail.
    let json = serde_json::to_vec(&cursor).unwrap_or_default();
    json.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read_cursor<K: DeserializeOwned>(kind: &str, order: Order, text: &str) -> Result<K, Problem> {
    let refused = || {
        Problem::unreadable("this cursor is not of this list in this order: begin without one")
            .at("cursor")
    };
    let json = unhex(text).ok_or_else(refused)?;
    let cursor: Cursor<'_, K> = serde_json::from_slice(&json).map_err(|_| refused())?;
    if cursor.list != kind || cursor.down != (order == Order::Descending) {
        return Err(refused());
    }
    Ok(cursor.key)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) || text.len() > 4_000 {
        return None;
    }
    let digits = text.as_bytes().chunks_exact(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.map(byte).collect()
}

/// Reads rows from a place on, leaves out those that `keep` does not want, and stops when the page
/// is full, nothing is left, or enough was looked at. Returns where to go on.
///
/// # Errors
/// A fault of the store.
pub(crate) async fn walk<R, K: Clone, F: Future<Output = Result<Vec<R>, Error>>>(
    place: &Place<K>,
    keeps_all: bool,
    read: impl Fn(Option<K>, i64) -> F,
    key: impl Fn(&R) -> K,
    keep: impl Fn(&R) -> bool,
) -> Result<(Vec<R>, Option<K>), Error> {
    let (mut kept, mut from, mut looked_at) = (Vec::new(), place.from.clone(), 0);
    loop {
        // One more than needed tells whether there are more.
        let ask = if keeps_all { place.limit + 1 - kept.len() } else { CHUNK };
        let rows = read(from.clone(), ask as i64).await?;
        let is_last = rows.len() < ask;
        looked_at += rows.len();
        for row in rows {
            if kept.len() == place.limit {
                // This one is of the next page, which begins after the one before it.
                return Ok((kept, from));
            }
            from = Some(key(&row));
            if keep(&row) {
                kept.push(row);
            }
        }
        if is_last {
            return Ok((kept, None));
        }
        if looked_at >= MOST_READ {
            return Ok((kept, from));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers from 1 to 20,000 as a table has them.
    async fn numbers(from: Option<i64>, limit: i64) -> Result<Vec<i64>, Error> {
        let first = from.unwrap_or(0) + 1;
        Ok((first..=20_000).take(limit as usize).collect())
    }

    fn place(from: Option<i64>, limit: usize) -> Place<i64> {
        Place { order: Order::Ascending, from, limit, kind: "numbers" }
    }

    async fn all(limit: usize, keep: impl Fn(&i64) -> bool) -> (Vec<i64>, usize) {
        let (mut from, mut found, mut pages) = (None, Vec::new(), 0);
        loop {
            let place = place(from, limit);
            let (rows, next) = walk(&place, false, numbers, |n| *n, &keep).await.unwrap();
            assert!(rows.len() <= limit);
            found.extend(rows);
            pages += 1;
            match next {
                Some(next) => from = Some(next),
                None => return (found, pages),
            }
        }
    }

    #[tokio::test]
    async fn pages_put_together_are_the_list() {
        let (found, _) = all(70, |_| true).await;
        assert!(found.into_iter().eq(1..=20_000));
        let (found, _) = all(3, |number| number % 700 == 0).await;
        assert!(found.into_iter().eq((1..=20_000).filter(|n| n % 700 == 0)));
    }

    #[tokio::test]
    async fn a_filter_that_finds_nothing_still_ends_and_in_bounded_steps() {
        let (found, pages) = all(50, |_| false).await;
        assert_eq!((found.len(), pages), (0, 20_000 / MOST_READ + 1));
    }

    #[tokio::test]
    async fn an_exact_page_has_no_next() {
        let last = place(Some(19_950), 50);
        let (rows, next) = walk(&last, true, numbers, |n| *n, |_| true).await.unwrap();
        assert_eq!((rows.len(), next), (50, None));
        let more = place(Some(19_949), 50);
        let (rows, next) = walk(&more, true, numbers, |n| *n, |_| true).await.unwrap();
        assert_eq!((rows.len(), next), (50, Some(19_999)));
    }

    #[test]
    fn a_cursor_of_another_list_is_refused() {
        let place = Place::<(String, i64)>::read("a", Order::Ascending, None, None).unwrap();
        let page = place.page(vec![1], Some(("Änna".to_owned(), 7)));
        let cursor = page.next.unwrap();
        let read = |kind, order| {
            Place::<(String, i64)>::read(kind, order, None, Some(&cursor)).map(|place| place.from)
        };
        assert_eq!(read("a", Order::Ascending).unwrap(), Some(("Änna".to_owned(), 7)));
        assert!(read("b", Order::Ascending).is_err());
        assert!(read("a", Order::Descending).is_err());
        for wrong in ["", "zz", "7b", "ü", "7b7d"] {
            let read = Place::<i64>::read("a", Order::Ascending, None, Some(wrong));
            assert!(read.is_err(), "{wrong}");
        }
    }
}
