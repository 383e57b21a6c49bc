//! How we are known at a provider: what staff type in, what is wrong with it, and what of it may be
//! shown again. A secret is never in an error, in a log or in what is shown.

use super::credential;
use lango_domain::access::Secret;
use lango_domain::money::Currency;
use lango_domain::phone_number::Country;
use lango_domain::time::{Span, Timestamp};
use serde_json::Value;

/// After so long an initiator's password dies at Safaricom.
const PASSWORD_LASTS: Span = Span::days(90);
/// So long before, staff are told.
const WARNED_BEFORE: Span = Span::days(14);

/// An account with a provider.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(tag = "provider", rename_all = "snake_case")]
pub enum Settings {
    /// M-Pesa of Safaricom, Kenya.
    Daraja(Daraja),
    /// ClickPesa, Tanzania: M-Pesa, Mixx by Yas, Airtel and Halopesa in one.
    #[serde(rename = "clickpesa")]
    ClickPesa(ClickPesa),
    /// MTN MoMo, Uganda and Rwanda.
    #[serde(rename = "momo")]
    MobileMoney(MobileMoney),
    /// Airtel Money.
    Airtel(Airtel),
    /// Any other system that signs its messages as we describe.
    SignedWebhook(SignedWebhook),
}

/// An app of Safaricom's developer portal, and the number that is paid.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Daraja {
    /// The app's key.
    pub consumer_key: Secret,
    /// The app's secret.
    pub consumer_secret: Secret,
    /// The paybill; of a till its store or head office number.
    pub shortcode: String,
    /// The till, if it is one (Buy Goods).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub till: Option<String>,
    /// The passkey of the shortcode.
    pub passkey: Secret,
    /// Which form of messages about money that is paid by hand.
    #[serde(default)]
    pub c2b_version: C2bVersion,
    /// Whether money is taken when we do not answer in time.
    #[serde(default)]
    pub unanswered: Unanswered,
    /// The number under which money by hand is registered, where it is neither till nor shortcode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub c2b_shortcode: Option<String>,
    /// The phone number that Safaricom knows for Pull Transactions; none does without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_number: Option<String>,
    /// The user who may reverse and look up; none does without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initiator: Option<String>,
    /// His password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initiator_password: Option<Secret>,
    /// The day on which that was set, for the warning before it dies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initiator_password_set_on: Option<jiff::civil::Date>,
    /// Safaricom's certificate of this environment, as PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// How many phones are asked in a second at most.
    #[serde(default = "five")]
    pub pushes_per_second: u32,
    /// Safaricom's place for trying things out.
    #[serde(default)]
    pub sandbox: bool,
    /// Another address than Safaricom's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
}

fn five() -> u32 {
    5
}

/// The form of Daraja's messages about money that is paid by hand.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum C2bVersion {
    /// The payer's number is a hash.
    V1,
    /// The payer's number is masked.
    #[default]
    V2,
}

/// What Daraja does with money by hand when nobody answers whether it may take it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unanswered {
    /// It takes it.
    #[default]
    Completed,
    /// It does not.
    Cancelled,
}

/// An application of ClickPesa.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClickPesa {
    /// Its id.
    pub client_id: String,
    /// Its key.
    pub api_key: Secret,
    /// The key of checksums, if they are switched on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum_key: Option<Secret>,
    /// How checksums are made.
    #[serde(default)]
    pub checksum_scheme: ChecksumScheme,
    /// Whether to ask first which networks work: one question more, and better refusals.
    #[serde(default)]
    pub preview: bool,
    /// Another address than ClickPesa's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
}

/// How ClickPesa makes checksums.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChecksumScheme {
    /// Of the whole as compact JSON with sorted keys.
    #[default]
    Json,
    /// Of the values in the order of their keys: applications of before.
    Values,
}

/// A subscription to Collections of MTN's developer portal, and its API user.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MobileMoney {
    /// Whose MTN.
    pub country: Country,
    /// The user, a UUID.
    pub api_user: String,
    /// The user's key.
    pub api_key: Secret,
    /// The key of the subscription.
    pub subscription_key: Secret,
    /// `X-Target-Environment`, where it is not the country's usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_environment: Option<String>,
    /// MTN's place for trying things out, which counts in EUR.
    #[serde(default)]
    pub sandbox: bool,
    /// Another address than MTN's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
}

