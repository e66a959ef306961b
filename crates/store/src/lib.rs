//! RocketMQ storage engine: CommitLog, ConsumeQueue, recovery; embeddable, no network
