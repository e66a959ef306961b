//! The commands as data: name, help, options, effect. One file each, in the order in which help lists them.

use std::{future::Future, io::Write, pin::Pin};

use crate::{Arguments, CommandError, option::Opt, session::Admin, world::World};

mod allocate_mq;
mod broker_config;
mod broker_consume_stats;
mod broker_epoch;
mod broker_status;
mod clean;
mod clone_group_offset;
mod cluster_list;
mod consume_message;
mod consumer_connection;
mod consumer_progress;
mod consumer_status;
mod controller;
mod delete_sub_group;
mod delete_topic;
mod engines;
mod get_consumer_config;
mod ha_status;
mod kv_config;
mod lite;
mod message_detail;
mod namesrv_config;
mod print_msg;
mod producer;
mod producer_connection;
mod query_cq;
mod query_msg_by_id;
mod query_msg_by_key;
mod query_msg_by_offset;
mod query_msg_by_unique_key;
mod query_msg_trace_by_id;
mod reset_offset;
mod send_message;
mod send_probes;
mod set_consume_mode;
mod stats_all;
mod topic_cluster_list;
mod topic_list;
mod topic_route;
mod topic_status;
mod update_order_conf;
mod update_sub_group;
mod update_topic;
mod update_topic_perm;
mod write_perm;

/// A command: one row of the table.
pub struct Command {
    /// Its name.
    pub name: &'static str,
    /// What it is for, in one line.
    pub about: &'static str,
    /// Its own options; `-h` and `-n` come with every command.
    pub options: &'static [Opt],
    /// What it does.
    pub run: for<'a, 'b> fn(&'a mut Call<'b>) -> Outcome<'a>,
}

/// A running command.
pub type Outcome<'a> = Pin<Box<dyn Future<Output = Result<(), CommandError>> + 'a>>;

/// One call of a command: what was typed, whom to ask, where to print.
pub struct Call<'c> {
    /// What was typed.
    pub arguments: &'c Arguments,
    /// The connection to the cluster.
    pub admin: &'c Admin,
    /// The name servers that `admin` asks, as they were given.
    pub name_servers: &'c str,
    /// Clock, time zone and files.
    pub world: &'c World,
    /// Where results are printed.
    pub out: &'c mut dyn Write,
}

/// All commands, in the order in which help lists them.
pub static COMMANDS: &[&Command] = &[
    &update_topic::COMMAND,
    &delete_topic::COMMAND,
    &update_sub_group::COMMAND,
    &set_consume_mode::COMMAND,
    &delete_sub_group::COMMAND,
    &broker_config::UPDATE,
    &update_topic_perm::COMMAND,
    &topic_route::COMMAND,
    &topic_status::COMMAND,
    &topic_cluster_list::COMMAND,
    &broker_status::COMMAND,
    &query_msg_by_id::COMMAND,
    &query_msg_by_key::COMMAND,
    &query_msg_by_unique_key::COMMAND,
    &query_msg_by_offset::COMMAND,
    &query_msg_trace_by_id::COMMAND,
    &print_msg::ALL,
    &print_msg::BY_QUEUE,
    &send_probes::STATUS,
    &broker_consume_stats::COMMAND,
    &producer_connection::COMMAND,
    &consumer_connection::COMMAND,
    &consumer_progress::COMMAND,
    &consumer_status::COMMAND,
    &clone_group_offset::COMMAND,
    &producer::COMMAND,
    &cluster_list::COMMAND,
    &topic_list::COMMAND,
    &kv_config::UPDATE,
    &kv_config::DELETE,
    &write_perm::WIPE,
    &write_perm::ADD,
    &reset_offset::BY_TIME,
    &reset_offset::SKIP,
    &update_order_conf::COMMAND,
    &clean::EXPIRED_CONSUME_QUEUE,
    &clean::EXPIRED_COMMIT_LOG,
    &clean::UNUSED_TOPIC,
    &stats_all::COMMAND,
    &allocate_mq::COMMAND,
    &send_probes::TOPIC_TIME,
    &send_probes::CLUSTER_TIME,
    &namesrv_config::GET,
    &namesrv_config::UPDATE,
    &broker_config::GET,
    &get_consumer_config::COMMAND,
    &query_cq::COMMAND,
    &send_message::COMMAND,
    &consume_message::COMMAND,
    &ha_status::COMMAND,
    &controller::SYNC_STATE_SET,
    &broker_epoch::COMMAND,
    &controller::METADATA,
    &controller::GET_CONFIG,
    &controller::UPDATE_CONFIG,
    &controller::ELECT_MASTER,
    &controller::CLEAN_BROKER,
    &engines::COLD_DATA,
    &engines::UPDATE_THRESHOLD,
    &engines::REMOVE_THRESHOLD,
    &engines::READ_AHEAD,
    &engines::TIMER_ENGINE,
    &lite::BROKER,
    &lite::PARENT_TOPIC,
    &lite::LITE_TOPIC,
    &lite::CLIENT,
    &lite::OF_GROUP,
    &lite::DISPATCH,
];
