//! The properties of a message on its way in: what they ask for, and what the broker adds.

use eruca_message::{
    Properties,
    properties::{
        CLUSTER, DELAY_TIME_LEVEL, INNER_NUM, LITE_TOPIC, MSG_REGION, PRIORITY, PROPERTY_SEPARATOR,
        SHARDING_KEY, TIMER_DELAY_MS, TIMER_DELAY_SEC, TIMER_DELIVER_MS, TRACE_SWITCH, TRANSACTION_PREPARED,
        UNIQUE_KEY, WAIT_STORE_MSG_OK, encode_property, pairs,
    },
};

/// What the properties ask for, found in one pass without a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Asked<'a> {
    /// The producer's id of the message.
    pub(super) unique_key: Option<&'a str>,
    /// Delivery at a time of its own.
    pub(super) has_timer: bool,
    /// Delay level, as text.
    pub(super) delay_level: Option<&'a str>,
    /// The half message of a transaction.
    pub(super) is_half: bool,
    /// It has a place in an order of its sender's.
    pub(super) is_ordered: bool,
    /// Its priority.
    pub(super) priority: Option<i32>,
    /// The lite topic that it is for.
    pub(super) lite_topic: Option<&'a str>,
    /// The sender does not want to wait for the disk.
    pub(super) no_wait: bool,
    /// The message says that it is an inner batch, which only the broker makes.
    pub(super) is_inner_batch: bool,
    /// A property is there that only the broker should add.
    pub(super) has_brokers_own: bool,
}

impl<'a> Asked<'a> {
    pub(super) fn scan(properties: &'a str) -> Asked<'a> {
        let mut asked = Asked::default();
        for (name, value) in pairs(properties) {
            match name {
                UNIQUE_KEY => asked.unique_key = Some(value),
                DELAY_TIME_LEVEL => asked.delay_level = Some(value),
                WAIT_STORE_MSG_OK => asked.no_wait = !value.eq_ignore_ascii_case("true"),
                TRANSACTION_PREPARED => asked.is_half = value.eq_ignore_ascii_case("true"),
                TIMER_DELAY_SEC | TIMER_DELAY_MS | TIMER_DELIVER_MS => asked.has_timer = true,
                INNER_NUM => asked.is_inner_batch = true,
                SHARDING_KEY => asked.is_ordered = true,
                LITE_TOPIC => asked.lite_topic = Some(value).filter(|name| !name.is_empty()),
                // As in Java: what is no number is none.
                PRIORITY => asked.priority = value.parse().ok().filter(|priority| *priority >= 0),
                MSG_REGION | TRACE_SWITCH | CLUSTER => asked.has_brokers_own = true,
                _ => {}
            }
        }
        asked
    }

    /// Whether its priority counts: as in Java it excludes transactions, delays and order, and where it does not count it is
    /// taken off.
    pub(super) fn is_by_priority(&self) -> bool {
        self.priority.is_some()
            && !(self.is_half || self.has_timer || self.is_ordered || self.delay_level.is_some())
    }

    /// Whether the message is to be delivered later.
    pub(super) fn may_wait(&self) -> bool {
        self.has_timer || self.delay_level.is_some_and(|level| level != "0")
    }
}

/// What the broker adds to every message that is sent alone.
#[derive(Debug, Clone)]
pub(super) struct BrokersOwn {
    region: String,
    cluster: String,
    /// Encoded, without and with tracing.
    encoded: [Vec<u8>; 2],
}

impl BrokersOwn {
    pub(super) fn new(region: &str, cluster: &str) -> BrokersOwn {
        let encode = |trace_on: bool| {
            let mut bytes = Vec::new();
            encode_property(&mut bytes, MSG_REGION, region);
            encode_property(&mut bytes, TRACE_SWITCH, trace_text(trace_on));
            encode_property(&mut bytes, CLUSTER, cluster);
            bytes
        };
        BrokersOwn {
            region: region.to_owned(),
            cluster: cluster.to_owned(),
            encoded: [encode(false), encode(true)],
        }
    }

    pub(super) fn region(&self) -> &str {
        &self.region
    }

