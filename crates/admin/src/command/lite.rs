//! What is told of lite topics: `getBrokerLiteInfo`, `getParentTopicInfo`, `getLiteTopicInfo`, `getLiteClientInfo`,
//! `getLiteGroupInfo`; and `triggerLiteDispatch`.

use std::io::Write;

use eruca_client::CallError;
use eruca_message::{Timestamp, lite::lite_queue};
use eruca_protocol::body::{
    BrokerData, GetBrokerLiteInfoResponseBody, LiteLagInfo, OffsetWrapper, to_standard_json,
};

use super::{Call, Command};
use crate::{CommandError, java_order::sort_names, ops, option::Opt, table, time_text::LocalTime};

const PARENT: Opt = Opt::required("p", "parentTopic", "Parent topic name");
const GROUP: Opt = Opt::required("g", "group", "Consumer group");

pub(super) static BROKER: Command = Command {
    name: "getBrokerLiteInfo",
    about: "Get broker lite info.",
    options: &[
        Opt::one_of("b", "brokerAddr", "Broker address"),
        Opt::one_of("c", "cluster", "Cluster name"),
        Opt::flag("d", "showDetail", "Show topic and group detail info"),
    ],
    run: |call| Box::pin(broker(call)),
};

pub(super) static PARENT_TOPIC: Command = Command {
    name: "getParentTopicInfo",
    about: "Get parent topic info.",
    options: &[PARENT],
    run: |call| Box::pin(parent_topic(call)),
};

pub(super) static LITE_TOPIC: Command = Command {
    name: "getLiteTopicInfo",
    about: "Get lite topic info.",
    options: &[
        PARENT,
        Opt::required("l", "liteTopic", "Lite topic name"),
        Opt::flag("s", "showClientId", "Show all clientId"),
    ],
    run: |call| Box::pin(lite_topic(call)),
};

pub(super) static CLIENT: Command = Command {
    name: "getLiteClientInfo",
    about: "Get lite client info.",
    options: &[
        PARENT,
        GROUP,
        Opt::required("c", "clientId", "Client id"),
        Opt::flag("s", "showDetail", "Show details"),
    ],
    run: |call| Box::pin(client(call)),
};

pub(super) static OF_GROUP: Command = Command {
    name: "getLiteGroupInfo",
    about: "Get lite group info.",
    options: &[
        PARENT,
        GROUP,
        Opt::value("l", "liteTopic", "query lite topic detail"),
        Opt::value("k", "topK", "topK value of each broker"),
    ],
    run: |call| Box::pin(group(call)),
};

pub(super) static DISPATCH: Command = Command {
    name: "triggerLiteDispatch",
    about: "Trigger Lite Dispatch.",
    options: &[
        PARENT,
        GROUP,
        Opt::value("c", "clientId", "clientId (optional)"),
        Opt::value("b", "brokerName", "brokerName (optional)"),
    ],
    run: |call| Box::pin(dispatch(call)),
};

const TOP_K: i32 = 20;

async fn broker(call: &mut Call<'_>) -> Result<(), CommandError> {
    let mut failures = Failures::default();
    let (arguments, is_detailed) = (call.arguments, call.arguments.has("d"));
    writeln!(
        call.out,
        "{:<30} {:<17} {:<10} {:<14} {:<20} {:<17} {:<15} {:<18} {:<15}",
        "#Broker",
        "#Store Type",
        "#Max LMQ",
        "#Current LMQ",
        "#SubscriptionCount",
        "#OrderInfoCount",
        "#CQTableSize",
        "#OffsetTableSize",
        "#eventMapSize"
    )?;
    if let Some(addr) = arguments.value("b") {
        let info = call.admin.broker_lite_info(addr).await?;
        return print_broker(call.out, addr, &info, is_detailed);
    }
    for addr in ops::master_addrs(call.admin, arguments.required("c")).await? {
        match call.admin.broker_lite_info(&addr).await {
            Ok(info) => print_broker(call.out, &addr, &info, is_detailed)?,
            Err(error) => failures.note(call, &addr, error)?,
        }
    }
    failures.tell()
}

