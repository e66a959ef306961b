//! RocketMQ name server: routes in memory and the requests on them