/// An application of Airtel's developer portal.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Airtel {
    /// Whose Airtel.
    pub country: Country,
    /// Its id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret,
    /// The key of callbacks' hashes, if they are switched on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback_key: Option<Secret>,
    /// Airtel's place for trying things out.
    #[serde(default)]
    pub sandbox: bool,
    /// Another address than Airtel's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
}

/// Another system that speaks as `docs/payments-by-webhook.md` says.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedWebhook {
    /// What both sides sign with.
    pub secret: Secret,
    /// The header of the signature.
    #[serde(default = "usual_header")]
    pub header: String,
    /// Where it is asked to charge somebody; none only tells of money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charge_url: Option<String>,
    /// Where it is asked what became of a charge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_url: Option<String>,
}

fn usual_header() -> String {
    "lango-signature".to_owned()
}

/// What is wrong with one field.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{field}: {what}")]
pub struct WrongField {
    /// Which; empty if it cannot be said.
    pub field: String,
    /// What is wrong, and what to do.
    pub what: String,
}

/// The fields whose contents nobody sees again.
const SECRETS: [&str; 11] = [
    "consumer_key",
    "consumer_secret",
    "passkey",
    "initiator_password",
    "api_key",
    "checksum_key",
    "subscription_key",
    "client_secret",
    "callback_key",
    "secret",
    "certificate",
];

/// Whether nobody sees that field again, and nobody should be able to read it where it is typed.
pub fn is_secret(field: &str) -> bool {
    SECRETS.contains(&field) && field != "certificate"
}

/// The secrets without which a provider lets nobody in.
pub fn needed_secrets(provider: &str) -> &'static [&'static str] {
    match provider {
        "daraja" => &["consumer_key", "consumer_secret", "passkey"],
        "clickpesa" => &["api_key"],
        "momo" => &["api_key", "subscription_key"],
        "airtel" => &["client_secret"],
        "signed_webhook" => &["secret"],
        _ => &[],
    }
}

impl Settings {
    /// Reads what staff typed in, and says all that is wrong with it.
    ///
    /// # Errors
    /// The fields that are wrong, at least one.
    pub fn read(typed: Value, currency: Currency) -> Result<Settings, Vec<WrongField>> {
        let read = serde_path_to_error::deserialize::<_, Settings>(typed).map_err(|error| {
            let path = error.path().to_string();
            let field = if path == "." { String::new() } else { path };
            vec![WrongField { field, what: without_contents(&error.inner().to_string()) }]
        })?;
        let wrong = read.wrong_fields(currency);
        if wrong.is_empty() { Ok(read) } else { Err(wrong) }
    }

    /// The word of the provider, as `provider` has it.
    pub const fn provider(&self) -> &'static str {
        match self {
            Settings::Daraja(_) => "daraja",
            Settings::ClickPesa(_) => "clickpesa",
            Settings::MobileMoney(_) => "momo",
            Settings::Airtel(_) => "airtel",
            Settings::SignedWebhook(_) => "signed_webhook",
        }
    }

    /// All that can be known to be wrong without asking the provider.
    pub fn wrong_fields(&self, currency: Currency) -> Vec<WrongField> {
        let mut wrong = Wrong(Vec::new());
        match self {
            Settings::Daraja(daraja) => daraja.check(currency, &mut wrong),
            Settings::ClickPesa(clickpesa) => clickpesa.check(currency, &mut wrong),
            Settings::MobileMoney(momo) => momo.check(currency, &mut wrong),
            Settings::Airtel(airtel) => airtel.check(currency, &mut wrong),
            Settings::SignedWebhook(webhook) => webhook.check(&mut wrong),
        }
        wrong.0
    }

    /// What will be wrong soon.
    pub fn warnings(&self, now: Timestamp) -> Vec<WrongField> {
        let Settings::Daraja(daraja) = self else { return Vec::new() };
        daraja.password_dies(now).into_iter().collect()
    }

    /// What staff may see: of secrets only that they are set, and how they end.
    pub fn shown(&self) -> Value {
        // Text, numbers and dates: serialising them cannot fail.
        let mut all = serde_json::to_value(self).unwrap_or_default();
        for (name, value) in all.as_object_mut().into_iter().flatten() {
            if SECRETS.contains(&name.as_str()) {
                *value = Value::String(masked(value.as_str().unwrap_or_default()));
            }
        }
        all
    }
}

/// The end of a long secret, so that two of them can be told apart; of a short one nothing.
fn masked(secret: &str) -> String {
    const ENOUGH: usize = 16;
    const END: usize = 4;
    let count = secret.chars().count();
    if count < ENOUGH || secret.contains('\n') {
        return "…".to_owned();
    }
    format!("…{}", secret.chars().skip(count - END).collect::<String>())
}

