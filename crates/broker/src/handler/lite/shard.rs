//! Which broker of the cluster keeps a lite topic.

use std::sync::Arc;

use eruca_message::lite::lite_bucket;

use crate::{
    assignment::{ClusterQueues, Known},
    control::Control,
    settings::Settings,
};

/// Spreads lite topics over the brokers of their parent, by name.
#[derive(Debug, Clone)]
pub(crate) struct LiteShard {
    pub(crate) queues: Arc<ClusterQueues>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) control: Arc<Control>,
}

impl LiteShard {
    /// Whether this broker keeps the lite topic. While it does not know the others, it takes that for granted, and asks.
    pub(crate) fn is_ours(&self, parent: &str, lite: &str) -> bool {
        let known = self.queues.known(parent);
        if matches!(known, Known::Nothing | Known::Stale(_)) {
            self.queues.refresh(parent, &self.control);
        }
        let (Known::Queues(mut queues) | Known::Stale(mut queues)) = known else { return true };
        queues.sort();
        let bucket = lite_bucket(lite, queues.len());
        queues.get(bucket).is_none_or(|queue| queue.broker_name == self.settings.now().broker_name)
    }
}
