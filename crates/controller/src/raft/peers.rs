//! The members of the Raft group, from Java's keys.

use std::fmt;

use serde::{Deserialize, Serialize};

/// More members than this make a group slower and no safer.
const PEERS_MAX: usize = 9;

/// One member.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Its name: `n0`.
    pub name: String,
    /// Where it listens, for brokers and the other members.
    pub addr: String,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.name, self.addr)
    }
}

/// All members, and which of them we are. A member's number in the group is its place in the order of names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peers {
    /// Name of the group.
    pub group: String,
    /// Members, sorted by name.
    members: Vec<Peer>,
    me: usize,
}

/// Why keys name no group.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeersError {
    /// A key has no value.
    #[error("{key} is not set; {example}")]
    Missing {
        /// The key.
        key: &'static str,
        /// What a value looks like.
        example: &'static str,
    },
    /// A member cannot be read.
    #[error("{key}: '{value}' is not allowed, each member must be {expected}")]
    Member {
        /// The key.
        key: &'static str,
        /// The member.
        value: String,
        /// What is allowed.
        expected: &'static str,
    },
    /// Two members are one.
    #[error("{key}: '{value}' is there twice")]
    Twice {
        /// The key.
        key: &'static str,
        /// What is there twice.
        value: String,
    },
    /// Too many.
    #[error("{key} names {count} members, it must be from 1 to {PEERS_MAX}")]
    Count {
        /// The key.
        key: &'static str,
        /// How many.
        count: usize,
    },
    /// We are none of them.
    #[error("{self_key} is '{value}', which {key} does not name: {names}")]
    NotAMember {
        /// The key that says who we are.
        self_key: &'static str,
        /// Its value.
        value: String,
        /// The key that names the members.
        key: &'static str,
        /// The members.
        names: String,
    },
    /// Two lists that belong together have different lengths.
    #[error(
        "jRaftInitConf names {init} members and jRaftControllerRPCAddr {rpc}: one address for each of them"
    )]
    Lengths {
        /// Members.
        init: usize,
        /// Addresses.
        rpc: usize,
    },
}

const PEERS: &str = "controllerDLegerPeers";
const SELF: &str = "controllerDLegerSelfId";
const RPC: &str = "jRaftControllerRPCAddr";

impl Peers {
    /// From `controllerDLegerGroup`, `controllerDLegerPeers` (`n0-host:port;n1-host:port`) and `controllerDLegerSelfId`.
    ///
    /// # Errors
    /// [`PeersError`].
    pub fn of_dledger(group: &str, peers: &str, self_id: &str) -> Result<Peers, PeersError> {
        let missing = |key| PeersError::Missing {
            key,
            example: "a group of one: controllerDLegerPeers=n0-127.0.0.1:9878 and controllerDLegerSelfId=n0",
        };
        if peers.trim().is_empty() {
            return Err(missing(PEERS));
        }
        if self_id.trim().is_empty() {
            return Err(missing(SELF));
        }
        let member = |text: &str| {
            let peer = text
                .split_once('-')
                .map(|(name, addr)| Peer { name: name.trim().into(), addr: addr.trim().into() });
            peer.filter(|peer| !peer.name.is_empty() && is_addr(&peer.addr)).ok_or_else(|| {
                PeersError::Member { key: PEERS, value: text.into(), expected: "'name-host:port'" }
            })
        };
        let members = peers.split(';').map(str::trim).filter(|text| !text.is_empty());
        let members = members.map(member).collect::<Result<Vec<_>, _>>()?;
        Peers::new(group, members, PEERS, (SELF, self_id.trim()))
    }

    /// From `jRaftGroupId`, `jRaftInitConf` (`host:port,host:port`), `jRaftServerId` and `jRaftControllerRPCAddr`: Java's
    /// members talk on the first list's ports and serve brokers on the second's, ours do both on the second's.
    ///
    /// # Errors
    /// [`PeersError`].
    pub fn of_jraft(group: &str, init: &str, server_id: &str, rpc: &str) -> Result<Peers, PeersError> {
        let list = |text: &str| {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            parts.map(str::to_owned).collect::<Vec<_>>()
        };
        let (names, addrs) = (list(init), list(rpc));
        if names.len() != addrs.len() {
            return Err(PeersError::Lengths { init: names.len(), rpc: addrs.len() });
        }
        if let Some(addr) = addrs.iter().find(|addr| !is_addr(addr)) {
            return Err(PeersError::Member { key: RPC, value: addr.clone(), expected: "'host:port'" });
        }
        let members = names.into_iter().zip(addrs).map(|(name, addr)| Peer { name, addr }).collect();
        Peers::new(group, members, "jRaftInitConf", ("jRaftServerId", server_id.trim()))
    }

