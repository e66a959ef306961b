//! RocketMQ remoting over Tokio: server, client, connections, back-pressure