fn print_broker(
    out: &mut dyn Write,
    addr: &str,
    info: &GetBrokerLiteInfoResponseBody,
    is_detailed: bool,
) -> Result<(), CommandError> {
    writeln!(
        out,
        "{addr:<30} {:<17} {:<10} {:<14} {:<20} {:<17} {:<15} {:<18} {:<15}",
        info.store_type,
        info.max_lmq_num,
        info.current_lmq_num,
        info.lite_subscription_count,
        info.order_info_count,
        info.cq_table_size,
        info.offset_table_size,
        info.event_map_size
    )?;
    if is_detailed {
        let json = |meta: Vec<u8>| String::from_utf8_lossy(&meta).into_owned();
        writeln!(out, "Topic Meta: {}", json(to_standard_json(&info.topic_meta)))?;
        writeln!(out, "Group Meta: {}", json(to_standard_json(&info.group_meta)))?;
        writeln!(out)?;
    }
    Ok(())
}

async fn parent_topic(call: &mut Call<'_>) -> Result<(), CommandError> {
    let mut failures = Failures::default();
    let topic = call.arguments.required("p");
    let brokers = brokers(call, topic).await?;
    writeln!(call.out, "Parent Topic Info: [{topic}]")?;
    writeln!(
        call.out,
        "{:<50} {:<8} {:<14} {:<14} {:<100} ",
        "#Broker Name", "#TTL", "#Lite Count", "#LMQ NUM", "#GROUPS"
    )?;
    for (broker_name, addr) in brokers {
        match call.admin.parent_topic_info(&addr, topic).await {
            Ok(info) => writeln!(
                call.out,
                "{:<50} {:<8} {:<14} {:<14} {:<100} ",
                table::front_at_least(&broker_name, 40),
                info.ttl,
                info.lite_topic_count,
                info.lmq_num,
                info.groups.map_or_else(|| "null".to_owned(), set)
            )?,
            Err(error) => failures.note(call, &broker_name, error)?,
        }
    }
    failures.tell()
}

async fn lite_topic(call: &mut Call<'_>) -> Result<(), CommandError> {
    let mut failures = Failures::default();
    let arguments = call.arguments;
    let (parent, lite) = (arguments.required("p"), arguments.required("l"));
    let brokers = brokers(call, parent).await?;
    writeln!(call.out, "Lite Topic Info: [{parent}] [{lite}] [{}]", lite_queue(parent, lite))?;
    writeln!(
        call.out,
        "{:<50} {:<14} {:<14} {:<30} {:<12} {:<18} ",
        "#Broker Name", "#MinOffset", "#MaxOffset", "#LastUpdate", "#Sharding", "#SubClientCount"
    )?;
    for (broker_name, addr) in brokers {
        let info = match call.admin.lite_topic_info(&addr, parent, lite).await {
            Ok(info) => info,
            Err(error) => {
                failures.note(call, &broker_name, error)?;
                continue;
            }
        };
        let subscribers = info.subscriber.unwrap_or_default();
        writeln!(
            call.out,
            "{:<50} {:<14} {:<14} {:<30} {:<12} {:<18} ",
            table::front_at_least(&broker_name, 40),
            info.topic_offset.min_offset,
            info.topic_offset.max_offset,
            time_or(&call.world.local_time, info.topic_offset.last_update_timestamp, "-"),
            info.sharding_to_broker,
            subscribers.len()
        )?;
        if arguments.has("s") {
            let names: Vec<String> =
                subscribers.into_iter().map(|who| format!("{}@{}", who.client_id, who.group)).collect();
            writeln!(call.out, "[{}]", names.join(", "))?;
        }
    }
    failures.tell()
}