    fn new(
        group: &str,
        mut members: Vec<Peer>,
        key: &'static str,
        (self_key, me): (&'static str, &str),
    ) -> Result<Peers, PeersError> {
        if members.is_empty() || members.len() > PEERS_MAX {
            return Err(PeersError::Count { key, count: members.len() });
        }
        members.sort_by(|a, b| a.name.cmp(&b.name));
        for (i, peer) in members.iter().enumerate() {
            let others = || members.iter().skip(i + 1);
            if others().any(|other| other.name == peer.name) {
                return Err(PeersError::Twice { key, value: peer.name.clone() });
            }
            if others().any(|other| other.addr == peer.addr) {
                return Err(PeersError::Twice { key, value: peer.addr.clone() });
            }
        }
        let position = members.iter().position(|peer| peer.name == me);
        let me = position.ok_or_else(|| PeersError::NotAMember {
            self_key,
            value: me.to_owned(),
            key,
            names: members.iter().map(|peer| peer.name.as_str()).collect::<Vec<_>>().join(", "),
        })?;
        let group = if group.trim().is_empty() { "default" } else { group.trim() };
        Ok(Peers { group: group.to_owned(), members, me })
    }

    /// The members by number.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Peer)> {
        (0_u64..).zip(&self.members)
    }

    /// The member with this number.
    pub fn get(&self, number: u64) -> Option<&Peer> {
        self.members.get(usize::try_from(number).ok()?)
    }

    /// Our number.
    pub fn my_number(&self) -> u64 {
        self.me as u64
    }

    /// This process.
    pub fn me(&self) -> &Peer {
        &self.members[self.me]
    }

    /// Whether we are alone.
    pub fn is_single(&self) -> bool {
        self.members.len() == 1
    }
}

/// `host:port`, as a broker can use it.
fn is_addr(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty()
            && !host.contains(char::is_whitespace)
            && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_numbered_by_name() {
        let peers = Peers::of_dledger("g", "n1-h1:2; n0-my-host:1;", "n1").expect("two members");
        assert_eq!(
            peers.iter().map(|(i, p)| format!("{i} {p}")).collect::<Vec<_>>(),
            ["0 n0-my-host:1", "1 n1-h1:2"]
        );
        assert_eq!((peers.my_number(), peers.me().addr.as_str(), peers.is_single()), (1, "h1:2", false));
    }

    #[test]
    fn jraft_members_serve_where_brokers_ask_them() {
        let peers = Peers::of_jraft("g", "a:9880,b:9881", "b:9881", "a:9770,b:9771").expect("two members");
        assert_eq!((peers.me().name.as_str(), peers.me().addr.as_str()), ("b:9881", "b:9771"));
        let error = Peers::of_jraft("g", "a:1,b:1", "a:1", "a:9770").expect_err("one address is missing");
        assert!(error.to_string().contains("jRaftInitConf names 2 members"), "{error}");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |peers: &str, me: &str| Peers::of_dledger("g", peers, me).expect_err(peers).to_string();
        assert!(error("", "n0").starts_with("controllerDLegerPeers is not set; a group of one:"));
        assert!(error("n0-h:1", "").starts_with("controllerDLegerSelfId is not set"));
        assert_eq!(
            error("n0-h:1;h:2", "n0"),
            "controllerDLegerPeers: 'h:2' is not allowed, each member must be 'name-host:port'"
        );
        assert!(error("n0-h:0", "n0").contains("'n0-h:0'"));
        assert_eq!(error("n0-h:1;n0-h:2", "n0"), "controllerDLegerPeers: 'n0' is there twice");
        assert_eq!(error("n0-h:1;n1-h:1", "n0"), "controllerDLegerPeers: 'h:1' is there twice");
        assert_eq!(
            error("n0-h:1", "n7"),
            "controllerDLegerSelfId is 'n7', which controllerDLegerPeers does not name: n0"
        );
        let many = (0..10).map(|i| format!("n{i}-h:{}", i + 1)).collect::<Vec<_>>().join(";");
        assert!(error(&many, "n0").contains("names 10 members"));
    }
}
