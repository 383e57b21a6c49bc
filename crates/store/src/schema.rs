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
    Migration { number: 5, name: "money", text: include_str!("../migrations/0005_money.sql") },
    Migration {
        number: 6,
        name: "messages",
        text: include_str!("../migrations/0006_messages.sql"),
    },
    Migration {
        number: 7,
        name: "vouchers",
        text: include_str!("../migrations/0007_vouchers.sql"),
    },
    Migration {
        number: 8,
        name: "handover",
        text: include_str!("../migrations/0008_handover.sql"),
    },
    Migration {
        number: 9,
        name: "room to write",
        text: include_str!("../migrations/0009_room_to_write.sql"),
    },
    Migration {
        number: 10,
        name: "room for all",
        text: include_str!("../migrations/0010_room_for_all.sql"),
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
        crate::gateways::STATEMENTS,
        crate::payments::STATEMENTS,
        crate::inbox::STATEMENTS,
        crate::money_in::STATEMENTS,
        crate::ledger::STATEMENTS,
        crate::renewals::STATEMENTS,
        crate::trials::STATEMENTS,
        crate::resellers::STATEMENTS,
        crate::batches::STATEMENTS,
        crate::admissions::STATEMENTS,
        crate::senders::STATEMENTS,
        crate::messages::STATEMENTS,
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
        crate::inbox::BULKS,
        crate::ledger::BULKS,
        crate::renewals::BULKS,
        crate::batches::BULKS,
    ]
    .concat()
}
