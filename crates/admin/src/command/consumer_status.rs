//! `consumerStatus`: what the members of a consumer group say of themselves.

use std::{collections::BTreeMap, fs};

use eruca_message::{Timestamp, names::is_retry_topic};
use eruca_protocol::{
    body::{Connection, ConsumeType, ConsumerConnection, ConsumerRunningInfo, MessageModel},
    version_name,
};

use super::{Call, Command};
use crate::{CommandError, message_text, ops, option::Opt, running_text};

pub(super) static COMMAND: Command = Command {
    name: "consumerStatus",
    about: "Query consumer's internal data structure.",
    options: &[
        Opt::required("g", "consumerGroup", "consumer group name"),
        Opt::value("i", "clientId", "The consumer's client id"),
        Opt::value("b", "brokerAddr", "broker address"),
        Opt::flag("s", "jstack", "Run jstack command in the consumer progress"),
    ],
    run: |call| Box::pin(run(call)),
};

/// Subscriptions of a group's members are compared when they had this much time to become equal.
const SETTLED_AFTER_MS: i64 = 2 * 60 * 1000;
/// A member that holds messages and consumed none for so long is reported.
const STUCK_AFTER_MS: i64 = 60 * 1000;

async fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (group, with_threads) = (call.arguments.required("g"), call.arguments.has("s"));
    if let Some(client_id) = call.arguments.value("i") {
        let info = ops::running_info(call.admin, group, client_id, with_threads).await?;
        write!(call.out, "{}", running_text::text(&info, &call.world.local_time))?;
        return Ok(());
    }
    let connection = match call.arguments.value("b") {
        Some(addr) => call.admin.examine_consumer_connection_info(addr, group).await?,
        None => ops::consumer_connection(call.admin, group).await?,
    };
    let same_ids = same_ids(&connection);
    let members = list(call, group, connection.connection_set, with_threads).await?;
    let now = call.world.now();
    if members.is_empty() {
        return Ok(());
    }
    if !subscriptions_agree(&members, now) {
        write!(call.out, "\n\nWARN: Different subscription in the same group of consumer!!!")?;
        return Ok(write!(call.out, "{}{same_ids}", differences(&members))?);
    }
    write!(call.out, "\n\nSame subscription in the same group of consumer")?;
    writeln!(call.out, "\n\nRebalance OK")?;
    for (client_id, info) in &members {
        for line in findings(info, now) {
            writeln!(call.out, "{client_id} {line}")?;
        }
    }
    // Java compares only where the first member is old enough.
    Ok(write!(call.out, "{}{same_ids}", differences(&members))?)
}

/// Clients that call themselves the same, after Java's text, which does not say it. One that has lost a connection may have
/// two as well, until the broker has noticed.
fn same_ids(connection: &ConsumerConnection) -> String {
    if connection.message_model == Some(MessageModel::Broadcasting) {
        return String::new();
    }
    let mut addrs: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for member in &connection.connection_set {
        addrs.entry(&member.client_id).or_default().push(&member.client_addr);
    }
    let mut text = String::new();
    for (client_id, mut addrs) in addrs.into_iter().filter(|(_, addrs)| addrs.len() > 1) {
        addrs.sort_unstable();
        text.push_str(&format!(
            "\n\nClient id {client_id} has {} connections: {}; where these are different clients they take the same queues, and consume \
             messages twice: give each an instance name or unit name of its own\n",
            addrs.len(),
            addrs.join(", ")
        ));
    }
    text
}

/// Which members ask for which messages of a topic, where they do not agree; after Java's text, which only says that they do
/// not. A topic that one does not ask for counts as well.
fn differences(members: &BTreeMap<String, ConsumerRunningInfo>) -> String {
    let is_shared = |info: &ConsumerRunningInfo| {
        info.properties.get("messageModel").is_none_or(|model| model != MessageModel::Broadcasting.name())
    };
    let mut wishes: BTreeMap<&str, BTreeMap<&str, Vec<&str>>> = BTreeMap::new();
    let mut subscribed = 0;
    for (client_id, info) in members.iter().filter(|(_, info)| is_shared(info)) {
        let asked = info.subscription_set.iter().filter(|asked| !is_retry_topic(&asked.topic));
        let mut asks = false;
        for subscription in asked {
            asks = true;
            let of_topic = wishes.entry(&subscription.topic).or_default();
            of_topic.entry(&subscription.sub_string).or_default().push(client_id);
        }
        subscribed += usize::from(asks);
    }
    let mut text = String::new();
    for (topic, of_topic) in wishes {
        let asking: usize = of_topic.values().map(Vec::len).sum();
        if of_topic.len() == 1 && asking == subscribed {
            continue;
        }
        text.push_str(&format!(
            "\n\nTopic {topic}: {asking} of {subscribed} members ask for it, not all alike; each is given what it asks for from \
             its own queues only\n"
        ));
        for (expression, clients) in of_topic {
            text.push_str(&format!("{expression:<40} {}\n", clients.join(", ")));
        }
    }
    text
}

