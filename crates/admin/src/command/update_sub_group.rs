//! `updateSubGroup`: creates a consumer group or changes its settings.

use eruca_protocol::body::{self, GroupRetryPolicy, SubscriptionGroupConfig};

use super::{Call, Command, update_topic::attributes};
use crate::{Arguments, CommandError, config_text, ops, option::Opt};

pub(super) static COMMAND: Command = Command {
    name: "updateSubGroup",
    about: "Update or create subscription group.",
    options: &[
        Opt::value("b", "brokerAddr", "create subscription group to which broker"),
        Opt::value("c", "clusterName", "create subscription group to which cluster"),
        Opt::required("g", "groupName", "consumer group name"),
        Opt::value("s", "consumeEnable", "consume enable"),
        Opt::value("m", "consumeFromMinEnable", "from min offset"),
        Opt::value("d", "consumeBroadcastEnable", "broadcast"),
        Opt::value("o", "consumeMessageOrderly", "consume message orderly"),
        Opt::value("q", "retryQueueNums", "retry queue nums"),
        Opt::value("r", "retryMaxTimes", "retry max times"),
        Opt::value(
            "p",
            "groupRetryPolicy",
            "the json string of retry policy ( exp: \
             {\"type\":\"EXPONENTIAL\",\"exponentialRetryPolicy\":{\"initial\":5000,\"max\":7200000,\"multiplier\":2}} \
             {\"type\":\"CUSTOMIZED\",\"customizedRetryPolicy\":{\"next\":[1000,5000,10000]}} )",
        ),
        Opt::value("i", "brokerId", "consumer from which broker id"),
        Opt::value("w", "whichBrokerWhenConsumeSlowly", "which broker id when consume slowly"),
        Opt::value("a", "notifyConsumerIdsChanged", "notify consumerId changed"),
        Opt::value("", "attributes", "attribute(+a=b,+c=d,-e)"),
    ],
    run: |call| Box::pin(run(call)),
};

async fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let config = group_config(call.arguments)?;
    let addrs = ops::addrs_of_choice(call.admin, call.arguments).await?;
    for addr in addrs {
        call.admin.create_and_update_subscription_group_config(&addr, &config).await?;
        writeln!(call.out, "create subscription group to {addr} success.")?;
    }
    write!(call.out, "{}", config_text::group(&config))?;
    Ok(())
}

fn group_config(arguments: &Arguments) -> Result<SubscriptionGroupConfig, CommandError> {
    let default = SubscriptionGroupConfig::default();
    let broker_id = "the number of a broker in its group, 0 is the master";
    let policy = match arguments.value("p") {
        Some(json) => body::from_json::<GroupRetryPolicy>(json.as_bytes())
            .map_err(|error| arguments.invalid("p", &format!("a retry policy as JSON ({error})")))?,
        None => default.group_retry_policy.clone(),
    };
    Ok(SubscriptionGroupConfig {
        group_name: arguments.required("g").to_owned(),
        consume_enable: arguments.boolean("s").unwrap_or(default.consume_enable),
        consume_from_min_enable: arguments.boolean("m").unwrap_or(false),
        consume_broadcast_enable: arguments.boolean("d").unwrap_or(false),
        consume_message_orderly: arguments.boolean("o").unwrap_or(default.consume_message_orderly),
        retry_queue_nums: arguments.parsed("q", "a number of queues")?.unwrap_or(default.retry_queue_nums),
        retry_max_times: arguments.parsed("r", "a number of attempts")?.unwrap_or(default.retry_max_times),
        group_retry_policy: policy,
        broker_id: arguments.parsed("i", broker_id)?.unwrap_or(default.broker_id),
        which_broker_when_consume_slowly: arguments
            .parsed("w", broker_id)?
            .unwrap_or(default.which_broker_when_consume_slowly),
        notify_consumer_ids_changed_enable: arguments
            .boolean("a")
            .unwrap_or(default.notify_consumer_ids_changed_enable),
        attributes: attributes(arguments, "attributes")?,
        ..default
    })
}