async fn client(call: &mut Call<'_>) -> Result<(), CommandError> {
    let mut failures = Failures::default();
    let arguments = call.arguments;
    let (parent, group, id) = (arguments.required("p"), arguments.required("g"), arguments.required("c"));
    let brokers = brokers(call, parent).await?;
    writeln!(call.out, "Lite Client Info: [{parent}] [{group}] [{id}]")?;
    let print = |out: &mut dyn Write, row: [&str; 4]| {
        writeln!(out, "{:<30} {:<20} {:<30} {:<30} ", row[0], row[1], row[2], row[3])
    };
    print(call.out, ["#Broker", "#LiteTopicCount", "#LastAccessTime", "#LastConsumeTime"])?;
    for (broker_name, addr) in brokers {
        let info = match call.admin.lite_client_info(&addr, parent, group, id).await {
            Ok(info) => info,
            Err(error) => {
                failures.note(call, &broker_name, error)?;
                continue;
            }
        };
        let count = match info.lite_topic_count {
            1.. => info.lite_topic_count.to_string(),
            _ => "N/A".to_owned(),
        };
        let time = |at| time_or(&call.world.local_time, at, "N/A");
        let (accessed, consumed) = (time(info.last_access_time), time(info.last_consume_time));
        print(call.out, [&broker_name, &count, &accessed, &consumed])?;
        if arguments.has("s")
            && let Some(names) = info.lite_topic_set
        {
            writeln!(call.out, "Lite Topics: {}\n", set(names))?;
        }
    }
    failures.tell()
}

async fn group(call: &mut Call<'_>) -> Result<(), CommandError> {
    let mut failures = Failures::default();
    let arguments = call.arguments;
    let (parent, group) = (arguments.required("p"), arguments.required("g"));
    let top_k = arguments.parsed("k", "a number of lite topics")?.unwrap_or(TOP_K);
    let lite = arguments.value("l").filter(|lite| !lite.is_empty());
    let brokers = brokers(call, parent).await?;
    let now = call.world.now();
    writeln!(call.out, "Lite Group Info: [{group}] [{parent}]")?;
    let (mut total, mut earliest) = (0, now.0);
    let (mut by_count, mut by_time): (Vec<LiteLagInfo>, Vec<LiteLagInfo>) = (Vec::new(), Vec::new());
    if lite.is_some() {
        print_offsets(
            call.out,
            ["#Broker Name", "#BrokerOffset", "#ConsumeOffset", "#LagCount", "#LastUpdate"]
                .map(str::to_owned),
        )?;
    }
    for (broker_name, addr) in brokers {
        let info = match call.admin.lite_group_info(&addr, group, lite, top_k).await {
            Ok(info) => info,
            Err(error) => {
                failures.note(call, &broker_name, error)?;
                continue;
            }
        };
        total += info.total_lag_count.max(0);
        if info.earliest_unconsumed_timestamp > 0 {
            earliest = earliest.min(info.earliest_unconsumed_timestamp);
        }
        if lite.is_some() {
            let row = offsets_row(&call.world.local_time, broker_name, info.lite_topic_offset_wrapper);
            print_offsets(call.out, row)?;
        }
        by_count.extend(info.lag_count_top_k.unwrap_or_default());
        by_time.extend(info.lag_timestamp_top_k.unwrap_or_default());
    }
    writeln!(call.out, "Total Lag Count: {total}")?;
    let seconds = now.ms_since(Timestamp(earliest)) / 1_000;
    writeln!(call.out, "Min Unconsumed Timestamp: {earliest} ({seconds} s ago)\n")?;
    if lite.is_some() {
        return failures.tell();
    }
    by_count.sort_by_key(|lag| std::cmp::Reverse(lag.lag_count));
    writeln!(call.out, "------TopK by lag count-----")?;
    print_lags(call, &by_count)?;
    by_time.sort_by_key(|lag| lag.earliest_unconsumed_timestamp);
    writeln!(call.out, "\n------TopK by lag time------")?;
    print_lags(call, &by_time)?;
    failures.tell()
}