/// Serde quotes what it does not like, and that may be a secret in the wrong place.
fn without_contents(sentence: &str) -> String {
    match sentence.split_once(": ") {
        Some((kind, rest)) if kind.starts_with("invalid") => {
            let wanted = rest.rsplit_once("expected ").map_or("something else", |(_, want)| want);
            format!("{kind}: write {wanted}")
        }
        _ => sentence.to_owned(),
    }
}

/// What is wrong so far.
struct Wrong(Vec<WrongField>);

impl Wrong {
    fn add(&mut self, field: &str, what: impl Into<String>) {
        self.0.push(WrongField { field: field.to_owned(), what: what.into() });
    }

    /// Something must stand there, in signs that a header and a form can carry.
    fn text(&mut self, field: &str, text: &str, whence: &str) {
        if text.is_empty() {
            self.add(field, format!("is empty: copy it from {whence}"));
        } else if !text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
            self.add(field, "has letters that are none of ASCII, or a line end: copy it again");
        } else if text.trim() != text {
            self.add(field, "begins or ends with a space: take it away");
        }
    }

    fn digits(&mut self, field: &str, text: &str, example: &str) {
        let good = (5..=10).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        if !good {
            self.add(field, format!("is not 5 to 10 digits: write it like {example}"));
        }
    }

    fn url(&mut self, field: &str, url: Option<&String>) {
        let Some(url) = url else { return };
        let parsed: Option<hyper::Uri> = url.parse().ok();
        let good = parsed.is_some_and(|uri| {
            matches!(uri.scheme_str(), Some("https" | "http")) && uri.host().is_some()
        });
        if !good {
            self.add(field, "is no address: write it like https://api.example.org");
        } else if url.ends_with('/') {
            self.add(field, "ends with a slash: take it away");
        }
    }

    fn currency(&mut self, has: Currency, wanted: Currency, provider: &str) {
        if has != wanted {
            self.add("currency", format!("is {has}: {provider} takes {wanted} here"));
        }
    }
}

const PORTAL: &str = "developer.safaricom.co.ke";

impl Daraja {
    /// Where Safaricom answers.
    pub fn base(&self) -> &str {
        let usual = if self.sandbox {
            "https://sandbox.safaricom.co.ke"
        } else {
            "https://api.safaricom.co.ke"
        };
        self.base_url.as_deref().unwrap_or(usual)
    }

    /// The number that people pay to.
    pub fn paid_number(&self) -> &str {
        self.till.as_deref().unwrap_or(&self.shortcode)
    }

    /// The number under which money by hand is registered.
    pub fn c2b_number(&self) -> &str {
        self.c2b_shortcode.as_deref().unwrap_or(self.paid_number())
    }

    fn check(&self, currency: Currency, wrong: &mut Wrong) {
        wrong.text("consumer_key", self.consumer_key.reveal(), PORTAL);
        wrong.text("consumer_secret", self.consumer_secret.reveal(), PORTAL);
        wrong.text("passkey", self.passkey.reveal(), "Safaricom's mail about going live");
        wrong.digits("shortcode", &self.shortcode, "174379");
        if let Some(till) = &self.till {
            wrong.digits("till", till, "5600100");
        }
        if let Some(number) = &self.c2b_shortcode {
            wrong.digits("c2b_shortcode", number, "174379");
        }
        if self.till.as_ref() == Some(&self.shortcode) {
            wrong.add(
                "shortcode",
                "is the till itself: write the store number of the till, or remove `till` if it \
                 is a paybill",
            );
        }
        if let Some(number) = &self.pull_number {
            let good = number.len() == 12 && number.starts_with("254");
            if !good || !number.bytes().all(|byte| byte.is_ascii_digit()) {
                wrong.add("pull_number", "is no number of Kenya: write it like 254712345678");
            }
        }
        if !(1..=100).contains(&self.pushes_per_second) {
            wrong.add("pushes_per_second", "must be from 1 to 100");
        }
        wrong.currency(currency, Currency::KES, "M-Pesa of Kenya");
        wrong.url("base_url", self.base_url.as_ref());
        self.check_initiator(wrong);
    }

