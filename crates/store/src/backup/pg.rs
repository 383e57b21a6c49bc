//! PostgreSQL: every table by COPY in one snapshot, and back in one transaction.

use std::collections::HashSet;
use std::path::Path;
use std::pin::pin;

use bytes::Bytes;
use deadpool_postgres::Transaction;
use futures_util::{SinkExt, TryStreamExt};
use tokio_postgres::{Client, IsolationLevel};

use super::archive::{Reader, Table, Writer};
use super::{Existing, unwritable};
use crate::engine::{DatabaseUrl, Direct, Pg, Tx};
use crate::error::{Error, Result, from_postgres};
use crate::migrations::{self, Migration, last_number};

const READ: &str = "read the database for the backup";
const LOAD: &str = "load the backup";

/// Writes the archive; returns the schema version.
pub(super) async fn copy(pg: &Pg, to: &Path) -> Result<u32> {
    let failed = |cause| from_postgres(READ, cause);
    let mut direct = pg.connect_directly().await?;
    let snapshot = direct
        .client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await
        .map_err(failed)?;
    let row =
        snapshot.query_one("SELECT version FROM schema_version", &[]).await.map_err(failed)?;
    let version: i64 = row.try_get(0).map_err(failed)?;
    let version = u32::try_from(version).map_err(|cause| Error::broken(READ, cause))?;
    let mut archive = Writer::create(to, version).map_err(|cause| unwritable(to, cause))?;
    for table in tables(snapshot.client()).await? {
        copy_table(&snapshot, &table, &mut archive, to).await?;
    }
    archive.finish().map_err(|cause| unwritable(to, cause))?;
    Ok(version)
}

async fn copy_table(
    snapshot: &Transaction<'_>,
    table: &Table,
    archive: &mut Writer,
    to: &Path,
) -> Result<()> {
    let failed = |cause| from_postgres(READ, cause);
    archive.begin_table(table).map_err(|cause| unwritable(to, cause))?;
    let text = format!("COPY {} TO STDOUT", target(table));
    let mut rows = pin!(snapshot.copy_out(&text).await.map_err(failed)?);
    while let Some(bytes) = rows.try_next().await.map_err(failed)? {
        archive.chunk(&bytes).map_err(|cause| unwritable(to, cause))?;
    }
    archive.end_table().map_err(|cause| unwritable(to, cause))
}

