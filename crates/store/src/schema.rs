//! The migrations of the program, and every statement of it, for the tests that prepare them all.

use crate::migrations::Migration;
use crate::{Bulk, Sql};

/// All migrations, in order. A released one is never edited.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        number: 1,
        name: "the spine",
        text: include_str!("../migrations/0001_the_spine.sql"),
    },
    Migration {
        number: 2,
        name: "the doors",
        text: include_str!("../migrations/0002_the_doors.sql"),
    },
    Migration { number: 3, name: "radius", text: include_str!("../migrations/0003_radius.sql") },
    Migration {
        number: 4,
        name: "freeradius",
        text: include_str!("../migrations/0004_freeradius.sql"),
    },
];

/// Every statement of the program.
pub fn statements() -> Vec<Sql> {
    [
        crate::tenants::STATEMENTS,
        crate::routers::STATEMENTS,
        crate::plans::STATEMENTS,
        crate::customers::STATEMENTS,
        crate::grants::STATEMENTS,
        crate::enforcements::STATEMENTS,
        crate::cuts::STATEMENTS,
        crate::receipts::STATEMENTS,
        crate::sessions::STATEMENTS,
        crate::jobs::STATEMENTS,
        crate::activity::STATEMENTS,
        crate::facts::STATEMENTS,
        crate::requests::STATEMENTS,
        crate::webhooks::STATEMENTS,
        crate::tasks::STATEMENTS,
        crate::radius::STATEMENTS,
    ]
    .concat()
}

/// Every bulk statement of the program.
pub fn bulks() -> Vec<Bulk> {
    [
        crate::customers::BULKS,
        crate::routers::BULKS,
        crate::grants::BULKS,
        crate::enforcements::BULKS,
        crate::cuts::BULKS,
        crate::jobs::BULKS,
        crate::activity::BULKS,
        crate::tasks::BULKS,
        crate::webhooks::BULKS,
        crate::sessions::BULKS,
        crate::radius::BULKS,
    ]
    .concat()
}
