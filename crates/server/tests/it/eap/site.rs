//! The server of these stories, its certificates and accounts.

use super::device::Device;
use lango_domain::time::{Span, Timestamp};
use lango_radius::mschap::NtHash;
use lango_server::radius::eap::{Account, Certificates, EapServer, NewestTls, Settings, Step};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::client::WantsClientCert;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, SupportedProtocolVersion};
use std::sync::Arc;

pub(super) const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

pub(super) fn after(seconds: i64) -> Timestamp {
    NOW + Span::seconds(seconds)
}

pub(super) struct Site {
    pub(super) server: EapServer,
    pub(super) made: Made,
}

impl Site {
    pub(super) fn new() -> Site {
        Site::with(Settings::default(), 0)
    }

    /// A server whose chain has so many certificates between its own and the root.
    pub(super) fn with(settings: Settings, between: usize) -> Site {
        let made = Made::new(between);
        let server = EapServer::new(&made.certificates(), settings).unwrap();
        Site { server, made }
    }

    /// A server with these certificates.
    pub(super) fn of(made: Made, newest_tls: NewestTls) -> Site {
        let settings = Settings { newest_tls, ..Settings::default() };
        let server = EapServer::new(&made.certificates(), settings).unwrap();
        Site { server, made }
    }

    /// What a device needs that trusts this server.
    pub(super) fn trusting(
        &self,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Arc<ClientConfig> {
        Arc::new(self.root_trusted(versions).with_no_client_auth())
    }

    /// The same for a device that has a certificate and its key.
    pub(super) fn trusting_with(&self, (certificate, key): &(String, String)) -> Arc<ClientConfig> {
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let config = self.root_trusted(&[&TLS12, &TLS13]).with_client_auth_cert(chain, key);
        Arc::new(config.unwrap())
    }

    fn root_trusted(
        &self,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ConfigBuilder<ClientConfig, WantsClientCert> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.made.root.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
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

/// Certificates of a root that nobody else uses.
pub(super) struct Made {
    /// What devices must trust, and what signs theirs.
    pub(super) root: String,
    root_params: CertificateParams,
    root_key: KeyPair,
    pub(super) chain: String,
    pub(super) key: String,
    /// Whether devices may show certificates.
    pub(super) offers_eap_tls: bool,
}

impl Made {
    /// A chain that has so many certificates between the server's own and the root.
    pub(super) fn new(between: usize) -> Made {
        let root_key = KeyPair::generate().unwrap();
        let root_params = authority(format!("Lango's tests, {}", fastrand::u64(..)));
        let root = root_params.self_signed(&root_key).unwrap().pem();
        let mut chain = Vec::new();
        let mut signer =
            (root_params.clone(), KeyPair::from_pem(&root_key.serialize_pem()).unwrap());
        for number in 0..between {
            let key = KeyPair::generate().unwrap();
            // Names as long as an authority's most talkative ones.
            let params = authority(format!("Between {number} {}", "and on ".repeat(300)));
            let issuer = Issuer::from_params(&signer.0, &signer.1);
            chain.insert(0, params.signed_by(&key, &issuer).unwrap().pem());
            signer = (params, key);
        }
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["radius.lango".to_owned()]).unwrap();
        let issuer = Issuer::from_params(&signer.0, &signer.1);
        chain.insert(0, params.signed_by(&key, &issuer).unwrap().pem());
        let (chain, key) = (chain.concat(), key.serialize_pem());
        Made { root, root_params, root_key, chain, key, offers_eap_tls: false }
    }

    /// The same for a house whose devices have certificates.
    pub(super) fn with_eap_tls() -> Made {
        Made { offers_eap_tls: true, ..Made::new(0) }
    }

    pub(super) fn certificates(&self) -> Certificates<'_> {
        Certificates {
            chain: self.chain.as_bytes(),
            key: self.key.as_bytes(),
            authorities: self.offers_eap_tls.then_some(self.root.as_bytes()),
        }
    }

    /// A device's certificate and its key, signed by the root.
    pub(super) fn sign_for(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = Issuer::from_params(&self.root_params, &self.root_key);
        (params.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
    }
}

fn authority(name: String) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::OrganizationalUnitName, name);
    params
}
