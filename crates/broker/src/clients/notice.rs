//! Telling the members of a group that it changed, so that they share the queues anew at once.

use std::sync::Arc;

use eruca_protocol::{RemotingCommand, body::MessageModel, request::NotifyConsumerIdsChangedRequest};

use super::ConsumerTable;
use crate::{groups::GroupTable, settings::Settings};

/// Sends `NOTIFY_CONSUMER_IDS_CHANGED` where it is wanted.
#[derive(Debug)]
pub struct ConsumerIdsNotice {
    consumers: Arc<ConsumerTable>,
    groups: Arc<GroupTable>,
    settings: Arc<Settings>,
}

impl ConsumerIdsNotice {
    /// A notice to the members in `consumers`.
    pub fn new(consumers: Arc<ConsumerTable>, groups: Arc<GroupTable>, settings: Arc<Settings>) -> Self {
        ConsumerIdsNotice { consumers, groups, settings }
    }

    /// Tells all members of `group`, unless broker or group have it switched off. Members that each get all messages
    /// have no queues to share.
    pub fn send(&self, group: &str) {
        if !self.settings.now().notify_consumer_ids_changed_enable
            || self.groups.get(group).is_some_and(|config| !config.notify_consumer_ids_changed_enable)
            || self.consumers.message_model(group) == Some(MessageModel::Broadcasting)
        {
            return;
        }
        let header = NotifyConsumerIdsChangedRequest { consumer_group: group.to_owned() };
        let request = RemotingCommand::request(&header);
        for caller in self.consumers.callers(group) {
            if let Err(error) = caller.notify(request.clone()) {
                // It finds out by itself within 20 seconds.
                tracing::debug!(group, %error, "change of a group not told");
            }
        }
    }

    /// The connection is gone, and its place in groups with it.
    pub fn disconnected(&self, caller_id: u64) {
        self.consumers.disconnected(caller_id).iter().for_each(|group| self.send(group));
    }
}
