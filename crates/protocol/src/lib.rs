//! RocketMQ remoting protocol: frames and typed requests; no I/O, no async
