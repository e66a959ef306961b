//! `updateOrderConf`: which brokers hold how many queues of an ordered topic.

use super::{Call, Command, update_topic::ORDER_NAMESPACE};
use crate::{CommandError, option::Opt};

pub(super) static COMMAND: Command = Command {
    name: "updateOrderConf",
    about: "Create or update or delete order conf.",
    options: &[
        Opt::required("t", "topic", "topic name"),
        Opt::value("v", "orderConf", "set order conf [eg. brokerName1:num;brokerName2:num]"),
        Opt::required("m", "method", "option type [eg. put|get|delete"),
    ],
    run: |call| Box::pin(run(call)),
};

async fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let arguments = call.arguments;
    let topic = arguments.required("t");
    match arguments.required("m") {
        "get" => {
            let Some(conf) = call.admin.kv_config(ORDER_NAMESPACE, topic).await? else {
                return Err(CommandError::Refused(format!(
                    "topic '{topic}' has no order configuration; set one with -m put -v BROKER:QUEUES"
                )));
            };
            write!(call.out, "get orderConf success. topic=[{topic}], orderConf=[{conf}] ")?;
        }
        "put" => {
            let Some(conf) = arguments.value("v").filter(|conf| !conf.is_empty()) else {
                return Err(CommandError::Refused("-m put needs -v (orderConf): BROKER:QUEUES;…".to_owned()));
            };
            call.admin.create_and_update_kv_config(ORDER_NAMESPACE, topic, conf).await?;
            write!(call.out, "update orderConf success. topic=[{topic}], orderConf=[{conf}]")?;
        }
        "delete" => {
            call.admin.delete_kv_config(ORDER_NAMESPACE, topic).await?;
            write!(call.out, "delete orderConf success. topic=[{topic}]")?;
        }
        _ => return Err(arguments.invalid("m", "put, get or delete").into()),
    }
    Ok(())
}
