//! Any provider, by what all of them do. Here is only which of them is asked.

use super::airtel::Airtel;
use super::clickpesa::ClickPesa;
use super::daraja::{self, Daraja};
use super::momo::MobileMoney;
use super::pace::Pace;
use super::settings::Settings;
use super::signed_webhook::SignedWebhook;
use super::tokens::Tokens;
use super::{
    Abilities, Asked, Callback, CallbackAnswer, CallbackError, Charge, Door, MoneyIn,
    ProviderError, ReceiptQuestion, Refund, RefundAnswer, Registration, Submitted, Till, Urls,
};
use crate::outbound::Reach;
use lango_domain::payment::Verdict;
use lango_domain::payment::{Failure, FailureReason};
use lango_domain::time::Timestamp;

/// What all clients of a process share. Made once: a second set of tokens would kill the first.
#[derive(Clone, Debug)]
pub struct Links {
    /// Where they may go.
    pub reach: Reach,
    /// What they show.
    pub tokens: Tokens,
    /// How fast they may ask.
    pub pace: Pace,
}

impl Default for Links {
    fn default() -> Links {
        Links { reach: Reach::Public, tokens: Tokens::default(), pace: Pace::default() }
    }
}

/// A client of one account with one provider. Cheap to make: nothing is asked by it.
#[derive(Clone, Debug)]
pub struct Provider(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Daraja(Box<Daraja>),
    ClickPesa(ClickPesa),
    MobileMoney(MobileMoney),
    Airtel(Airtel),
    SignedWebhook(SignedWebhook),
}

impl Provider {
    /// The client of an account with these settings.
    pub fn from_settings(till: Till, settings: Settings, links: Links) -> Provider {
        Provider(match settings {
            Settings::Daraja(settings) => {
                Kind::Daraja(Box::new(Daraja::new(till, settings, links)))
            }
            Settings::ClickPesa(settings) => Kind::ClickPesa(ClickPesa::new(till, settings, links)),
            Settings::MobileMoney(settings) => {
                Kind::MobileMoney(MobileMoney::new(till, settings, links))
            }
            Settings::Airtel(settings) => Kind::Airtel(Airtel::new(till, settings, links)),
            Settings::SignedWebhook(settings) => {
                Kind::SignedWebhook(SignedWebhook::new(till, settings, links))
            }
        })
    }

    /// What it can do.
    pub fn abilities(&self) -> Abilities {
        match &self.0 {
            Kind::Daraja(daraja) => daraja.abilities(),
            Kind::ClickPesa(clickpesa) => clickpesa.abilities(),
            Kind::MobileMoney(_) => MobileMoney::abilities(),
            Kind::Airtel(airtel) => airtel.abilities(),
            Kind::SignedWebhook(webhook) => webhook.abilities(),
        }
    }

    /// By which door it tells what became of a charge.
    pub fn door_of_charges(&self) -> Door {
        match self.0 {
            Kind::Daraja(_) => Door::Stk,
            _ => Door::Webhook,
        }
    }

    /// What it minds about an address of ours, if anything. Its secret part is random and may have
    /// a forbidden word in it by chance: whoever makes one makes another then.
    pub fn minds(&self, url: &str) -> Option<String> {
        match self.0 {
            Kind::Daraja(_) => daraja::minds(url),
            _ => None,
        }
    }

    /// Asks a phone for money. Never to be repeated after [`Submitted::Unknown`].
    pub async fn submit(&self, charge: &Charge, now: Timestamp) -> Submitted {
        match &self.0 {
            Kind::Daraja(daraja) => daraja.submit(charge, now).await,
            Kind::ClickPesa(clickpesa) => clickpesa.submit(charge, now).await,
            Kind::MobileMoney(momo) => momo.submit(charge, now).await,
            Kind::Airtel(airtel) => airtel.submit(charge, now).await,
            Kind::SignedWebhook(webhook) => webhook.submit(charge, now).await,
        }
    }

    /// Asks what became of a charge.
    ///
    /// # Errors
    /// Nobody answered. An answer that nobody understands is [`Verdict::Unknown`] instead; both
    /// mean to ask again.
    pub async fn query(&self, asked: &Asked, now: Timestamp) -> Result<Verdict, ProviderError> {
        match &self.0 {
            Kind::Daraja(daraja) => daraja.query(asked, now).await,
            Kind::ClickPesa(clickpesa) => clickpesa.query(asked, now).await,
            Kind::MobileMoney(momo) => momo.query(asked, now).await,
            Kind::Airtel(airtel) => airtel.query(asked, now).await,
            Kind::SignedWebhook(webhook) => webhook.query(asked, now).await,
        }
    }

