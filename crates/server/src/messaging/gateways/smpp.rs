//! A message centre by SMPP 3.4: stub.
use super::{Handed, Outgoing};
use crate::app::App;
use lango_store::senders::Sender;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A message centre
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SmppGateway {
    /// Its name
    pub host: String,
    /// Its port
    pub port: u16,
    /// Who logs in: the system id
    pub user: String,
}

impl SmppGateway {
    pub(super) fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

pub(super) async fn send(
    _app: &App,
    _at: (&Sender, &SmppGateway),
    _secret: &str,
    _out: Outgoing<'_>,
) -> Handed {
    Handed::Faulty("SMPP is not built yet".to_owned())
}

pub(crate) fn keep(_app: &App, _senders: Vec<(Sender, SmppGateway)>) {}
