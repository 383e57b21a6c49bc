//! Amounts of data and of speed, kept apart by type: a cap is not a rate, and upload is not
//! download.

use std::fmt;
use std::ops::Add;
use std::str::FromStr;

/// A number of bytes, both directions together.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Debug,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
pub struct DataSize(u64);

impl DataSize {
    /// No data.
    pub const ZERO: DataSize = DataSize(0);

    /// So many bytes.
    pub const fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// So many megabytes of a million bytes, as operators sell them.
    pub const fn megabytes(megabytes: u64) -> Self {
        Self(megabytes.saturating_mul(1_000_000))
    }

    /// In bytes.
    pub const fn as_bytes(self) -> u64 {
        self.0
    }

    /// What is left after taking `other` away; nothing if that is more.
    pub const fn less(self, other: DataSize) -> DataSize {
        DataSize(self.0.saturating_sub(other.0))
    }
}

impl Add for DataSize {
    type Output = DataSize;
    fn add(self, other: DataSize) -> DataSize {
        DataSize(self.0.saturating_add(other.0))
    }
}

impl fmt::Display for DataSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units =
            [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
        for (size, name) in units {
            if self.0 >= size {
                let tenths = self.0 / (size / 10);
                return if tenths.is_multiple_of(10) {
                    write!(f, "{} {name}", tenths / 10)
                } else {
                    write!(f, "{}.{} {name}", tenths / 10, tenths % 10)
                };
            }
        }
        write!(f, "{} B", self.0)
    }
}

/// A speed limit, in bits per second, as the customer sees it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Speed {
    /// From the customer, bits per second.
    pub upload: u64,
    /// To the customer, bits per second.
    pub download: u64,
}

/// Why a text is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAQuantity {
    /// Not an amount of data.
    #[error("`{0}` is not an amount of data: write for example `500MB` or `2GB`")]
    Data(String),
    /// Not a speed.
    #[error("`{0}` is not a speed: write upload/download, for example `2M/5M` or `512k/1M`")]
    Speed(String),
}

impl FromStr for DataSize {
    type Err = NotAQuantity;
    fn from_str(text: &str) -> Result<Self, NotAQuantity> {
        let units = [
            ("", 1),
            ("B", 1),
            ("KB", 1_000),
            ("MB", 1_000_000),
            ("GB", 1_000_000_000),
            ("TB", 1_000_000_000_000),
        ];
        with_unit(text, &units).map(DataSize).ok_or_else(|| NotAQuantity::Data(text.to_owned()))
    }
}

impl FromStr for Speed {
    type Err = NotAQuantity;
    fn from_str(text: &str) -> Result<Self, NotAQuantity> {
        let bits = |part: &str| {
            with_unit(part, &[("", 1), ("K", 1_000), ("M", 1_000_000), ("G", 1_000_000_000)])
        };
        let (upload, download) = text.split_once('/').unwrap_or((text, text));
        match (bits(upload), bits(download)) {
            (Some(upload), Some(download)) if upload > 0 && download > 0 => {
                Ok(Speed { upload, download })
            }
            _ => Err(NotAQuantity::Speed(text.to_owned())),
        }
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |bits: u64| match bits {
            _ if bits >= 1_000_000 && bits.is_multiple_of(1_000_000) => {
                format!("{}M", bits / 1_000_000)
            }
            _ if bits >= 1_000 && bits.is_multiple_of(1_000) => format!("{}k", bits / 1_000),
            _ => bits.to_string(),
        };
        write!(f, "{}/{}", short(self.upload), short(self.download))
    }
}

fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit = text[digits..].trim().to_ascii_uppercase();
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    text[..digits].parse::<u64>().ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_as_operators_sell_it() {
        assert_eq!("2GB".parse(), Ok(DataSize::megabytes(2000)));
        assert_eq!("500 mb".parse(), Ok(DataSize::megabytes(500)));
        assert!("many".parse::<DataSize>().is_err());
        assert!("99999999999TB".parse::<DataSize>().is_err());
        assert_eq!(DataSize::megabytes(1500).to_string(), "1.5 GB");
    }

    #[test]
    fn speed_is_upload_then_download() {
        assert_eq!("512k/1M".parse(), Ok(Speed { upload: 512_000, download: 1_000_000 }));
        assert_eq!("5M".parse::<Speed>().unwrap().to_string(), "5M/5M");
        assert!("0/1M".parse::<Speed>().is_err(), "RouterOS reads 0 as unlimited");
    }
}
