//! How the domain's values look in JSON, for those who write programs against them. Must say
//! exactly what reading takes: a schema that promises more is a lie that somebody finds at night.

use crate::access::GrantKind;
use crate::calendar::Zone;
use crate::language::Language;
use crate::mac_address::MacAddress;
use crate::money::{Currency, Money};
use crate::phone_number::{Country, PhoneNumber};
use crate::quantity::Speed;
use crate::role::Role;
use crate::time::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

macro_rules! looks {
    ($kind:ty, $name:literal, $schema:expr) => {
        impl JsonSchema for $kind {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

looks!(Timestamp, "Timestamp", json_schema!({ "type": "string", "format": "date-time" }));
looks!(
    Currency,
    "Currency",
    json_schema!({ "type": "string", "pattern": "^[A-Z]{3}$", "description": "ISO 4217" })
);
looks!(
    Money,
    "Money",
    json_schema!({
        "type": "object",
        "properties": {
            "amount": {
                "type": "integer",
                "description": "In the currency's smallest unit: cents for KES, shillings for UGX",
                "minimum": i64::MIN,
                "maximum": i64::MAX,
            },
            "currency": { "type": "string", "pattern": "^[A-Z]{3}$", "description": "ISO 4217" },
        },
        "required": ["amount", "currency"],
        "additionalProperties": false,
    })
);
looks!(
    Speed,
    "Speed",
    json_schema!({
        "type": "object",
        "description": "Bits per second, as the customer sees them",
        "properties": {
            "upload": { "type": "integer", "minimum": 0, "maximum": u64::MAX },
            "download": { "type": "integer", "minimum": 0, "maximum": u64::MAX },
        },
        "required": ["upload", "download"],
        "additionalProperties": false,
    })
);
looks!(
    MacAddress,
    "MacAddress",
    json_schema!({ "type": "string", "pattern": "^([0-9A-F]{2}:){5}[0-9A-F]{2}$" })
);
looks!(
    PhoneNumber,
    "PhoneNumber",
    json_schema!({ "type": "string", "pattern": "^\\+[0-9]{7,15}$", "description": "E.164" })
);
looks!(
    Zone,
    "Zone",
    json_schema!({ "type": "string", "description": "A zone of the IANA database" })
);
looks!(Language, "Language", json_schema!({ "type": "string", "enum": ["en", "sw", "fr"] }));
looks!(
    Country,
    "Country",
    json_schema!({ "type": "string", "enum": Country::ALL.map(Country::code) })
);
looks!(Role, "Role", json_schema!({ "type": "string", "enum": Role::ALL.map(Role::word) }));
looks!(
    GrantKind,
    "GrantKind",
    json_schema!({ "type": "string", "enum": GrantKind::ALL.map(GrantKind::word) })
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{GrantId, Id};

    #[test]
    fn an_id_looks_as_its_schema_says() {
        let schema = schemars::schema_for!(GrantId);
        let pattern = schema.get("pattern").and_then(|pattern| pattern.as_str()).unwrap();
        assert_eq!(pattern, "^g[0-7][0-9a-hjkmnp-tv-z]{12}$");
        // The largest number gives the largest first digit.
        assert_eq!(&GrantId::from_raw(i64::MAX).to_string()[..2], "g7");
    }

    #[test]
    fn words_of_enums_are_those_that_json_has() {
        for kind in GrantKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.word());
        }
        for country in Country::ALL {
            assert_eq!(serde_json::to_value(country).unwrap(), country.code());
        }
    }
}