    /// Reads what came by one of its doors. `now` is when it came, not when it is read: signatures
    /// grow old.
    ///
    /// # Errors
    /// It is not its message, or not signed as our settings want it.
    pub fn read_callback(
        &self,
        door: Door,
        headers: &[(String, String)],
        body: &[u8],
        now: Timestamp,
    ) -> Result<Callback, CallbackError> {
        match &self.0 {
            Kind::Daraja(daraja) => daraja.read_callback(door, body),
            Kind::ClickPesa(clickpesa) => clickpesa.read_callback(body),
            Kind::MobileMoney(momo) => momo.read_callback(body),
            Kind::Airtel(airtel) => airtel.read_callback(body),
            Kind::SignedWebhook(webhook) => webhook.read_callback(headers, body, now),
        }
    }

    /// What it is answered at once. Only [`Door::C2bValidate`] can be told no.
    pub fn answer_to(&self, door: Door, is_accepted: bool) -> CallbackAnswer {
        match self.0 {
            Kind::Daraja(_) => Daraja::answer_to(door, is_accepted),
            Kind::ClickPesa(_) => ClickPesa::answer_to(),
            Kind::MobileMoney(_) => MobileMoney::answer_to(),
            Kind::Airtel(_) => Airtel::answer_to(),
            Kind::SignedWebhook(_) => SignedWebhook::answer_to(),
        }
    }

