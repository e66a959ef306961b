//! RocketMQ client for async Rust: Producer, PushConsumer, LitePullConsumer, admin API