fn offsets_row(local_time: &LocalTime, broker_name: String, offsets: Option<OffsetWrapper>) -> [String; 5] {
    match offsets {
        None => [broker_name, "-".into(), "-".into(), "-".into(), "-".into()],
        Some(offsets) => [
            broker_name,
            offsets.broker_offset.to_string(),
            offsets.consumer_offset.to_string(),
            (offsets.broker_offset - offsets.consumer_offset).to_string(),
            time_or(local_time, offsets.last_timestamp, "-"),
        ],
    }
}

fn print_offsets(out: &mut dyn Write, row: [String; 5]) -> Result<(), CommandError> {
    Ok(writeln!(out, "{:<50} {:<16} {:<16} {:<16} {:<30}", row[0], row[1], row[2], row[3], row[4])?)
}

fn print_lags(call: &mut Call<'_>, lags: &[LiteLagInfo]) -> Result<(), CommandError> {
    writeln!(call.out, "{:<6} {:<40} {:<12} {:<30}", "NO", "Lite Topic", "Lag Count", "UnconsumedTimestamp")?;
    for (index, lag) in lags.iter().enumerate() {
        let at = time_or(&call.world.local_time, lag.earliest_unconsumed_timestamp, "-");
        writeln!(call.out, "{:<6} {:<40} {:<12} {at:<30}", index + 1, lag.lite_topic, lag.lag_count)?;
    }
    Ok(())
}

async fn dispatch(call: &mut Call<'_>) -> Result<(), CommandError> {
    let mut failures = Failures::default();
    let arguments = call.arguments;
    let (parent, group) = (arguments.required("p"), arguments.required("g"));
    let brokers = brokers(call, parent).await?;
    writeln!(call.out, "Group And Topic Info: [{group}] [{parent}]\n")?;
    let wanted = arguments.value("b");
    for (broker_name, addr) in
        brokers.into_iter().filter(|(name, _)| wanted.is_none_or(|wanted| wanted == name))
    {
        let done = call.admin.trigger_lite_dispatch(&addr, group, arguments.value("c")).await;
        writeln!(call.out, "{broker_name:<30} {:<12}", if done.is_ok() { "dispatched" } else { "error" })?;
        if let Err(error) = done {
            failures.0.get_or_insert(error);
        }
    }
    failures.tell()
}

/// Name and address of every broker that serves `topic`.
async fn brokers(call: &Call<'_>, topic: &str) -> Result<Vec<(String, String)>, CommandError> {
    let route = call.admin.examine_topic_route_info(topic).await?;
    let named = |group: &BrokerData| Some((group.broker_name.clone(), ops::addr_to_ask(group)?.to_owned()));
    Ok(route.broker_datas.iter().filter_map(named).collect())
}

/// Brokers that did not tell: the others may.
#[derive(Default)]
struct Failures(Option<CallError>);

impl Failures {
    /// As the Java tool prints it; why is said at the end.
    fn note(&mut self, call: &mut Call<'_>, broker: &str, error: CallError) -> Result<(), CommandError> {
        self.0.get_or_insert(error);
        Ok(writeln!(call.out, "[{broker}] error.")?)
    }

    fn tell(self) -> Result<(), CommandError> {
        self.0.map_or(Ok(()), |error| Err(error.into()))
    }
}

fn time_or(local_time: &LocalTime, at: i64, otherwise: &str) -> String {
    if at > 0 { local_time.to_millis(Timestamp(at)) } else { otherwise.to_owned() }
}

/// A set as Java prints it.
fn set(names: impl IntoIterator<Item = String>) -> String {
    let mut names: Vec<String> = names.into_iter().collect();
    sort_names(&mut names);
    format!("[{}]", names.join(", "))
}
