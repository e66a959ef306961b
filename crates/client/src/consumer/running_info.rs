//! What every consumer says of itself where it is asked.

use eruca_protocol::{VERSION, body::ConsumerRunningInfo, version_name};

use super::{membership::Membership, rates::Rates};

impl Membership {
    /// What all kinds of consumers say in the same way, by the names that Java's give it.
    pub(crate) fn running_info(&self, rates: &Rates, is_ordered: bool) -> ConsumerRunningInfo {
        let properties = [
            ("PROP_CLIENT_VERSION", version_name(VERSION)),
            ("PROP_CONSUMEORDERLY", is_ordered.to_string()),
            ("PROP_CONSUME_TYPE", self.consume_type().to_string()),
            ("PROP_CONSUMER_START_TIMESTAMP", rates.since().0.to_string()),
            ("PROP_NAMESERVER_ADDR", self.session.name_server_addrs().join(";")),
            // From here on they are called as the settings are.
            ("clientRebalance", (!self.settings.is_assigned_by_broker).to_string()),
            ("consumeFromWhere", self.consume_from_where().to_string()),
            ("consumerGroup", self.group().to_owned()),
            ("messageModel", self.settings.model.to_string()),
        ];
        ConsumerRunningInfo {
            properties: properties.map(|(name, value)| (name.to_owned(), value)).into(),
            status_table: rates.table(self.topics(), self.session.now()),
            subscription_set: self.subscriptions().iter().map(|s| s.data().clone()).collect(),
            ..ConsumerRunningInfo::default()
        }
    }
}
