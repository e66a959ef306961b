//! Settings of a consumer that pulls what its user says.

use std::{path::PathBuf, sync::Arc};

use eruca_protocol::body::{ConsumeType, MessageModel};

use super::{
    super::membership::{MemberSettings, Membership},
    PullConsumer,
};
use crate::{
    StartError,
    client::{ClientSettings, Session},
    inbound::Inbound,
    setters::client_setters,
};

/// Settings of a [`PullConsumer`].
#[derive(Clone, Default)]
#[must_use]
pub struct PullConsumerBuilder {
    client: ClientSettings,
    member: MemberSettings,
}

impl PullConsumerBuilder {
    client_setters!();

    /// The consumer group, whose offsets are read and committed. Must be set.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.member.group = group.into();
        self
    }

    /// Offsets are kept in a file in `dir` instead of by the brokers, for this consumer alone.
    pub fn offsets_in_file(mut self, dir: impl Into<PathBuf>) -> Self {
        self.member.model = MessageModel::Broadcasting;
        self.member.offsets_dir = Some(dir.into());
        self
    }

    /// The consumer. To be called inside a Tokio runtime, in which it then runs.
    ///
    /// # Errors
    /// A setting is missing, or the offsets file cannot be read.
    pub async fn start(self) -> Result<PullConsumer, StartError> {
        let inbound = Arc::new(Inbound::default());
        let session = Arc::new(Session::open(self.client, Some(inbound.clone())).await?);
        let member = Membership::new(session, self.member, ConsumeType::Actively, &[])?;
        Ok(PullConsumer::start(member, &inbound))
    }
}
