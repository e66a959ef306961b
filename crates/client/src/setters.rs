//! Settings that the builders of several clients have, each written once.
//!
//! The macros stand in an `impl` of a builder with the fields `client` ([`ClientSettings`](crate::client::ClientSettings)) and, for
//! members of groups, `member` (`MemberSettings`).

/// Name servers and clock.
macro_rules! connection_setters {
    () => {
        /// Addresses of the name servers: `host:port`, several separated by `;`. Must be set.
        pub fn name_servers(mut self, list: impl Into<String>) -> Self {
            self.client.name_servers = list.into();
            self
        }

        /// Where time comes from; the system clock by default.
        pub fn clock(mut self, clock: std::sync::Arc<dyn eruca_message::Clock>) -> Self {
            self.client.clock = clock;
            self
        }
    };
}

/// What every client of a group has.
macro_rules! client_setters {
    () => {
        $crate::setters::connection_setters! {}

        /// How this client calls itself, instead of a name of its own making. It must be unique in its cluster.
        pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
            self.client.client_id = Some(client_id.into());
            self
        }
    };
}

/// Traces of messages.
macro_rules! trace_setters {
    () => {
        /// Whether what this client does with messages is traced, in messages of the topic `RMQ_SYS_TRACE_TOPIC`; no by default.
        ///
        /// Traces are sent in the background and never make anybody wait: where they cannot be sent as fast as they come, they
        /// are lost, which the log says.
        pub fn trace(mut self, trace: bool) -> Self {
            self.client.trace(trace);
            self
        }

        /// Traces to another topic; see [`Self::trace`].
        pub fn trace_topic(mut self, topic: impl Into<String>) -> Self {
            self.client.trace_topic = Some(topic.into());
            self
        }
    };
}

/// Members of a group that share its queues, or get each all of them.
macro_rules! member_setters {
    () => {
        /// Where the group starts in queues of which it has no offset; [`ConsumeFrom::Last`] by default.
        pub fn consume_from(mut self, from: ConsumeFrom) -> Self {
            self.member.consume_from = from;
            self
        }

        /// How the members of the group share the queues, by average by default. All members must have the same one.
        pub fn allocation(mut self, strategy: AllocationStrategy) -> Self {
            self.member.allocation = strategy;
            self
        }

        /// Where a broadcasting consumer keeps its offsets; `~/.rocketmq_offsets` by default, as Java does.
        pub fn offsets_dir(mut self, dir: impl Into<std::path::PathBuf>) -> Self {
            self.member.offsets_dir = Some(dir.into());
            self
        }

        /// Tells broadcasting consumers of one group on one host apart, so that each has its own offsets; `DEFAULT` by
        /// default. It must be the same after a restart.
        pub fn instance_name(mut self, name: impl Into<String>) -> Self {
            self.member.instance_name = name.into();
            self
        }
    };
}

pub(crate) use {client_setters, connection_setters, member_setters, trace_setters};
