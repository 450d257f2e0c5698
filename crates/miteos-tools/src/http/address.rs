//! Which addresses may be reached. Pure: no name is resolved here.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A block of addresses, such as `10.1.0.0/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    base: IpAddr,
    prefix: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no block of addresses; one looks like 10.1.0.0/16 or fd00::/8")]
pub struct InvalidCidr(String);

impl FromStr for Cidr {
    type Err = InvalidCidr;

    fn from_str(text: &str) -> Result<Self, InvalidCidr> {
        let invalid = || InvalidCidr(text.chars().take(64).collect());
        let text = text.trim();
        let (base, prefix) = match text.split_once('/') {
            Some((base, prefix)) => (base, Some(prefix)),
            None => (text, None),
        };
        let base: IpAddr = base.parse().map_err(|_| invalid())?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.parse().ok().filter(|bits| *bits <= most).ok_or_else(invalid)?,
            None => most,
        };
        Ok(Self { base, prefix })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

impl Cidr {
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - self.prefix).unwrap_or(0);
                base.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - self.prefix).unwrap_or(0);
                base.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// What outgoing calls may reach besides public addresses.
#[derive(Debug, Clone, Default)]
pub struct EgressPolicy {
    pub allow: Vec<Cidr>,
}

impl EgressPolicy {
    /// From a comma list of blocks, as `MITEOS_EGRESS_ALLOW` has it.
    pub fn parse(list: &str) -> Result<Self, InvalidCidr> {
        let allow = list.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::parse);
        Ok(Self { allow: allow.collect::<Result<_, _>>()? })
    }

    /// Whether the owner has named a block with this address.
    pub(super) fn allows(&self, address: IpAddr) -> bool {
        self.allow.iter().any(|block| block.contains(address))
    }

    /// Why this address may not be reached; `None` when it may.
    pub fn refusal(&self, address: IpAddr) -> Option<&'static str> {
        if self.allows(address) {
            return None;
        }
        match address.to_canonical() {
            IpAddr::V4(address) => refused_v4(address),
            IpAddr::V6(address) => refused_v6(address),
        }
    }
}

/// Blocks of IPv4 that are not the public internet, by the IANA registry of special addresses, and what they are.
const REFUSED_V4: [(Ipv4Addr, u32, &str); 16] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, "this machine"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "private"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "a provider's inner network"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "this machine"),
    // The server of a cloud machine's credentials is here: 169.254.169.254.
    (Ipv4Addr::new(169, 254, 0, 0), 16, "link-local"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "private"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "reserved"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "for documentation"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "a retired relay"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "private"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "for measurements"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "for documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "for documentation"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "multicast"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "reserved or broadcast"),
    // Public by number, but Azure answers it inside every machine.
    (Ipv4Addr::new(168, 63, 129, 16), 32, "a cloud's metadata"),
];

fn refused_v4(address: Ipv4Addr) -> Option<&'static str> {
    REFUSED_V4
        .iter()
        .find(|(base, prefix, _)| {
            Cidr { base: IpAddr::V4(*base), prefix: *prefix }.contains(IpAddr::V4(address))
        })
        .map(|(_, _, what)| *what)
}

/// Refuses all of IPv6 but the public unicast block; addresses that carry an IPv4 address are judged by that.
fn refused_v6(address: Ipv6Addr) -> Option<&'static str> {
    let s = address.segments();
    match s {
        [0, 0, 0, 0, 0, 0, 0, 0] | [0, 0, 0, 0, 0, 0, 0, 1] => Some("this machine"),
        // IPv4-compatible, translated, and the well-known prefix of NAT64 carry the address in the last 32 bits.
        [0, 0, 0, 0, 0, 0, hi, lo] | [0, 0, 0, 0, 0xffff, 0, hi, lo] | [0x64, 0xff9b, 0, 0, 0, 0, hi, lo] => {
            refused_v4(embedded(hi, lo))
        }
        [0x2002, hi, lo, ..] => refused_v4(embedded(hi, lo)),
        // Teredo, benchmarks, ORCHID and the rest of the block for protocols.
        [0x2001, second, ..] if second < 0x200 => Some("reserved"),
        [0x2001, 0xdb8, ..] => Some("for documentation"),
        [0x3fff, second, ..] if second < 0x1000 => Some("for documentation"),
        [first, ..] if first & 0xe000 == 0x2000 => None,
        [first, ..] if first & 0xfe00 == 0xfc00 => Some("private"),
        [first, ..] if first & 0xffc0 == 0xfe80 => Some("link-local"),
        [first, ..] if first & 0xffc0 == 0xfec0 => Some("site-local"),
        [first, ..] if first & 0xff00 == 0xff00 => Some("multicast"),
        _ => Some("reserved"),
    }
}

fn embedded(hi: u16, lo: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits((u32::from(hi) << 16) | u32::from(lo))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> bool {
        EgressPolicy::default().refusal(text.parse().unwrap()).is_some()
    }

    #[test]
    fn public_addresses_may_be_reached() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "93.184.216.34",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.0.1",
            "100.128.0.1",
            "11.0.0.1",
            "169.253.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::1",
            "2400:cb00::1",
            "64:ff9b::808:808",
            "2002:808:808::1",
            "::ffff:8.8.8.8",
            "::8.8.8.8",
        ] {
            assert!(!refused(text), "{text}");
        }
    }

    #[test]
    fn everything_else_may_not() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "169.254.170.2",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "168.63.129.16",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:7f00:1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:2::1",
            "2001:10::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:a00:1::",
            "2002:c0a8:101::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "4000::1",
            "e000::1",
        ] {
            assert!(refused(text), "{text}");
        }
    }

    #[test]
    fn the_owner_can_allow_blocks() {
        let policy = EgressPolicy::parse("127.0.0.0/8, fd00::/8,10.1.2.3").unwrap();
        for text in ["127.0.0.1", "::ffff:127.9.9.9", "fd12::1", "10.1.2.3"] {
            assert!(policy.refusal(text.parse().unwrap()).is_none(), "{text}");
        }
        for text in ["10.1.2.4", "128.0.0.0", "::1", "fe80::1", "64:ff9b::7f00:1"] {
            let refused = policy.refusal(text.parse().unwrap()).is_some();
            assert_eq!(refused, text != "128.0.0.0", "{text}");
        }
        assert!(EgressPolicy::parse("0.0.0.0/0").unwrap().refusal("10.0.0.1".parse().unwrap()).is_none());
        assert!(EgressPolicy::parse("").unwrap().allow.is_empty());
        for bad in ["10.0.0.0/33", "::/129", "local", "10.0.0/8", "10.0.0.0/-1", "10.0.0.0/"] {
            assert!(EgressPolicy::parse(bad).is_err(), "{bad}");
        }
        assert_eq!("10.0.0.0/8".parse::<Cidr>().unwrap().to_string(), "10.0.0.0/8");
    }
}
