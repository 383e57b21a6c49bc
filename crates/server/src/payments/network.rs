//! Whose network a phone is in, as far as its number tells, and who of several providers is asked
//! first for its money. A first guess and never a refusal: numbers move from one network to another,
//! and new prefixes come faster than tables change.

use lango_domain::phone_number::PhoneNumber;

/// How well a provider fits a phone: the lowest is asked.
pub(crate) fn rank(provider: &str, phone: &PhoneNumber) -> u8 {
    match (own_provider(phone), provider) {
        // What is not known fits everybody: the business's own order decides.
        (None, _) => 0,
        (Some(own), _) if own == provider => 0,
        // These take the money of many networks.
        (_, "clickpesa" | "signed_webhook") => 1,
        _ => 2,
    }
}

/// The provider of a phone's own network; none if its prefix is not in the table.
///
/// Prefixes as the regulators assign them: CA (Kenya), UCC (Uganda), RURA (Rwanda), TCRA (Tanzania).
fn own_provider(phone: &PhoneNumber) -> Option<&'static str> {
    let digits = phone.as_str().trim_start_matches('+');
    let (country, rest) = digits.split_at_checked(3)?;
    let two = rest.get(..2)?;
    let three = rest.get(..3)?;
    match (country, two) {
        ("254", "70" | "71" | "72" | "79" | "11") => Some("daraja"),
        ("254", "73" | "78" | "10") => Some("airtel"),
        ("254", _) => match three {
            "740" | "741" | "742" | "743" | "745" | "746" | "748" | "757" | "758" | "759"
            | "768" | "769" => Some("daraja"),
            "750" | "751" | "752" | "753" | "754" | "755" | "756" | "762" => Some("airtel"),
            _ => None,
        },
        ("256", "76" | "77" | "78") | ("250", "78" | "79") => Some("momo"),
        ("256", "70" | "74" | "75") | ("250", "72" | "73") | ("255", "68" | "69" | "78") => {
            Some("airtel")
        }
        ("255", _) => Some("clickpesa"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first<'p>(phone: &str, providers: &[&'p str]) -> &'p str {
        let phone = PhoneNumber::from_e164(phone).unwrap();
        providers.iter().min_by_key(|provider| rank(provider, &phone)).unwrap()
    }

    #[test]
    fn a_phone_is_asked_by_its_own_network_first() {
        let kenya = ["daraja", "airtel"];
        assert_eq!(first("+254712345678", &kenya), "daraja");
        assert_eq!(first("+254110345678", &kenya), "daraja");
        assert_eq!(first("+254733345678", &kenya), "airtel");
        assert_eq!(first("+254752345678", &kenya), "airtel");
        assert_eq!(first("+256772345678", &["airtel", "momo"]), "momo");
        assert_eq!(first("+250722345678", &["momo", "airtel"]), "airtel");
        assert_eq!(first("+255754345678", &["airtel", "clickpesa"]), "clickpesa");
    }

    #[test]
    fn whoever_is_in_no_table_is_asked_by_the_first_that_there_is() {
        assert_eq!(first("+254770345678", &["airtel", "daraja"]), "airtel");
        assert_eq!(first("+4915112345678", &["daraja", "airtel"]), "daraja");
        assert_eq!(first("+254733345678", &["daraja"]), "daraja");
        assert_eq!(first("+254733345678", &["daraja", "signed_webhook"]), "signed_webhook");
    }
}
