//! Who has to make room when there is too much of something.
//!
//! What is held for callers is bounded in all. Were the newcomer refused when that is full, one caller who
//! holds on to everything would keep out everybody else; were the oldest thrown out, one who comes often
//! enough would. So each address has an equal claim, within an address each connection, and it is the oldest
//! of whoever has most that goes: "longest queue drop" (Suter et al., Infocom 1998), with amounts in place
//! of queues.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;

/// Whom something is held for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Peer {
    /// Where it is.
    pub address: IpAddr,
    /// The connection, by a number that no other one has.
    pub connection: u64,
}

/// Something that is held for a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share<K> {
    pub peer: Peer,
    /// How much it is.
    pub amount: u64,
    /// What it is called; an older one has a smaller key.
    pub key: K,
}

/// The oldest share of the connection that has most of the address that has most; of several such the one
/// that holds the oldest share. Shares of nothing are never chosen. Costs a look at each.
pub(super) fn largest<K: Copy + Ord>(shares: impl Iterator<Item = Share<K>> + Clone) -> Option<Share<K>> {
    let shares = shares.filter(|share| share.amount > 0);
    let address = most(shares.clone(), |peer| peer.address)?;
    let of_address = shares.filter(move |share| share.peer.address == address);
    let connection = most(of_address.clone(), |peer| peer.connection)?;
    of_address.filter(|share| share.peer.connection == connection).min_by_key(|share| share.key)
}

/// Who of those that `who` tells apart has most.
fn most<K: Copy + Ord, W: Copy + Eq + Hash>(
    shares: impl Iterator<Item = Share<K>>,
    who: impl Fn(Peer) -> W,
) -> Option<W> {
    let mut held: HashMap<W, (u64, Reverse<K>)> = HashMap::new();
    for share in shares {
        let (amount, oldest) = held.entry(who(share.peer)).or_insert((0, Reverse(share.key)));
        *amount = amount.saturating_add(share.amount);
        *oldest = (*oldest).max(Reverse(share.key));
    }
    held.into_iter().max_by_key(|(_, held)| *held).map(|(who, _)| who)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn share(host: u8, connection: u64, amount: u64, key: u64) -> Share<u64> {
        let peer = Peer { address: Ipv4Addr::new(10, 0, 0, host).into(), connection };
        Share { peer, amount, key }
    }

    fn chosen(shares: &[Share<u64>]) -> Option<u64> {
        largest(shares.iter().copied()).map(|share| share.key)
    }

    #[test]
    fn the_oldest_of_the_connection_with_most_of_the_address_with_most_makes_room() {
        assert_eq!(chosen(&[]), None);
        assert_eq!(chosen(&[share(1, 1, 0, 1)]), None, "nothing is no share");
        // An address with many connections of one each, beside one with a connection of two.
        let many =
            [share(1, 1, 1, 2), share(1, 2, 1, 3), share(1, 3, 1, 4), share(2, 4, 1, 0), share(2, 4, 1, 1)];
        assert_eq!(chosen(&many), Some(2));
        assert_eq!(chosen(&many[1..]), Some(0), "as much, and older");
        // Within an address it is the connection with most, though another's share is older.
        assert_eq!(chosen(&[share(1, 1, 5, 0), share(1, 2, 3, 1), share(1, 2, 3, 2)]), Some(1));
        assert_eq!(chosen(&[share(1, 1, 7, 0), share(1, 2, 3, 1), share(1, 2, 3, 2)]), Some(0));
    }
}
