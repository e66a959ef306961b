//! Receiving messages.
//!
//! Read in this order: what is wanted (`subscription`), who of the group gets which queue (`membership`,
//! `allocation`, `rebalance`, `queue_rounds`), how messages are fetched (`pull`), what is kept of them (`process_queue`), how failed ones go back (`send_back`), and the
//! kinds of consumers (`push`, `lite_pull`, `pull_consumer`, `pop`, `lite`). What is told of it: `trace`, `rates`, `running_info`.

mod allocation;
mod lite;
mod lite_pull;
mod membership;
mod pop;
mod process_queue;
mod pull;
mod pull_consumer;
mod push;
mod queue_rounds;
mod rates;
mod rebalance;
mod running_info;
mod send_back;
mod subscription;
mod trace;

pub use lite::{LiteConsumer, LiteConsumerBuilder, LiteError, LiteMessage, LiteStart};
pub use lite_pull::{LitePullConsumer, LitePullConsumerBuilder, LitePullError};
pub use membership::ConsumeFrom;
pub use pop::{PopConsumer, PopConsumerBuilder, PopError, PoppedMessage};
pub(crate) use pull::pull_once;
pub use pull::{PullOutcome, PullStatus};
pub use pull_consumer::{PullConsumer, PullConsumerBuilder, PullError};
pub use push::{ConsumeStatus, Messages, OrderedConsumeStatus, PushConsumer, PushConsumerBuilder};
pub use rebalance::{AllocationStrategy, RoomOf};
pub use subscription::Filter;
