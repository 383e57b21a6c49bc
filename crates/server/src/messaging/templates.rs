//! The sentences, in the customer's language: Lango's own, kept within one SMS part of plain
//! letters, or the business's, with places that are filled in.

use crate::config::nearest::nearest;
use lango_domain::language::Language;
use std::borrow::Cow;

/// What can be worded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Template {
    /// Paid: here is what opens it.
    Credentials,
    /// What opens it, asked for again.
    ResumeCode,
    /// Money came in.
    Receipt,
    /// It ends soon.
    EndsSoon,
    /// The time is over.
    Ended,
    /// The data is used up.
    DataUsedUp,
    /// Little of the data is left.
    LowData,
    /// It was not used in time.
    Lapsed,
    /// It was closed.
    Closed,
}

/// A place in a template that is filled in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// What opens the access.
    Code,
    /// The plan's name.
    Plan,
    /// When it ends.
    Ends,
    /// What was paid.
    Amount,
    /// The proof of it.
    Receipt,
    /// The business's name.
    Business,
    /// The number that it is sent to.
    Phone,
    /// Where more can be bought.
    Link,
}

impl Place {
    /// All of them.
    pub const ALL: [Place; 8] = [
        Place::Code,
        Place::Plan,
        Place::Ends,
        Place::Amount,
        Place::Receipt,
        Place::Business,
        Place::Phone,
        Place::Link,
    ];

    /// What stands between the braces.
    pub const fn word(self) -> &'static str {
        match self {
            Place::Code => "code",
            Place::Plan => "plan",
            Place::Ends => "ends",
            Place::Amount => "amount",
            Place::Receipt => "receipt",
            Place::Business => "business",
            Place::Phone => "phone",
            Place::Link => "link",
        }
    }
}

/// What the places are filled with; what is not known is left out of the text.
#[derive(Clone, Default, Debug)]
pub struct Facts {
    /// What opens the access.
    pub code: Option<String>,
    /// The plan's name.
    pub plan: Option<String>,
    /// When it ends.
    pub ends: Option<String>,
    /// What was paid.
    pub amount: Option<String>,
    /// The proof of it.
    pub receipt: Option<String>,
    /// The business's name.
    pub business: String,
    /// The number that it is sent to.
    pub phone: String,
    /// Where more can be bought.
    pub link: Option<String>,
}

impl Facts {
    fn at(&self, place: Place) -> Option<&str> {
        match place {
            Place::Code => self.code.as_deref(),
            Place::Plan => self.plan.as_deref(),
            Place::Ends => self.ends.as_deref(),
            Place::Amount => self.amount.as_deref(),
            Place::Receipt => self.receipt.as_deref(),
            Place::Business => Some(&self.business),
            Place::Phone => Some(&self.phone),
            Place::Link => self.link.as_deref(),
        }
    }

    /// The same with nothing in it that opens anything, for logs.
    pub fn masked(&self) -> Facts {
        Facts { code: self.code.as_ref().map(|_| "******".to_owned()), ..self.clone() }
    }

    /// Facts as they could be, for a preview.
    pub fn example(business: &str) -> Facts {
        Facts {
            code: Some("K7MRPX4".to_owned()),
            plan: Some("1 day".to_owned()),
            ends: Some("21 Nov 18:30".to_owned()),
            amount: Some("KES 50".to_owned()),
            receipt: Some("SKL51ZDR4F".to_owned()),
            business: business.to_owned(),
            phone: "+254712345678".to_owned(),
            link: None,
        }
    }
}

/// Why a text cannot be a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotATemplate {
    /// No such place.
    #[error("there is no {{{written}}}: {hint}")]
    UnknownPlace {
        /// What stands between the braces.
        written: String,
        /// What may have been meant.
        hint: String,
    },
    /// There is such a place, and nothing to fill it with.
    #[error("the message `{template}` knows nothing for {{{place}}}: it can say {can}")]
    NotHere {
        /// In which message.
        template: &'static str,
        /// Which place.
        place: &'static str,
        /// What it can say.
        can: String,
    },
    /// A code that is not in the message is of no use.
    #[error("the message `{0}` must say {{code}}: nothing else opens the access")]
    WithoutCode(&'static str),
    /// A place for the link, and no link.
    #[error(
        "there is no link yet: set it first, `lango message settings --link URL`, or say public_url in lango.toml"
    )]
    NoLink,
    /// A brace that is never closed.
    #[error("a brace is opened and not closed: write {{code}}, or leave the brace out")]
    Open,
    /// Nothing in it, or too much.
    #[error("a text needs 1 to {MOST} signs")]
    Length,
    /// No such message.
    #[error("there is no message `{written}`: {hint}")]
    UnknownTemplate {
        /// What was written.
        written: String,
        /// What may have been meant.
        hint: String,
    },
}

/// How long a text of a business may be: four parts in the long alphabet.
const MOST: usize = 268;

impl Template {
    /// All of them.
    pub const ALL: [Template; 9] = [
        Template::Credentials,
        Template::ResumeCode,
        Template::Receipt,
        Template::EndsSoon,
        Template::Ended,
        Template::DataUsedUp,
        Template::LowData,
        Template::Lapsed,
        Template::Closed,
    ];

