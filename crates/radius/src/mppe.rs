//! The keys by which a NAS encrypts a PPP connection after MS-CHAP (RFC 3079, RFC 2548 §2.4).
//!
//! Owns their derivation from the password. Never decides whether a connection is to be
//! encrypted: that is the caller's, who says it by [`Policy`] and [`ENCRYPTION_TYPES`].

use sha1::{Digest, Sha1};

use crate::mschap::NtHash;

/// The value of MS-MPPE-Encryption-Types: RC4 with 40 or with 128 bits (RFC 2548 §2.4.5).
pub const ENCRYPTION_TYPES: u32 = 6;

/// Whether the NAS shall encrypt (RFC 2548 §2.4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Policy {
    /// It may.
    Allowed,
    /// It must.
    Required,
}

impl Policy {
    /// The value of MS-MPPE-Encryption-Policy.
    pub fn number(self) -> u32 {
        match self {
            Policy::Allowed => 1,
            Policy::Required => 2,
        }
    }
}

/// The keys for both directions, as the NAS sees them.
#[derive(Clone)]
pub struct Keys {
    send: [u8; 16],
    receive: [u8; 16],
}

impl Keys {
    /// The keys that a master key makes (RFC 3079 §3.3).
    pub fn of(master_key: &[u8; 16]) -> Keys {
        const SEND: &[u8] = b"On the client side, this is the receive key; \
            on the server side, it is the send key.";
        const RECEIVE: &[u8] = b"On the client side, this is the send key; \
            on the server side, it is the receive key.";
        Keys { send: start_key(master_key, SEND), receive: start_key(master_key, RECEIVE) }
    }

    /// The value of MS-MPPE-Send-Key, before hiding: from the NAS to the user.
    pub fn send(&self) -> &[u8; 16] {
        &self.send
    }

    /// The value of MS-MPPE-Recv-Key, before hiding: from the user to the NAS.
    pub fn receive(&self) -> &[u8; 16] {
        &self.receive
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(..)")
    }
}

/// What both sides know after MS-CHAP version 2 (RFC 3079 §3.4).
pub fn master_key(hash: &NtHash, nt_response: &[u8; 24]) -> [u8; 16] {
    let digest = Sha1::new()
        .chain_update(hash.hashed())
        .chain_update(nt_response)
        .chain_update(b"This is the MPPE Master Key");
    first_half(digest)
}

/// The value of MS-CHAP-MPPE-Keys after version 1, before hiding: no LAN Manager key, the key for
/// 128 bits, padding (RFC 2548 §2.4.1).
pub fn ms_chap_keys(hash: &NtHash) -> [u8; 32] {
    let mut keys = [0; 32];
    keys[8..24].copy_from_slice(&hash.hashed());
    keys
}

fn start_key(master_key: &[u8; 16], direction: &[u8]) -> [u8; 16] {
    let digest = Sha1::new()
        .chain_update(master_key)
        .chain_update([0; 40])
        .chain_update(direction)
        .chain_update([0xf2; 40]);
    first_half(digest)
}

fn first_half(digest: Sha1) -> [u8; 16] {
    let digest: [u8; 20] = digest.finalize().into();
    std::array::from_fn(|place| digest[place])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_never_show_themselves() {
        assert_eq!(format!("{:?}", Keys::of(&[7; 16])), "Keys(..)");
    }

    #[test]
    fn the_two_directions_never_share_a_key() {
        let keys = Keys::of(&[7; 16]);
        assert_ne!(keys.send(), keys.receive());
    }
}