    fn check_initiator(&self, wrong: &mut Wrong) {
        let together = [
            ("initiator", self.initiator.is_some()),
            ("initiator_password", self.initiator_password.is_some()),
            ("certificate", self.certificate.is_some()),
        ];
        if together.iter().any(|(_, is_set)| *is_set) {
            for (field, _) in together.iter().filter(|(_, is_set)| !is_set) {
                wrong.add(
                    field,
                    "is missing: initiator, initiator_password and certificate go together, or \
                     leave out all three and do without reversals",
                );
            }
        }
        if let Some(initiator) = &self.initiator {
            wrong.text("initiator", initiator, "the M-Pesa organisation portal");
        }
        let pem = self.certificate.as_deref();
        if let Some(Err(error)) = pem.map(credential::PublicKey::from_certificate) {
            wrong.add("certificate", error.to_string());
        }
        if self.initiator_password.is_some() && self.initiator_password_set_on.is_none() {
            wrong.add(
                "initiator_password_set_on",
                "is missing: write the day on which the password was set, like 2026-01-31; it \
                 dies after 90 days, and you are told before",
            );
        }
    }

    fn password_dies(&self, now: Timestamp) -> Option<WrongField> {
        let set_on = self.initiator_password_set_on?;
        let since = jiff::tz::Offset::constant(3).to_timestamp(set_on.at(0, 0, 0, 0)).ok()?;
        let dies = Timestamp::from_jiff(since) + PASSWORD_LASTS;
        if now < dies - WARNED_BEFORE {
            return None;
        }
        let when =
            if now < dies { format!("dies in {}", dies.since(now)) } else { "has died".to_owned() };
        Some(WrongField {
            field: "initiator_password".to_owned(),
            what: format!(
                "{when}: it lasts 90 days from {set_on}. Set a new one in the M-Pesa \
                 organisation portal and here, or reversals stop"
            ),
        })
    }
}

impl ClickPesa {
    /// Where ClickPesa answers.
    pub fn base(&self) -> &str {
        self.base_url.as_deref().unwrap_or("https://api.clickpesa.com/third-parties")
    }

    fn check(&self, currency: Currency, wrong: &mut Wrong) {
        const WHENCE: &str = "ClickPesa's dashboard, Settings, Developers";
        wrong.text("client_id", &self.client_id, WHENCE);
        wrong.text("api_key", self.api_key.reveal(), WHENCE);
        if let Some(key) = &self.checksum_key {
            wrong.text("checksum_key", key.reveal(), WHENCE);
        }
        wrong.currency(currency, Currency::TZS, "ClickPesa");
        wrong.url("base_url", self.base_url.as_ref());
    }
}

impl MobileMoney {
    /// Where MTN answers.
    pub fn base(&self) -> &str {
        let usual = if self.sandbox {
            "https://sandbox.momodeveloper.mtn.com"
        } else {
            "https://proxy.momoapi.mtn.com"
        };
        self.base_url.as_deref().unwrap_or(usual)
    }

    /// `X-Target-Environment`.
    pub fn environment(&self) -> &str {
        let usual = match self.country {
            _ if self.sandbox => "sandbox",
            Country::Rw => "mtnrwanda",
            // The check lets nobody else through.
            Country::Ug | Country::Ke | Country::Tz => "mtnuganda",
        };
        self.target_environment.as_deref().unwrap_or(usual)
    }

    fn check(&self, currency: Currency, wrong: &mut Wrong) {
        const WHENCE: &str = "momodeveloper.mtn.com";
        if !matches!(self.country, Country::Ug | Country::Rw) {
            wrong.add("country", "has no MTN MoMo: write UG or RW");
        }
        wrong.text("api_user", &self.api_user, WHENCE);
        wrong.text("api_key", self.api_key.reveal(), WHENCE);
        wrong.text("subscription_key", self.subscription_key.reveal(), WHENCE);
        if let Some(environment) = &self.target_environment {
            wrong.text("target_environment", environment, WHENCE);
        }
        wrong.currency(currency, self.country.currency(), "MTN MoMo");
        wrong.url("base_url", self.base_url.as_ref());
    }
}

impl Airtel {
    /// Where Airtel answers.
    pub fn base(&self) -> &str {
        let usual = if self.sandbox {
            "https://openapiuat.airtel.africa"
        } else {
            "https://openapi.airtel.africa"
        };
        self.base_url.as_deref().unwrap_or(usual)
    }

    fn check(&self, currency: Currency, wrong: &mut Wrong) {
        const WHENCE: &str = "developers.airtel.africa";
        wrong.text("client_id", &self.client_id, WHENCE);
        wrong.text("client_secret", self.client_secret.reveal(), WHENCE);
        if let Some(key) = &self.callback_key {
            wrong.text("callback_key", key.reveal(), WHENCE);
        }
        wrong.currency(currency, self.country.currency(), "Airtel Money");
        wrong.url("base_url", self.base_url.as_ref());
    }
}