    /// The word by which it is named.
    pub const fn word(self) -> &'static str {
        match self {
            Template::Credentials => "credentials",
            Template::ResumeCode => "resume-code",
            Template::Receipt => "receipt",
            Template::EndsSoon => "ends-soon",
            Template::Ended => "ended",
            Template::DataUsedUp => "data-used-up",
            Template::LowData => "low-data",
            Template::Lapsed => "lapsed",
            Template::Closed => "closed",
        }
    }

    /// Reads its word.
    ///
    /// # Errors
    /// There is no such message; the nearest is named.
    pub fn read(written: &str) -> Result<Template, NotATemplate> {
        let word = written.trim().replace('_', "-").to_ascii_lowercase();
        if let Some(known) = Template::ALL.into_iter().find(|known| known.word() == word) {
            return Ok(known);
        }
        let words = Template::ALL.map(Template::word);
        // `nearest` reads dashes as underscores.
        let plain = words.map(|word| word.replace('-', "_"));
        let plain: Vec<&str> = plain.iter().map(String::as_str).collect();
        let hint = match nearest(&word, &plain) {
            Some(near) => format!("did you mean `{}`?", near.replace('_', "-")),
            None => format!("there are {}", words.join(", ")),
        };
        Err(NotATemplate::UnknownTemplate { written: written.to_owned(), hint })
    }

    /// What it can say.
    pub fn places(self) -> Vec<Place> {
        let own: &[Place] = match self {
            Template::Credentials => {
                &[Place::Code, Place::Plan, Place::Ends, Place::Amount, Place::Receipt]
            }
            Template::ResumeCode => &[Place::Code, Place::Plan, Place::Ends],
            Template::Receipt => &[Place::Amount, Place::Receipt, Place::Plan, Place::Ends],
            Template::EndsSoon | Template::LowData => &[Place::Plan, Place::Ends],
            Template::Ended | Template::DataUsedUp | Template::Lapsed | Template::Closed => {
                &[Place::Plan]
            }
        };
        [own, &[Place::Business, Place::Phone, Place::Link]].concat()
    }

    /// Whether a text can word it.
    ///
    /// # Errors
    /// See [`NotATemplate`].
    pub fn check(self, text: &str, has_link: bool) -> Result<(), NotATemplate> {
        let length = text.trim().chars().count();
        if length == 0 || length > MOST {
            return Err(NotATemplate::Length);
        }
        let can = self.places();
        let mut says_code = false;
        for piece in pieces(text) {
            let Piece::Place(written) = piece else {
                if matches!(piece, Piece::Open) {
                    return Err(NotATemplate::Open);
                }
                continue;
            };
            let place = known_place(written)?;
            if !can.contains(&place) {
                let can: Vec<String> =
                    can.iter().map(|place| format!("{{{}}}", place.word())).collect();
                let (template, place) = (self.word(), place.word());
                return Err(NotATemplate::NotHere { template, place, can: can.join(" ") });
            }
            if place == Place::Link && !has_link {
                return Err(NotATemplate::NoLink);
            }
            says_code |= place == Place::Code;
        }
        let needs_code = matches!(self, Template::Credentials | Template::ResumeCode);
        if needs_code && !says_code { Err(NotATemplate::WithoutCode(self.word())) } else { Ok(()) }
    }

    /// Lango's own words for it.
    pub const fn usual(self, language: Language) -> &'static str {
        use Language::{En, Fr, Sw};
        match (self, language) {
            (Template::Credentials, En) => {
                "{business}: paid, thank you. Your code is {code}, good for {plan}."
            }
            (Template::Credentials, Sw) => {
                "{business}: malipo yamepokelewa, asante. Msimbo wako ni {code}, kifurushi {plan}."
            }
            (Template::Credentials, Fr) => {
                "{business}: paiement recu, merci. Votre code est {code}, forfait {plan}."
            }
            (Template::ResumeCode, En) => {
                "{business}: your code is {code}. Type it on the login page to go on."
            }
            (Template::ResumeCode, Sw) => {
                "{business}: msimbo wako ni {code}. Uandike kwenye ukurasa wa kuingia."
            }
            (Template::ResumeCode, Fr) => {
                "{business}: votre code est {code}. Tapez-le sur la page de connexion."
            }
            (Template::Receipt, En) => {
                "{business}: {amount} received, receipt {receipt}. Thank you."
            }
            (Template::Receipt, Sw) => "{business}: tumepokea {amount}, risiti {receipt}. Asante.",
            (Template::Receipt, Fr) => "{business}: {amount} bien recus, recu {receipt}. Merci.",
            (Template::EndsSoon, En) => {
                "{business}: your internet ends {ends}. Pay now to stay online."
            }
            (Template::EndsSoon, Sw) => {
                "{business}: intaneti yako itaisha {ends}. Lipa sasa ili uendelee."
            }
            (Template::EndsSoon, Fr) => {
                "{business}: votre internet se termine le {ends}. Payez pour continuer."
            }
            (Template::Ended, En) => "{business}: your internet time is over. Pay to go on.",
            (Template::Ended, Sw) => {
                "{business}: muda wako wa intaneti umeisha. Lipa ili uendelee."
            }
            (Template::Ended, Fr) => {
                "{business}: votre temps internet est termine. Payez pour continuer."
            }
            (Template::DataUsedUp, En) => "{business}: your data is used up. Pay to go on.",
            (Template::DataUsedUp, Sw) => "{business}: data yako imeisha. Lipa ili uendelee.",
            (Template::DataUsedUp, Fr) => {
                "{business}: vos donnees sont epuisees. Payez pour continuer."
            }
            (Template::LowData, En) => {
                "{business}: most of your data is used. Buy more to stay online."
            }
            (Template::LowData, Sw) => {
                "{business}: data yako imebaki kidogo. Nunua zaidi ili uendelee."
            }
            (Template::LowData, Fr) => {
                "{business}: il vous reste peu de donnees. Rechargez pour continuer."
            }
            (Template::Lapsed, En) => "{business}: your package was not used in time and lapsed.",
            (Template::Lapsed, Sw) => {
                "{business}: kifurushi chako hakikutumika kwa wakati na kimeisha."
            }
            (Template::Lapsed, Fr) => {
                "{business}: votre forfait n'a pas ete utilise a temps et a expire."
            }
            (Template::Closed, En) => "{business}: your service was closed.",
            (Template::Closed, Sw) => "{business}: huduma yako imefungwa.",
            (Template::Closed, Fr) => "{business}: votre service a ete ferme.",
        }
    }
}

