//! RocketMQ broker: handlers, topics, groups, offsets, long polling, retry and dead letters