impl SignedWebhook {
    fn check(&self, wrong: &mut Wrong) {
        const SHORTEST: usize = 16;
        if self.secret.reveal().len() < SHORTEST {
            wrong.add(
                "secret",
                "is shorter than 16 letters: make one with `openssl rand -hex 32` and give it to \
                 both sides",
            );
        }
        if hyper::header::HeaderName::try_from(self.header.as_str()).is_err() {
            wrong.add("header", "is no name of a header: write it like lango-signature");
        }
        wrong.url("charge_url", self.charge_url.as_ref());
        wrong.url("status_url", self.status_url.as_ref());
        if self.charge_url.is_none() && self.status_url.is_some() {
            wrong.add("charge_url", "is missing: without it nothing is asked about");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn daraja() -> Value {
        json!({
            "provider": "daraja", "consumer_key": "a key of the app", "shortcode": "174379",
            "consumer_secret": "a secret of the app", "passkey": "a passkey of the shortcode",
        })
    }

    fn with(mut settings: Value, name: &str, value: Value) -> Value {
        settings[name] = value;
        settings
    }

    #[test]
    fn what_is_enough_is_read_and_written_back() {
        let settings = Settings::read(daraja(), Currency::KES).unwrap();
        let Settings::Daraja(app) = &settings else { panic!("{settings:?}") };
        assert_eq!(app.base(), "https://api.safaricom.co.ke");
        assert_eq!((app.pushes_per_second, app.c2b_number()), (5, "174379"));
        let written = serde_json::to_value(&settings).unwrap();
        assert_eq!(Settings::read(written, Currency::KES).unwrap(), settings);
    }

    #[test]
    fn secrets_are_neither_shown_nor_in_logs_nor_in_errors() {
        let settings = Settings::read(daraja(), Currency::KES).unwrap();
        let shown = settings.shown().to_string();
        assert!(!shown.contains("secret of the app") && shown.contains("174379"), "{shown}");
        assert!(!format!("{settings:?}").contains("of the app"));
        let misplaced = with(daraja(), "sandbox", json!("a secret of the app"));
        let wrong = Settings::read(misplaced, Currency::KES).unwrap_err();
        assert!(!wrong[0].to_string().contains("secret of the app"), "{wrong:?}");
    }

    #[test]
    fn every_field_that_is_wrong_is_named_with_what_to_do() {
        let typed = with(with(daraja(), "shortcode", json!("17-4379")), "passkey", json!(""));
        let wrong = Settings::read(typed, Currency::TZS).unwrap_err();
        let fields: Vec<_> = wrong.iter().map(|wrong| wrong.field.as_str()).collect();
        assert_eq!(fields, ["passkey", "shortcode", "currency"]);
        let unknown = Settings::read(with(daraja(), "passkee", json!("x")), Currency::KES);
        assert!(unknown.unwrap_err()[0].what.contains("passkee"));
        let till = with(with(daraja(), "till", json!("174379")), "initiator", json!("api"));
        let wrong = Settings::read(till, Currency::KES).unwrap_err();
        let fields: Vec<_> = wrong.iter().map(|wrong| wrong.field.as_str()).collect();
        assert_eq!(fields, ["shortcode", "initiator_password", "certificate"]);
        let elsewhere = json!({
            "provider": "momo", "country": "KE", "api_user": "u", "api_key": "k",
            "subscription_key": "s",
        });
        assert_eq!(Settings::read(elsewhere, Currency::KES).unwrap_err()[0].field, "country");
    }

    #[test]
    fn a_password_that_dies_is_told_two_weeks_before() {
        let typed = with(daraja(), "initiator_password_set_on", json!("2026-01-01"));
        let settings = Settings::read(typed, Currency::KES).unwrap();
        let at = |text: &str| Timestamp::from_jiff(text.parse().unwrap());
        assert_eq!(settings.warnings(at("2026-03-01T00:00:00Z")), []);
        let soon = settings.warnings(at("2026-03-25T00:00:00Z"));
        assert!(soon[0].what.starts_with("dies in 6d"), "{soon:?}");
        let late = settings.warnings(at("2026-04-02T00:00:00Z"));
        assert!(late[0].what.starts_with("has died"), "{late:?}");
    }
}