fn known_place(written: &str) -> Result<Place, NotATemplate> {
    if let Some(known) = Place::ALL.into_iter().find(|known| known.word() == written) {
        return Ok(known);
    }
    let words = Place::ALL.map(Place::word);
    let hint = match nearest(written, &words) {
        Some(near) => format!("did you mean {{{near}}}?"),
        None => format!("there are {{{}}}", words.join("} {")),
    };
    Err(NotATemplate::UnknownPlace { written: written.to_owned(), hint })
}

/// A template with its places filled in.
pub fn fill(template: &str, facts: &Facts) -> String {
    let filled: Vec<Cow<'_, str>> = pieces(template)
        .map(|piece| match piece {
            Piece::Text(text) => Cow::Borrowed(text),
            Piece::Open => Cow::Borrowed("{"),
            Piece::Place(written) => match known_place(written) {
                Ok(place) => Cow::Borrowed(facts.at(place).unwrap_or_default()),
                Err(_) => Cow::Owned(format!("{{{written}}}")),
            },
        })
        .collect();
    filled.concat().trim().to_owned()
}

enum Piece<'t> {
    Text(&'t str),
    Place(&'t str),
    /// A brace without its partner.
    Open,
}

fn pieces(template: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = template;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Some(inside) = rest.strip_prefix('{') else {
            let end = rest.find('{').unwrap_or(rest.len());
            let (text, after) = rest.split_at(end);
            rest = after;
            return Some(Piece::Text(text));
        };
        match inside.split_once('}') {
            Some((place, after)) => {
                rest = after;
                Some(Piece::Place(place.trim()))
            }
            None => {
                rest = inside;
                Some(Piece::Open)
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lango_domain::sms_text::{Alphabet, measure};

    #[test]
    fn lango_s_own_words_fit_one_part_and_are_good_templates() {
        for language in [Language::En, Language::Sw, Language::Fr] {
            for template in Template::ALL {
                let usual = template.usual(language);
                template.check(usual, false).unwrap();
                let text = fill(usual, &Facts::example("Hotel ABC WiFi"));
                let measure = measure(&text);
                assert!(measure.parts == 1 && measure.alphabet == Alphabet::Gsm, "{text}");
                assert!(!text.contains('{'), "{text}");
            }
        }
    }

    #[test]
    fn a_misspelt_place_is_answered_with_the_nearest() {
        let wrong = Template::Credentials.check("Your {cod}", false).unwrap_err();
        assert_eq!(wrong.to_string(), "there is no {cod}: did you mean {code}?");
        let wrong = Template::EndsSoon.check("{receipt}", false).unwrap_err();
        assert!(wrong.to_string().contains("`ends-soon` knows nothing for {receipt}"), "{wrong}");
        assert_eq!(
            Template::ResumeCode.check("Hi", false),
            Err(NotATemplate::WithoutCode("resume-code"))
        );
        assert_eq!(Template::Ended.check("{link}", false), Err(NotATemplate::NoLink));
        assert_eq!(Template::Ended.check("{plan", false), Err(NotATemplate::Open));
        let wrong = Template::read("end-soon").unwrap_err();
        assert_eq!(wrong.to_string(), "there is no message `end-soon`: did you mean `ends-soon`?");
    }

    #[test]
    fn what_is_logged_opens_nothing() {
        let facts = Facts::example("Duka");
        let usual = Template::Credentials.usual(Language::Sw);
        assert!(fill(usual, &facts).contains("K7MRPX4"));
        assert!(!fill(usual, &facts.masked()).contains("K7MRPX4"));
    }
}