/// Lists the members; what each says of itself goes to a file of its own, below a directory that is called as the
/// present time in milliseconds.
async fn list(
    call: &mut Call<'_>,
    group: &str,
    connections: Vec<Connection>,
    with_threads: bool,
) -> Result<BTreeMap<String, ConsumerRunningInfo>, CommandError> {
    writeln!(call.out, "{:<10} {:<40} {:<20} #ConsumerRunningInfoFile", "#Index", "#ClientId", "#Version")?;
    let dir = call.world.status_dir.join(call.world.now().0.to_string());
    let mut infos = BTreeMap::new();
    let mut failed = None;
    for member in connections {
        match ops::running_info(call.admin, group, &member.client_id, with_threads).await {
            Ok(info) => {
                let path = dir.join(message_text::file_name(&member.client_id));
                let written = fs::create_dir_all(&dir)
                    .and_then(|()| fs::write(&path, running_text::text(&info, &call.world.local_time)));
                let path = path.display().to_string();
                written.map_err(|source| CommandError::File { path: path.clone(), source })?;
                infos.insert(member.client_id.clone(), info);
                let (index, version) = (infos.len(), version_name(member.version));
                writeln!(call.out, "{index:<10} {:<40} {version:<20} {path}", member.client_id)?;
            }
            Err(error) => failed = Some(error),
        }
    }
    // Some members' words are worth more than one's silence.
    match failed {
        Some(error) if infos.is_empty() => Err(error),
        _ => Ok(infos),
    }
}

fn is_push(info: &ConsumerRunningInfo) -> bool {
    info.properties.get("PROP_CONSUME_TYPE").is_some_and(|name| name == ConsumeType::Passively.name())
}

fn subscriptions_agree(members: &BTreeMap<String, ConsumerRunningInfo>, now: Timestamp) -> bool {
    let mut infos = members.values();
    let Some(first) = infos.next() else { return true };
    let started: Option<i64> =
        first.properties.get("PROP_CONSUMER_START_TIMESTAMP").and_then(|at| at.parse().ok());
    let is_settled = started.is_some_and(|at| now.ms_since(Timestamp(at)) > SETTLED_AFTER_MS);
    let wanted = |info: &ConsumerRunningInfo| {
        let mut wanted: Vec<(String, String)> = info
            .subscription_set
            .iter()
            .map(|subscription| (subscription.topic.clone(), subscription.sub_string.clone()))
            .collect();
        wanted.sort();
        wanted
    };
    !(is_push(first) && is_settled) || infos.all(|info| wanted(info) == wanted(first))
}

/// Queues with which something is wrong.
fn findings(info: &ConsumerRunningInfo, now: Timestamp) -> Vec<String> {
    if !is_push(info) {
        return Vec::new();
    }
    let is_ordered = info.properties.get("PROP_CONSUMEORDERLY").is_some_and(|flag| flag == "true");
    let mut findings = Vec::new();
    for (queue, state) in &info.mq_table {
        let name = message_text::queue(queue);
        let idle_ms = now.ms_since(Timestamp(state.last_consume_timestamp));
        if is_ordered && !state.locked {
            let ms = now.ms_since(Timestamp(state.last_lock_timestamp));
            findings.push(format!("{name} can't lock for a while, {ms}ms"));
        } else if is_ordered && state.droped && state.try_unlock_times > 0 {
            findings.push(format!("{name} unlock {} times, still failed", state.try_unlock_times));
        } else if !is_ordered && idle_ms > STUCK_AFTER_MS && state.cached_msg_count > 0 {
            findings.push(format!("{name} can't consume for a while, maybe blocked, {idle_ms}ms"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use eruca_protocol::body::SubscriptionData;

    use super::*;

    fn member(asked: &[(&str, &str)]) -> ConsumerRunningInfo {
        let subscription = |(topic, expression): &(&str, &str)| SubscriptionData {
            topic: (*topic).to_owned(),
            sub_string: (*expression).to_owned(),
            ..SubscriptionData::default()
        };
        ConsumerRunningInfo {
            subscription_set: asked.iter().map(subscription).collect(),
            ..ConsumerRunningInfo::default()
        }
    }

    #[test]
    fn clients_that_call_themselves_the_same_are_named_with_their_addresses() {
        let of = |client_id: &str, client_addr: &str| Connection {
            client_id: client_id.to_owned(),
            client_addr: client_addr.to_owned(),
            ..Connection::default()
        };
        let mut group = ConsumerConnection {
            connection_set: vec![of("a@1", "10.0.0.2:1"), of("b@1", "10.0.0.3:1"), of("a@1", "10.0.0.1:1")],
            ..ConsumerConnection::default()
        };
        let text = same_ids(&group);
        assert!(text.contains("Client id a@1 has 2 connections: 10.0.0.1:1, 10.0.0.2:1"), "{text}");
        assert!(text.contains("instance name") && !text.contains("b@1"), "{text}");
        group.message_model = Some(MessageModel::Broadcasting);
        assert_eq!(same_ids(&group), "");
        group.connection_set.pop();
        group.message_model = Some(MessageModel::Clustering);
        assert_eq!(same_ids(&group), "");
    }

    #[test]
    fn members_that_do_not_ask_alike_are_named() {
        let members = |others: &[(&str, &str)]| -> BTreeMap<String, ConsumerRunningInfo> {
            let first = member(&[("T", "n > 5"), ("%RETRY%g", "*")]);
            [("a".to_owned(), first), ("b".to_owned(), member(others)), ("tool".to_owned(), member(&[]))]
                .into()
        };
        assert_eq!(differences(&members(&[("T", "n > 5")])), "");
        assert_eq!(
            differences(&members(&[("T", "*")])),
            format!(
                "\n\nTopic T: 2 of 2 members ask for it, not all alike; each is given what it asks for from its own queues only\n\
                 {:<40} b\n{:<40} a\n",
                "*", "n > 5"
            )
        );
        let text = differences(&members(&[("T", "n > 5"), ("U", "*")]));
        assert!(text.starts_with("\n\nTopic U: 1 of 2 members ask for it"), "{text}");
        let mut broadcasting = members(&[("T", "*")]);
        for info in broadcasting.values_mut() {
            info.properties.insert("messageModel".to_owned(), "BROADCASTING".to_owned());
        }
        assert_eq!(differences(&broadcasting), "");
    }
}