    /// The money that came between two instants, as far as it remembers.
    ///
    /// # Errors
    /// It does not offer that, refuses or does not answer.
    pub async fn list_money(
        &self,
        since: Timestamp,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<MoneyIn>, ProviderError> {
        match &self.0 {
            Kind::Daraja(daraja) => daraja.list_money(since, until, now).await,
            _ => Err(ProviderError::NotOffered(self.name())),
        }
    }

    /// Gives money back. Never to be repeated after [`RefundAnswer::Unknown`].
    pub async fn refund(&self, refund: &Refund, now: Timestamp) -> RefundAnswer {
        match &self.0 {
            Kind::Daraja(daraja) => daraja.refund(refund, now).await,
            Kind::Airtel(airtel) => airtel.refund(refund, now).await,
            _ => RefundAnswer::Refused(Failure {
                why: FailureReason::Setup,
                code: "refund".to_owned(),
                sentence: ProviderError::NotOffered(self.name()).to_string(),
            }),
        }
    }

    /// Asks whether there is money behind a receipt; [`super::Heard::Receipt`] answers. Returns
    /// the number of the question.
    ///
    /// # Errors
    /// It does not offer that, refuses or does not answer.
    pub async fn look_up(
        &self,
        question: &ReceiptQuestion,
        now: Timestamp,
    ) -> Result<String, ProviderError> {
        match &self.0 {
            Kind::Daraja(daraja) => daraja.look_up(question, now).await,
            _ => Err(ProviderError::NotOffered(self.name())),
        }
    }

    /// Proves the settings, as far as a token does.
    ///
    /// # Errors
    /// They are refused, or nobody answers.
    pub async fn check(&self, now: Timestamp) -> Result<(), ProviderError> {
        match &self.0 {
            Kind::Daraja(daraja) => daraja.check(now).await,
            Kind::ClickPesa(clickpesa) => clickpesa.check(now).await,
            Kind::MobileMoney(momo) => momo.check(now).await,
            Kind::Airtel(airtel) => airtel.check(now).await,
            // It has no token: a signature is seen to be right when a message comes.
            Kind::SignedWebhook(_) => Ok(()),
        }
    }

    /// Tells it where it is to tell of money that comes by itself.
    ///
    /// # Errors
    /// It does not offer that, refuses or does not answer.
    pub async fn register(
        &self,
        urls: &Urls,
        now: Timestamp,
    ) -> Result<Registration, ProviderError> {
        match &self.0 {
            Kind::Daraja(daraja) => daraja.register(urls, now).await,
            _ => Err(ProviderError::NotOffered(self.name())),
        }
    }

    /// Its name in sentences.
    pub const fn name(&self) -> &'static str {
        match self.0 {
            Kind::Daraja(_) => "M-Pesa",
            Kind::ClickPesa(_) => "ClickPesa",
            Kind::MobileMoney(_) => "MTN MoMo",
            Kind::Airtel(_) => "Airtel Money",
            Kind::SignedWebhook(_) => "the payment system",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lango_domain::ids::{GatewayId, Id as _};
    use lango_domain::money::Currency;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn providers() -> Vec<Provider> {
        let links =
            Links { reach: Reach::Public, tokens: Tokens::default(), pace: Pace::default() };
        let read = |currency: Currency, typed: Value| {
            let settings = Settings::read(typed, currency).unwrap();
            let till = Till { gateway: GatewayId::from_raw(1), currency };
            Provider::from_settings(till, settings, links.clone())
        };
        vec![
            read(
                Currency::KES,
                json!({
                    "provider": "daraja", "consumer_key": "k", "consumer_secret": "s",
                    "passkey": "p", "shortcode": "174379",
                }),
            ),
            read(
                Currency::TZS,
                json!({ "provider": "clickpesa", "client_id": "c", "api_key": "k" }),
            ),
            read(
                Currency::UGX,
                json!({
                    "provider": "momo", "country": "UG", "api_user": "u", "api_key": "k",
                    "subscription_key": "s",
                }),
            ),
            read(
                Currency::UGX,
                json!({
                    "provider": "airtel", "country": "UG", "client_id": "c", "client_secret": "s",
                }),
            ),
            read(
                Currency::KES,
                json!({ "provider": "signed_webhook", "secret": "sixteen letters!" }),
            ),
        ]
    }

    /// Anything that JSON can say, with the words that providers use.
    fn message() -> impl Strategy<Value = Value> {
        let words = prop::sample::select(vec![
            "Body",
            "stkCallback",
            "CheckoutRequestID",
            "ResultCode",
            "CallbackMetadata",
            "Item",
            "Name",
            "Value",
            "Amount",
            "MpesaReceiptNumber",
            "TransactionDate",
            "Result",
            "OriginatorConversationID",
            "ResultParameters",
            "ResultParameter",
            "Key",
            "TransID",
            "TransAmount",
            "TransTime",
            "event",
            "data",
            "status",
            "orderReference",
            "id",
            "collectedAmount",
            "externalId",
            "financialTransactionId",
            "reason",
            "transaction",
            "status_code",
            "hash",
            "checksum",
            "ReceiptNo",
            "TransactionStatus",
            "payer",
        ]);
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,12}".prop_map(Value::from),
            prop::sample::select(vec![
                "0",
                "TS",
                "SUCCESS",
                "SUCCESSFUL",
                "PAYMENT RECEIVED",
                "Amount"
            ])
            .prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 64, 8, move |inner| {
            let field = (words.clone(), inner.clone());
            prop_oneof![
                prop::collection::vec(inner, 0..6).prop_map(Value::from),
                prop::collection::vec(field, 0..8).prop_map(|fields| {
                    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
                }),
            ]
        })
    }

    fn read_everywhere(body: &[u8]) {
        let now = Timestamp::from_micros(1_700_000_000_000_000);
        for provider in providers() {
            for door in Door::ALL {
                let _ = provider.read_callback(door, &[], body, now);
                let _ = provider.answer_to(door, true);
            }
        }
    }

    proptest! {
        #[test]
        fn no_octets_are_a_fault(octets in prop::collection::vec(any::<u8>(), 0..200)) {
            read_everywhere(&octets);
        }

        #[test]
        fn no_json_is_a_fault(message in message()) {
            read_everywhere(message.to_string().as_bytes());
        }
    }

    #[test]
    fn questions_can_be_asked_by_any_thread() {
        fn is_send<T: Send>(_: T) {}
        let now = Timestamp::from_micros(0);
        for provider in providers() {
            is_send(provider.check(now));
            is_send(provider.list_money(now, now, now));
            let urls =
                Urls { validate: String::new(), confirm: String::new(), webhook: String::new() };
            is_send(provider.register(&urls, now));
        }
    }

    #[test]
    fn what_others_send_is_refused_or_nothing() {
        let now = Timestamp::from_micros(0);
        for provider in providers() {
            for strange in ["", "null", "[]", "<html><body>502</body></html>", "\u{0}", "{"] {
                let read = provider.read_callback(
                    provider.door_of_charges(),
                    &[],
                    strange.as_bytes(),
                    now,
                );
                assert!(read.is_err(), "{} takes {strange}", provider.name());
            }
        }
    }
}
