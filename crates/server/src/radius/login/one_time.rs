//! Passwords that are good for one login of one device at one router: handed to a browser that has
//! to log in there itself, because the router asks us.

use super::decision::Asking;
use super::lookup::Found;
use super::proof::Proof;
use super::{Desk, Silence};
use crate::operations::admit_device;
use lango_domain::access::Access;
use lango_domain::ids::RouterId;
use lango_domain::mac_address::MacAddress;
use lango_radius::Credentials;
use lango_store::{Tx, admissions};

/// One that was presented and is to be used up.
pub(super) struct OneTime {
    router: RouterId,
    mac: MacAddress,
    sealed: Vec<u8>,
}

impl Desk {
    /// The one-time password that was presented, with the proof that it is. Read only after the
    /// usual password did not fit.
    pub(super) async fn one_time<'r>(
        &self,
        asking: &Asking,
        credentials: &Credentials<'r>,
        found: &Found,
    ) -> Result<Option<(Proof<'r>, OneTime)>, Silence> {
        if !matches!(found.known.access, Access::Hotspot { .. }) {
            return Ok(None);
        }
        let (grant, router) = (found.known.stored.grant.id, asking.router);
        let handed = async move |tx: &mut Tx<'_>| admissions::handed_over(tx, grant, router).await;
        let handed = self.app.store().read(handed).await?;
        let now = self.app.clock().now();
        for row in &handed {
            let is_good = row.password_until.is_some_and(|until| now < until)
                && asking.device.is_none_or(|device| device == row.mac);
            let Some(sealed) = row.password.as_ref().filter(|_| is_good) else { continue };
            let clear = admit_device::open_password(&self.app, row, sealed)?;
            if let Some(proof) = Proof::by(credentials, clear.reveal()) {
                let one_time = OneTime { router, mac: row.mac, sealed: sealed.clone() };
                return Ok(Some((proof, one_time)));
            }
        }
        Ok(None)
    }

    /// Uses it up. False: somebody else was faster.
    pub(super) async fn use_up(&self, one_time: &OneTime) -> Result<bool, Silence> {
        let OneTime { router, mac, sealed } = one_time;
        let (router, mac, sealed) = (*router, *mac, sealed.clone());
        let used = self
            .app
            .store()
            .write(async move |tx: &mut Tx<'_>| {
                admissions::use_password(tx, router, mac, &sealed).await
            })
            .await?;
        Ok(used)
    }
}
