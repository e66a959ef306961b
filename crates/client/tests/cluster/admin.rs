//! The admin API.

use std::time::Duration;

use eruca_client::{Boundary, CallError, MessageQueue, PullStatus, QueuePull, Timestamp};

use super::*;

#[tokio::test]
#[ignore = "needs a cluster, see main.rs"]
async fn offsets_are_reset_and_clients_are_seen() {
    let (producer, admin, topic, group) = (producer().await, admin().await, fresh("reset"), fresh("g"));
    let expected = send_numbered(&producer, &topic, 12).await;
    let seen = Seen::default();
    let reader = noting(consumer(&group, &topic), &seen).start().await.unwrap();
    seen.reaches(&expected).await;
    let route = retried!(admin.examine_topic_route_info(&topic));
    let addr = route.broker_datas[0].broker_addrs[&0].clone();

    holds("the member and its subscription are known", async || {
        let told = admin.examine_consumer_connection_info(&addr, &group).await;
        told.is_ok_and(|connection| {
            connection.connection_set[0].client_id == reader.client_id()
                && connection.subscription_table.contains_key(&topic)
        })
    })
    .await;
    let info = retried!(admin.consumer_running_info(&addr, &group, reader.client_id(), false));
    assert_eq!(info.mq_table.len(), 5, "four queues and the retry queue");
    holds("the producer is known", async || {
        let told = admin.examine_producer_connection_info(&addr, "cluster-test-producer").await;
        told.is_ok_and(|known| known.connection_set.iter().any(|c| c.client_id == producer.client_id()))
    })
    .await;
    until("offsets are on the broker", async || {
        let stats = retried!(admin.examine_consume_stats(&addr, &group, Some(&topic)));
        stats.offset_table.values().map(|offsets| offsets.consumer_offset).sum::<i64>() == 12
    })
    .await;
    holds("the group consumes the topic", async || {
        let told = admin.query_topic_consume_by_who(&addr, &topic).await;
        told.is_ok_and(|told| told.group_list.contains(&group))
    })
    .await;

    // A broker that was killed cannot tell a member that it does not know yet: then once more.
    let bound = if kills::are_on() { Duration::from_secs(5) } else { PATIENCE };
    until("all comes again", async || {
        let before = seen.all().len();
        let moved = retried!(admin.reset_offset_by_timestamp(&addr, &topic, &group, Timestamp(0), true));
        assert_eq!(moved.len(), 4);
        within(bound, async || seen.all()[before..].iter().cloned().collect::<BTreeSet<_>>() == expected)
            .await
    })
    .await;
    times(24, seen.all().len(), "messages consumed");

    let sent = sent_by(&producer, Message::new(&topic, "direct")).await;
    let report = retried!(admin.consume_message_directly(
        &addr,
        &group,
        reader.client_id(),
        &topic,
        &sent.offset_message_id
    ));
    assert_eq!(report.consume_result.unwrap().name(), "CR_SUCCESS");
    reader.shutdown().await;
    holds("nobody of the group is known", async || {
        let gone = admin.examine_consumer_connection_info(&addr, &group).await;
        matches!(gone, Err(CallError::Refused { .. }))
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a cluster, see main.rs"]
async fn admin_creates_looks_and_deletes() {
    let (producer, admin, topic) = (producer().await, admin().await, fresh("admin"));
    let clusters = cluster_of(&admin).await;
    let broker = clusters.broker_addr_table.values().next().unwrap();
    let addr = broker.broker_addrs[&0].clone();
    let config = eruca_protocol::body::TopicConfig {
        topic_name: topic.clone(),
        read_queue_nums: 3,
        write_queue_nums: 3,
        perm: 6,
        ..Default::default()
    };
    retried!(admin.create_and_update_topic_config(&addr, &config));
    until("the route is there", async || admin.examine_topic_route_info(&topic).await.is_ok()).await;
    let route = retried!(admin.examine_topic_route_info(&topic));
    assert_eq!(route.queue_datas[0].write_queue_nums, 3);
    assert_eq!(retried!(admin.examine_topic_config(&addr, &topic)).read_queue_nums, 3);
    holds("the topic is listed", async || {
        admin.fetch_all_topic_list().await.is_ok_and(|list| list.topic_list.contains(&topic))
    })
    .await;
    let cluster = clusters.cluster_addr_table.keys().next().unwrap();
    holds("the topic is listed with its cluster", async || {
        admin.fetch_topics_by_cluster(cluster).await.is_ok_and(|list| list.topic_list.contains(&topic))
    })
    .await;

    let queue = MessageQueue::new(&topic, &broker.broker_name, 2);
    for number in 0..5 {
        let message =
            Message::new(&topic, format!("{number}")).with_keys(format!("key{number}")).with_tag("even");
        retried!(producer.send_to_queue(message.clone(), &queue));
    }
    // The Java broker indexes a message a moment after it acknowledged it.
    until("all are indexed", async || retried!(admin.max_offset(&addr, &queue)) == 5).await;
    assert_eq!(retried!(admin.min_offset(&addr, &queue)), 0);
    assert_eq!(retried!(admin.search_offset(&addr, &queue, Timestamp(0), Boundary::Lower)), 0);
    let pull = QueuePull { group: "TOOLS_CONSUMER", queue: &queue, offset: 3, max_messages: 10, tags: "*" };
    let pulled = retried!(admin.pull(&addr, &pull));
    assert_eq!((pulled.status, pulled.next_begin_offset), (PullStatus::Found, 5));
    assert_eq!(pulled.messages.iter().map(text).collect::<Vec<_>>(), ["3", "4"]);
    let none = retried!(admin.pull(&addr, &QueuePull { offset: 5, ..pull }));
    assert_eq!(none.status, PullStatus::NoNewMessage);
    let stats = retried!(admin.examine_topic_stats(&addr, &topic));
    assert_eq!(stats.offset_table[&queue].max_offset, 5);

    let group = fresh("g");
    assert_eq!(retried!(admin.consumer_offset(&addr, &group, &queue)), None);
    let config = eruca_protocol::body::SubscriptionGroupConfig {
        group_name: group.clone(),
        retry_max_times: 7,
        ..Default::default()
    };
    retried!(admin.create_and_update_subscription_group_config(&addr, &config));
    let groups = retried!(admin.all_subscription_group(&addr));
    assert_eq!(groups.subscription_group_table[&group].retry_max_times, 7);
    retried!(admin.update_consume_offset(&addr, &group, &queue, 4));
    assert_eq!(retried!(admin.consumer_offset(&addr, &group, &queue)), Some(4));
    retried!(admin.fetch_consume_stats_in_broker(&addr, false));
    retried!(admin.delete_subscription_group(&addr, &group, true));

    let runtime = retried!(admin.fetch_broker_runtime_stats(&addr));
    assert!(runtime.table.contains_key("bootTimestamp"));
    let config = retried!(admin.broker_config(&addr));
    assert!(config.entries().any(|(key, _)| key == "brokerName"));
    let name_server = admin.name_server_addresses()[0].clone();
    assert!(admin.name_server_config(&name_server).await.unwrap().entries().any(|(k, _)| k == "listenPort"));
    admin.create_and_update_kv_config("TEST", "key", "value").await.unwrap();
    assert_eq!(admin.kv_config("TEST", "key").await.unwrap().as_deref(), Some("value"));
    assert_eq!(admin.kv_list_by_namespace("TEST").await.unwrap().len(), 1);
    admin.delete_kv_config("TEST", "key").await.unwrap();
    assert_eq!(admin.kv_config("TEST", "key").await.unwrap(), None);
    let name = &broker.broker_name;
    holds("topics lose their permission", async || {
        admin.wipe_write_perm_of_broker(&name_server, name).await.unwrap() > 0
    })
    .await;
    holds("topics get it back", async || {
        admin.add_write_perm_of_broker(&name_server, name).await.unwrap() > 0
    })
    .await;

    retried!(admin.delete_topic_in_broker(std::slice::from_ref(&addr), &topic));
    admin.delete_topic_in_name_server(&[], None, &topic).await.unwrap();
    // Nor does a broker that was killed bring it back.
    holds("the topic is gone", async || {
        matches!(admin.examine_topic_route_info(&topic).await, Err(CallError::TopicUnknown { .. }))
    })
    .await;
    admin.shutdown();
}
