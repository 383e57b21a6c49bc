//! FreeRADIUS's tables beside ours, on PostgreSQL.

use lango_store::checks::prepare_all;
use lango_store::freeradius::{self, Attribute, Changes, Table, Which};
use lango_store::{Bulk, Sql, Store, Tx};

use crate::sources;

async fn with_tables() -> lango_store::testing::TestStore {
    let store = lango_store::testing::postgres(lango_store::schema::MIGRATIONS).await;
    store.write(async |tx: &mut Tx<'_>| freeradius::create(tx).await).await.unwrap();
    store
}

async fn missing(store: &Store) -> Vec<String> {
    store.read(async |tx: &mut Tx<'_>| freeradius::missing(tx).await).await.unwrap()
}

#[tokio::test]
async fn every_statement_prepares_where_the_tables_are() {
    let store = with_tables().await;
    let statements: Vec<&Sql> = freeradius::STATEMENTS.iter().collect();
    let bulks: Vec<&Bulk> = freeradius::BULKS.iter().collect();
    assert_eq!(prepare_all(&store, &statements, &bulks).await.unwrap(), [""; 0]);
    let declared = sources::declared_in("freeradius").len();
    assert_eq!(declared, statements.len() + bulks.len(), "one is not in its list");
}

#[tokio::test]
async fn what_is_missing_is_named_and_made_and_what_is_there_stays() {
    let store = lango_store::testing::postgres(lango_store::schema::MIGRATIONS).await;
    assert_eq!(missing(&store).await.len(), 8);
    store.write(async |tx: &mut Tx<'_>| freeradius::create(tx).await).await.unwrap();
    assert_eq!(missing(&store).await, [""; 0]);
    let theirs = Attribute {
        table: Table::Check,
        name: "ann".to_owned(),
        attribute: "Cleartext-Password".to_owned(),
        op: ":=".to_owned(),
        value: "theirs".to_owned(),
    };
    let changes = Changes { add: vec![theirs.clone()], ..Changes::default() };
    let kept = store
        .write(async move |tx: &mut Tx<'_>| {
            freeradius::apply(tx, &changes).await?;
            freeradius::create(tx).await?;
            freeradius::rows_of(tx, &["ann".to_owned(), "ben".to_owned()]).await
        })
        .await
        .unwrap();
    assert_eq!(kept.into_iter().map(|row| row.says).collect::<Vec<_>>(), [theirs]);
}

#[tokio::test]
async fn sessions_of_names_that_are_not_ours_are_not_read() {
    let store = with_tables().await;
    const WRITTEN: Sql = lango_store::sql!(
        "INSERT INTO radius.radacct (acctsessionid, acctuniqueid, username, nasipaddress) \
         VALUES ('1', 'u1', 'ann', '10.0.0.1')"
    );
    let read = store
        .write(async |tx: &mut Tx<'_>| {
            tx.execute(WRITTEN, &[]).await?;
            freeradius::sessions(tx, Which::Open, 0, 10).await
        })
        .await
        .unwrap();
    assert_eq!(read, []);
}
