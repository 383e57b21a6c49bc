//! The sentences, in the customer's language. Kept within one SMS part of plain letters.

use crate::messaging::notice::Notice;
use lango_domain::grant::EndReason;
use lango_domain::language::Language;
use lango_store::tenants::Tenant;

/// What one SMS part holds of the GSM alphabet.
pub const ONE_PART: usize = 160;

/// The text of a notice, beginning with the tenant's name.
pub fn text(notice: &Notice, tenant: &Tenant, language: Language) -> String {
    let sentence = match notice {
        Notice::EndsSoon { ends_at } => ends_soon(language, &tenant.zone.local(*ends_at)),
        Notice::Ended { reason, .. } => ended(language, *reason).to_owned(),
    };
    format!("{}: {sentence}", tenant.name)
}

fn ends_soon(language: Language, at: &str) -> String {
    match language {
        Language::En => format!("your internet ends {at}. Pay now to stay online."),
        Language::Sw => format!("intaneti yako itaisha {at}. Lipa sasa ili uendelee."),
        Language::Fr => format!("votre internet se termine le {at}. Payez pour continuer."),
    }
}

fn ended(language: Language, reason: EndReason) -> &'static str {
    use EndReason::{
        DataUsedUp, DateReached, NeverActivated, NeverUsed, SessionEnded, Terminated, TimeUp,
        UptimeUsedUp,
    };
    match (language, reason) {
        (Language::En, TimeUp | DateReached | UptimeUsedUp | SessionEnded) => {
            "your internet time is over. Pay to go on."
        }
        (Language::En, DataUsedUp) => "your data is used up. Pay to go on.",
        (Language::En, NeverUsed | NeverActivated) => {
            "your package was not used in time and lapsed."
        }
        (Language::En, Terminated) => "your service was closed.",
        (Language::Sw, TimeUp | DateReached | UptimeUsedUp | SessionEnded) => {
            "muda wako wa intaneti umeisha. Lipa ili uendelee."
        }
        (Language::Sw, DataUsedUp) => "data yako imeisha. Lipa ili uendelee.",
        (Language::Sw, NeverUsed | NeverActivated) => {
            "kifurushi chako hakikutumika kwa wakati na kimeisha."
        }
        (Language::Sw, Terminated) => "huduma yako imefungwa.",
        (Language::Fr, TimeUp | DateReached | UptimeUsedUp | SessionEnded) => {
            "votre temps internet est termine. Payez pour continuer."
        }
        (Language::Fr, DataUsedUp) => "vos donnees sont epuisees. Payez pour continuer.",
        (Language::Fr, NeverUsed | NeverActivated) => {
            "votre forfait n'a pas ete utilise a temps et a expire."
        }
        (Language::Fr, Terminated) => "votre service a ete ferme.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lango_domain::ids::{Id, TenantId};
    use lango_domain::phone_number::Country;
    use lango_domain::time::{Span, Timestamp};

    fn tenant() -> Tenant {
        Tenant {
            id: TenantId::from_raw(1),
            name: "Hotel ABC WiFi".to_owned(),
            country: Country::Ke,
            zone: Country::Ke.zone().parse().unwrap(),
            language: Language::En,
            currency: Country::Ke.currency(),
            device_retention: Span::days(90),
            created_at: Timestamp::default(),
            version: 1,
            help_phone: None,
        }
    }

    #[test]
    fn a_warning_is_in_the_tenants_name_and_his_zone() {
        let ends_at = Timestamp::from_jiff("2026-11-21T15:30:00Z".parse().unwrap());
        let text = text(&Notice::EndsSoon { ends_at }, &tenant(), Language::En);
        assert_eq!(
            text,
            "Hotel ABC WiFi: your internet ends 21 Nov 18:30. Pay now to stay online."
        );
    }

    #[test]
    fn every_notice_fits_one_part_of_plain_letters() {
        for language in [Language::En, Language::Sw, Language::Fr] {
            for reason in EndReason::ALL {
                let notice = Notice::Ended { at: Timestamp::default(), reason };
                let text = text(&notice, &tenant(), language);
                assert!(text.is_ascii() && text.len() <= ONE_PART, "{text}");
            }
        }
    }
}
