//! The words of a business: its sender's name, when it may advertise, where more can be bought,
//! and its own texts.

use crate::config::public_url::PublicUrl;
use crate::messaging::templates::Template;
use lango_domain::calendar::Zone;
use lango_domain::hours::{Door, Hours, Week};
use lango_domain::ids::TenantId;
use lango_domain::language::Language;
use lango_domain::time::Timestamp;
use lango_store::{Error, Tx};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// How long a sender's name may be: GSM has eleven signs for it (3GPP TS 23.040, 9.1.2.5).
pub const LONGEST_NAME: usize = 11;
/// When promotions may be sent unless the business says otherwise, after the rules of Kenya.
const DECENT: &str = "08:00-18:00";

/// The words of a business.
#[derive(Clone, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct MessageSettings {
    /// What phones show as the sender.
    pub sender_name: Option<String>,
    /// When promotions may be sent: `Mo-Sa 08:00-18:00`, in the business's zone.
    pub promotion_hours: Option<String>,
    /// Where more can be bought, if not at the portal.
    pub link: Option<String>,
    /// Texts of its own, by message and language: `ends-soon.sw`.
    pub texts: BTreeMap<String, String>,
}

impl MessageSettings {
    /// Reads them, in the caller's transaction.
    ///
    /// # Errors
    /// A fault of the store, or settings that are damaged.
    pub async fn read(tx: &mut Tx<'_>, tenant: TenantId) -> Result<MessageSettings, Error> {
        Ok(lango_store::senders::settings(tx, tenant).await?.unwrap_or_default())
    }

    /// The words for a message: the business's own, else Lango's.
    pub fn text(&self, template: Template, language: Language) -> Cow<'_, str> {
        match self.texts.get(&key(template, language)) {
            Some(own) => Cow::Borrowed(own),
            None => Cow::Borrowed(template.usual(language)),
        }
    }

    /// Where more can be bought: where the business says, else at the portal, if it has an address.
    pub fn link(&self, portal: Option<&PublicUrl>) -> Option<String> {
        self.link.clone().or_else(|| portal.map(ToString::to_string))
    }

    /// When a promotion may go out: now, or from then on.
    pub fn promotion_from(&self, zone: &Zone, now: Timestamp) -> Timestamp {
        let written = self.promotion_hours.as_deref().unwrap_or(DECENT);
        let Ok(week) = written.parse::<Week>() else { return now };
        match (Hours { week, zone: zone.clone() }).at(now) {
            Door::Open { .. } | Door::Closed { opens: None } => now,
            Door::Closed { opens: Some(at) } => at,
        }
    }
}

/// Under which name a text of its own is kept.
pub fn key(template: Template, language: Language) -> String {
    format!("{}.{}", template.word(), language.code())
}

/// Whether networks take that as a sender's name: eleven letters, digits, spaces or dashes with a
/// letter among them, or a number.
pub fn is_sender_name(name: &str) -> bool {
    let known = |sign: char| sign.is_ascii_alphanumeric() || " -_.&".contains(sign);
    let has_letter = name.chars().any(|sign| sign.is_ascii_alphabetic());
    let digits = name.strip_prefix('+').unwrap_or(name);
    let is_number = (3..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    is_number
        || (has_letter
            && name.trim() == name
            && name.chars().all(known)
            && name.len() <= LONGEST_NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_s_name_has_eleven_signs() {
        for good in ["HotelABC", "Duka WiFi-1", "22345", "+254711082123"] {
            assert!(is_sender_name(good), "{good}");
        }
        for bad in ["", "Hotel ABC WiFi", "Hôtel", " x", "12"] {
            assert!(!is_sender_name(bad), "{bad}");
        }
    }

    #[test]
    fn promotions_wait_for_the_morning_of_the_place() {
        let zone: Zone = "Africa/Nairobi".parse().unwrap();
        let at = |text: &str| Timestamp::from_jiff(text.parse().unwrap());
        let settings = MessageSettings::default();
        assert_eq!(
            settings.promotion_from(&zone, at("2026-11-21T12:00:00Z")),
            at("2026-11-21T12:00:00Z")
        );
        assert_eq!(
            settings.promotion_from(&zone, at("2026-11-21T16:00:00Z")),
            at("2026-11-22T05:00:00Z")
        );
    }
}
