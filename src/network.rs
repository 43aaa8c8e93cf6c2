//! Whom an address on the network stands for, and sockets.

pub mod socket;

use std::net::{IpAddr, Ipv6Addr};

/// Who shares the claims of an address: of IPv6 all of a network of 64 bits, as a host has as many addresses as it likes.
pub fn claimant(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

/// Who sends a request over a connection that admission does not know itself.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// Where it is: the claimant.
    pub address: IpAddr,
    /// The number of its connection.
    pub connection: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_is_one_and_a_mapped_address_is_that_of_ipv4() {
        let of = |text: &str| claimant(text.parse().expect("an address"));
        assert_eq!(of("2001:db8:1:2::3"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::3"), of("2001:db8:1:3::3"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
    }
}