/// `"grants" ("id", "code")`
fn target(table: &Table) -> String {
    let columns: Vec<String> = table.columns.iter().map(|column| quoted(column)).collect();
    format!("{} ({})", quoted(&table.name), columns.join(", "))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// All tables, those that others refer to first, so that they can be loaded in
/// this order. A table may refer to itself: COPY checks at its end.
async fn tables(client: &Client) -> Result<Vec<Table>> {
    let failed = |cause| from_postgres(READ, cause);
    let columns = client
        .query(
            "SELECT c.relname::text, a.attname::text FROM pg_class c \
             JOIN pg_attribute a ON a.attrelid = c.oid \
             WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') \
             AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' \
             ORDER BY c.relname, a.attnum",
            &[],
        )
        .await
        .map_err(failed)?;
    let mut tables: Vec<Table> = Vec::new();
    for row in &columns {
        let (name, column): (String, String) =
            (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
        match tables.last_mut().filter(|last| last.name == name) {
            Some(last) => last.columns.push(column),
            None => tables.push(Table { name, columns: vec![column] }),
        }
    }
    let references = client
        .query(
            "SELECT child.relname::text, parent.relname::text FROM pg_constraint k \
             JOIN pg_class child ON child.oid = k.conrelid \
             JOIN pg_class parent ON parent.oid = k.confrelid \
             WHERE k.contype = 'f' AND k.conrelid <> k.confrelid \
             AND child.relnamespace = current_schema()::regnamespace",
            &[],
        )
        .await
        .map_err(failed)?;
    let references: Vec<(String, String)> = references
        .iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    in_order(tables, &references)
}

fn in_order(mut waiting: Vec<Table>, references: &[(String, String)]) -> Result<Vec<Table>> {
    let mut ordered: Vec<Table> = Vec::new();
    let mut placed: HashSet<String> = HashSet::new();
    while !waiting.is_empty() {
        let (ready, later): (Vec<Table>, Vec<Table>) = waiting.into_iter().partition(|table| {
            references.iter().all(|(child, parent)| *child != table.name || placed.contains(parent))
        });
        if ready.is_empty() {
            let names: Vec<&str> = later.iter().map(|table| table.name.as_str()).collect();
            return Err(Error::broken(
                "order the tables for a backup",
                format!("{} refer to each other in a circle", names.join(", ")),
            ));
        }
        placed.extend(ready.iter().map(|table| table.name.clone()));
        ordered.extend(ready);
        waiting = later;
    }
    Ok(ordered)
}

/// Drops what is there, makes the schema of the archive's version and loads it, in
/// one transaction: after a failure the database is as it was.
pub(super) async fn restore(
    from: &Path,
    url: &DatabaseUrl,
    migrations: &'static [Migration],
    existing: Existing,
    now_micros: i64,
) -> Result<()> {
    let failed = |cause| from_postgres(LOAD, cause);
    let mut archive = Reader::open(from).map_err(|cause| unreadable(from, cause))?;
    let (found, known) = (archive.schema_version, last_number(migrations));
    if found > known {
        return Err(Error::NewerDatabase { found, known });
    }
    let mut direct = Direct::connect(url).await?;
    let transaction = direct.client.transaction().await.map_err(failed)?;
    let old = tables(transaction.client()).await?;
    if existing == Existing::Keep {
        refuse_unless_empty(transaction.client(), &old, url).await?;
    }
    for table in &old {
        let drop_it = format!("DROP TABLE {} CASCADE", quoted(&table.name));
        transaction.batch_execute(&drop_it).await.map_err(failed)?;
    }
    let schema =
        async |tx: &mut Tx<'_>| migrations::apply_up_to(tx, migrations, found, now_micros).await;
    crate::engine::within(&transaction, schema).await?;
    // The archive brings its own account of what was applied, and when.
    let own = "TRUNCATE schema_version, schema_migrations";
    transaction.batch_execute(own).await.map_err(failed)?;
    while let Some(table) = archive.next_table().map_err(|cause| unreadable(from, cause))? {
        load_table(&transaction, &table, &mut archive, from).await?;
    }
    transaction.commit().await.map_err(failed)
}

async fn refuse_unless_empty(client: &Client, tables: &[Table], url: &DatabaseUrl) -> Result<()> {
    let failed = |cause| from_postgres(LOAD, cause);
    for table in tables.iter().filter(|table| !table.name.starts_with("schema_")) {
        let text = format!("SELECT 1 FROM {} LIMIT 1", quoted(&table.name));
        if client.query_opt(&text, &[]).await.map_err(failed)?.is_some() {
            return Err(Error::Unreachable {
                database: url.to_string(),
                advice: format!(
                    "table {} holds rows: restore into an empty database, or force it",
                    table.name
                ),
                cause: None,
            });
        }
    }
    Ok(())
}

async fn load_table(
    transaction: &Transaction<'_>,
    table: &Table,
    archive: &mut Reader,
    from: &Path,
) -> Result<()> {
    let failed = |cause| from_postgres(LOAD, cause);
    let text = format!("COPY {} FROM STDIN", target(table));
    let mut rows = pin!(transaction.copy_in::<_, Bytes>(&text).await.map_err(failed)?);
    while let Some(chunk) = archive.next_chunk().map_err(|cause| unreadable(from, cause))? {
        rows.send(chunk.into()).await.map_err(failed)?;
    }
    rows.finish().await.map(drop).map_err(failed)
}

fn unreadable(path: &Path, cause: std::io::Error) -> Error {
    let advice = match cause.kind() {
        std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof => {
            "it is damaged or not an archive of this program"
        }
        _ => "check that the file exists and may be read",
    };
    Error::file("cannot read the backup", path, advice, Some(cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str) -> Table {
        Table { name: name.to_owned(), columns: Vec::new() }
    }

    #[test]
    fn tables_stand_behind_those_they_refer_to() {
        let refers = |child: &str, parent: &str| (child.to_owned(), parent.to_owned());
        let all = vec![table("a"), table("b"), table("c")];
        let references = [refers("a", "b"), refers("b", "c")];
        let order = in_order(all.clone(), &references).unwrap();
        assert_eq!(order, [table("c"), table("b"), table("a")]);
        let circle = [refers("a", "b"), refers("b", "a")];
        let error = in_order(all, &circle).unwrap_err().to_string();
        assert!(error.contains("a, b refer to each other"), "{error}");
    }
}
