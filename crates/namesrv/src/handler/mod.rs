//! One handler per family of requests; each owns what it uses.

mod answer;
mod cluster;
mod config;
mod kv;
mod registration;
mod topic_list;
mod topic_route;

pub(crate) use answer::Answer;
pub(crate) use cluster::ClusterHandler;
pub(crate) use config::ConfigHandler;
pub(crate) use kv::KvHandler;
pub(crate) use registration::RegistrationHandler;
pub(crate) use topic_list::TopicListHandler;
pub(crate) use topic_route::TopicRouteHandler;
