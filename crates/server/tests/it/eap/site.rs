//! The server of these stories, its certificates and accounts.

use super::device::Device;
use lango_domain::time::{Span, Timestamp};
use lango_radius::mschap::NtHash;
use lango_server::radius::eap::{Account, EapServer, Settings, Step};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use std::sync::Arc;

pub(super) const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

pub(super) fn after(seconds: i64) -> Timestamp {
    NOW + Span::seconds(seconds)
}

pub(super) struct Site {
    pub(super) server: EapServer,
    /// What devices must trust.
    pub(super) root: String,
}

impl Site {
    pub(super) fn new() -> Site {
        Site::with(Settings::default(), 0)
    }

    /// A server whose chain has so many certificates between its own and the root.
    pub(super) fn with(settings: Settings, between: usize) -> Site {
        let made = Certificates::new(between);
        let server = EapServer::new(made.chain.as_bytes(), made.key.as_bytes(), settings).unwrap();
        Site { server, root: made.root }
    }

    /// What a device needs that trusts this server.
    pub(super) fn trusting(
        &self,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.root.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    }

    /// Carries messages to and fro until the login ends.
    pub(super) fn log_in(&self, device: &mut Device) -> Step {
        self.log_in_through(device, |_| ())
    }

    /// The same over a network that may change what the device sends.
    pub(super) fn log_in_through(
        &self,
        device: &mut Device,
        mut network: impl FnMut(&mut Vec<u8>),
    ) -> Step {
        let mut message = device.begin(7);
        network(&mut message);
        let mut step = self.server.start(&message, None, NOW);
        loop {
            step = match step {
                Step::Challenge { state, eap } => {
                    let mut message = device.answer(&eap);
                    network(&mut message);
                    self.server.go_on(state.octets(), &message, NOW)
                }
                Step::NeedsAccount { conversation, user_name, .. } => {
                    self.server.with_account(conversation, account(&user_name), NOW)
                }
                end => return end,
            };
        }
    }
}

/// Whoever is known here.
pub(super) fn account(user_name: &str) -> Option<Account> {
    match user_name {
        "bob" | "OFFICE\\bob" => Some(Account::ClearText("correct horse".to_owned())),
        "ümit" => Some(Account::NtHash(NtHash::of("pässwörd"))),
        _ => None,
    }
}

pub(super) struct Certificates {
    pub(super) root: String,
    pub(super) chain: String,
    pub(super) key: String,
}

impl Certificates {
    pub(super) fn new(between: usize) -> Certificates {
        let root_key = KeyPair::generate().unwrap();
        let root_params = authority(format!("Lango's tests, {}", fastrand::u64(..)));
        let root = root_params.self_signed(&root_key).unwrap().pem();
        let mut chain = Vec::new();
        let mut issuer = Issuer::new(root_params, root_key);
        for number in 0..between {
            let key = KeyPair::generate().unwrap();
            // Names as long as an authority's most talkative ones.
            let params = authority(format!("Between {number} {}", "and on ".repeat(300)));
            chain.insert(0, params.signed_by(&key, &issuer).unwrap().pem());
            issuer = Issuer::new(params, key);
        }
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["radius.lango".to_owned()]).unwrap();
        chain.insert(0, params.signed_by(&key, &issuer).unwrap().pem());
        Certificates { root, chain: chain.concat(), key: key.serialize_pem() }
    }
}

fn authority(name: String) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::OrganizationalUnitName, name);
    params
}