    /// Appends `properties`, a unique key if one is given, and the broker's own to `out`.
    pub(super) fn add_to(
        &self,
        properties: &str,
        asked: &Asked<'_>,
        unique_key: Option<&str>,
        trace_on: bool,
        out: &mut Vec<u8>,
    ) {
        let [without, with] = &self.encoded;
        if asked.has_brokers_own {
            let mut table = Properties::decode(properties.as_bytes());
            table.set(MSG_REGION, self.region.as_str());
            table.set(TRACE_SWITCH, trace_text(trace_on));
            table.set(CLUSTER, self.cluster.as_str());
            table.encode(out);
        } else {
            out.extend_from_slice(properties.as_bytes());
            if out.last().is_some_and(|last| *last != PROPERTY_SEPARATOR) {
                out.push(PROPERTY_SEPARATOR);
            }
            out.extend_from_slice(if trace_on { with } else { without });
        }
        if let Some(key) = unique_key {
            encode_property(out, UNIQUE_KEY, key);
        }
    }
}

/// Rewrites encoded properties.
pub(super) fn rewrite<R>(encoded: &mut Vec<u8>, change: impl FnOnce(&mut Properties) -> R) -> R {
    let mut properties = Properties::decode(encoded);
    let result = change(&mut properties);
    encoded.clear();
    properties.encode(encoded);
    result
}

pub(super) fn trace_text(trace_on: bool) -> &'static str {
    if trace_on { "true" } else { "false" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pass_finds_what_is_asked() {
        let asked =
            Asked::scan("colour\u{1}blue\u{2}UNIQ_KEY\u{1}FD00\u{2}WAIT\u{1}false\u{2}DELAY\u{1}3\u{2}");
        assert_eq!(asked.unique_key, Some("FD00"));
        assert_eq!(asked.delay_level, Some("3"));
        assert!(asked.may_wait());
        assert!(asked.no_wait && !asked.is_half && !asked.has_brokers_own && !asked.has_timer);
        let asked = Asked::scan("TRAN_MSG\u{1}TRUE\u{2}TIMER_DELAY_MS\u{1}1\u{2}CLUSTER\u{1}x");
        assert!(asked.is_half && asked.has_brokers_own && asked.has_timer);
        assert_eq!(Asked::scan(""), Asked::default());
    }

    #[test]
    fn a_priority_counts_where_nothing_else_is_asked() {
        for (properties, priority, counts) in [
            ("_SYS_MSG_PRIORITY_\u{1}3\u{2}", Some(3), true),
            ("_SYS_MSG_PRIORITY_\u{1}0\u{2}TRAN_MSG\u{1}false\u{2}", Some(0), true),
            ("_SYS_MSG_PRIORITY_\u{1}3\u{2}DELAY\u{1}0\u{2}", Some(3), false),
            ("_SYS_MSG_PRIORITY_\u{1}3\u{2}__SHARDINGKEY\u{1}k\u{2}", Some(3), false),
            ("_SYS_MSG_PRIORITY_\u{1}3\u{2}TRAN_MSG\u{1}true\u{2}", Some(3), false),
            ("_SYS_MSG_PRIORITY_\u{1}3\u{2}TIMER_DELAY_SEC\u{1}1\u{2}", Some(3), false),
            ("_SYS_MSG_PRIORITY_\u{1}-1\u{2}", None, false),
            ("_SYS_MSG_PRIORITY_\u{1}high\u{2}", None, false),
        ] {
            let asked = Asked::scan(properties);
            assert_eq!((asked.priority, asked.is_by_priority()), (priority, counts), "{properties:?}");
        }
    }

    #[test]
    fn the_brokers_own_are_added_once() {
        let own = BrokersOwn::new("R", "C");
        let added = |properties: &str, key| {
            let mut out = Vec::new();
            own.add_to(properties, &Asked::scan(properties), key, true, &mut out);
            Properties::decode(&out).iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(added("a\u{1}b", None), "a=b MSG_REGION=R TRACE_ON=true CLUSTER=C");
        assert_eq!(added("", Some("K")), "MSG_REGION=R TRACE_ON=true CLUSTER=C UNIQ_KEY=K");
        assert_eq!(
            added("CLUSTER\u{1}other\u{2}TRACE_ON\u{1}false\u{2}", None),
            "CLUSTER=C TRACE_ON=true MSG_REGION=R"
        );
    }
}
