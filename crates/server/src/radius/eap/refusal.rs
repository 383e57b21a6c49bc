//! Why a login by EAP ended without success.

use lango_radius::eap::Malformed;

/// Why a login by EAP was refused, for whoever has to find out. The device is told less.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The octets are no EAP.
    #[error("the NAS sent EAP that cannot be read")]
    Malformed(#[from] Malformed),
    /// Something other than a name came first.
    #[error("the login did not begin with the device's name; the NAS must begin anew")]
    NotABeginning,
    /// The State is not one of ours, or no longer.
    #[error(
        "the login is over, was forgotten or began at another server; the device must try again"
    )]
    UnknownConversation,
    /// More messages than any login needs.
    #[error("the login was not finished within {limit} messages")]
    TooManyRounds {
        /// How many are allowed.
        limit: u32,
    },
    /// More octets in one message than any login needs.
    #[error("a message of the login is longer than {limit} octets")]
    TooLong {
        /// How many are allowed.
        limit: usize,
    },
    /// An answer to another question than was asked.
    #[error("the device sent {what} where the method allows none")]
    Unexpected {
        /// What came.
        what: &'static str,
    },
    /// The device is set up for something else.
    #[error("the device offers EAP {}: set it to PEAP or TTLS", methods(.wanted))]
    NoCommonMethod {
        /// The numbers of the methods it would use; none if it would use none.
        wanted: Vec<u8>,
    },
    /// A version of PEAP or TTLS that nobody deployed.
    #[error("the device speaks version {version} of PEAP or TTLS; only version 0 is spoken here")]
    Version {
        /// Which it wants.
        version: u8,
    },
    /// The device broke TLS off, most often because it does not trust our certificate.
    #[error(
        "the device broke TLS off: {alert}; if it names a certificate, the device must be told to \
         trust ours"
    )]
    DeviceBrokeOff {
        /// The alert, as TLS names it.
        alert: String,
    },
    /// TLS could not be agreed on.
    #[error("TLS with the device failed")]
    Tls(#[source] rustls::Error),
    /// The device is set up for another method inside PEAP.
    #[error("inside PEAP the device offers EAP {}: set it to MSCHAPv2", methods(.wanted))]
    NoCommonInnerMethod {
        /// The numbers of the methods it would use.
        wanted: Vec<u8>,
    },
    /// A name that is empty or no text.
    #[error("the device gave no name that can be read, in its certificate or inside the tunnel")]
    NoName,
    /// Nothing inside TTLS that can be checked.
    #[error("inside TTLS the device sent no password: set it to PAP or MSCHAPv2")]
    NoCredentials,
    /// CHAP cannot be checked against a hash.
    #[error(
        "the device uses CHAP, for which the password itself must be stored: set it to PAP or MSCHAPv2"
    )]
    NeedsClearText,
    /// No account has the name, or it may not log in.
    #[error("there is no account that may log in under the name that the device gave")]
    UnknownAccount,
    /// The device said nothing more for as long as a login may take.
    #[error("the device fell silent {0}")]
    FellSilent(Silence),
    /// A flood of logins pushed it out.
    #[error("the login was forgotten because too many were under way")]
    Forgotten,
    /// The password is not the account's.
    #[error("the password is wrong")]
    WrongPassword,
    /// The password was right, and yet the device did not go on: it did not believe us.
    #[error("the device broke off although its password was right")]
    DeviceDeclined,
}

/// When a device said its last word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Silence {
    /// It did not begin with TLS.
    #[error("before TLS began: it may be out of reach, or set to another method")]
    BeforeTls,
    /// It has our certificate, or a part of it.
    #[error(
        "when it saw the certificate: it may not trust it, wait for its user's consent, or not \
         receive long packets"
    )]
    AtCertificate,
    /// It was asked for its name or its password.
    #[error("when it was asked for name and password: its user may not have given them")]
    InTunnel,
}

/// The methods by name, if they are known, for a sentence.
fn methods(numbers: &[u8]) -> String {
    let name = |number: &u8| match number {
        4 => "MD5".to_owned(),
        5 => "OTP".to_owned(),
        6 => "GTC".to_owned(),
        13 => "TLS".to_owned(),
        18 => "SIM".to_owned(),
        21 => "TTLS".to_owned(),
        23 => "AKA".to_owned(),
        25 => "PEAP".to_owned(),
        26 => "MSCHAPv2".to_owned(),
        43 => "FAST".to_owned(),
        50 => "AKA'".to_owned(),
        52 => "PWD".to_owned(),
        55 => "TEAP".to_owned(),
        number => format!("method {number}"),
    };
    match numbers {
        [] | [0] => "nothing".to_owned(),
        numbers => numbers.iter().map(name).collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_what_the_device_offers() {
        let refusal = |wanted: &[u8]| Refusal::NoCommonMethod { wanted: wanted.into() }.to_string();
        assert_eq!(
            refusal(&[4, 99]),
            "the device offers EAP MD5, method 99: set it to PEAP or TTLS"
        );
        assert!(refusal(&[0]).contains("nothing"));
        assert!(refusal(&[]).contains("nothing"));
    }
}
