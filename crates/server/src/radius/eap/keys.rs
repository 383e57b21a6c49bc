//! The keys that a login leaves to the NAS and the device, for WPA.

use lango_radius::dictionary::{MS_MPPE_RECV_KEY, MS_MPPE_SEND_KEY};
use lango_radius::{Draft, EncodeError, Secret};

/// The master session key (RFC 3748 §7.10). Whoever has it can read what the device sends.
#[derive(Clone)]
pub struct Keys([u8; 64]);

impl Keys {
    pub(super) fn new(master_session_key: [u8; 64]) -> Keys {
        Keys(master_session_key)
    }

    /// The value of MS-MPPE-Recv-Key, before hiding: the first half (RFC 2548 §2.4.3).
    pub fn receive(&self) -> &[u8] {
        &self.0[..32]
    }

    /// The value of MS-MPPE-Send-Key, before hiding: the second half (RFC 2548 §2.4.2).
    pub fn send(&self) -> &[u8] {
        &self.0[32..]
    }

    /// Writes both into an Access-Accept. The salt should be random.
    pub fn put_into(
        &self,
        accept: &mut Draft,
        secret: &Secret,
        salt: u16,
    ) -> Result<(), EncodeError> {
        accept.hide_salted(MS_MPPE_SEND_KEY, secret, salt, self.send())?;
        accept.hide_salted(MS_MPPE_RECV_KEY, secret, salt, self.receive())
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(..)")
    }
}
