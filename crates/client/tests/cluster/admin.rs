//! The admin API.

use eruca_client::{Boundary, CallError, Message, MessageQueue, PullStatus, QueuePull, Timestamp};

use crate::{Seen, admin, consumer, fresh, noting, producer, send_numbered, text, until};

#[tokio::test]
#[ignore = "needs a cluster, see main.rs"]
async fn offsets_are_reset_and_clients_are_seen() {
    let (producer, admin, topic, group) = (producer().await, admin().await, fresh("reset"), fresh("g"));
    let expected = send_numbered(&producer, &topic, 12).await;
    let seen = Seen::default();
    let reader = noting(consumer(&group, &topic), &seen).start().await.unwrap();
    seen.reaches(&expected).await;
    let route = admin.examine_topic_route_info(&topic).await.unwrap();
    let addr = route.broker_datas[0].broker_addrs[&0].clone();

    let connection = admin.examine_consumer_connection_info(&addr, &group).await.unwrap();
    assert_eq!(connection.connection_set[0].client_id, reader.client_id());
    assert!(connection.subscription_table.contains_key(&topic));
    let info = admin.consumer_running_info(&addr, &group, reader.client_id(), false).await.unwrap();
    assert_eq!(info.mq_table.len(), 5, "four queues and the retry queue");
    let producers = admin.examine_producer_connection_info(&addr, "cluster-test-producer").await.unwrap();
    assert!(producers.connection_set.iter().any(|c| c.client_id == producer.client_id()));
    until("offsets are on the broker", async || {
        let stats = admin.examine_consume_stats(&addr, &group, Some(&topic)).await.unwrap();
        stats.offset_table.values().map(|offsets| offsets.consumer_offset).sum::<i64>() == 12
    })
    .await;
    assert!(admin.query_topic_consume_by_who(&addr, &topic).await.unwrap().group_list.contains(&group));

    let moved = admin.reset_offset_by_timestamp(&addr, &topic, &group, Timestamp(0), true).await.unwrap();
    assert_eq!(moved.len(), 4);
    until("all comes again", async || seen.all().len() == 24).await;

    let sent = producer.send(Message::new(&topic, "direct")).await.unwrap();
    let report = admin
        .consume_message_directly(&addr, &group, reader.client_id(), &topic, &sent.offset_message_id)
        .await
        .unwrap();
    assert_eq!(report.consume_result.unwrap().name(), "CR_SUCCESS");
    reader.shutdown().await;
    let gone = admin.examine_consumer_connection_info(&addr, &group).await;
    assert!(matches!(gone, Err(CallError::Refused { .. })), "{gone:?}");
}

#[tokio::test]
#[ignore = "needs a cluster, see main.rs"]
async fn admin_creates_looks_and_deletes() {
    let (producer, admin, topic) = (producer().await, admin().await, fresh("admin"));
    let clusters = admin.examine_broker_cluster_info().await.unwrap();
    let broker = clusters.broker_addr_table.values().next().unwrap();
    let addr = broker.broker_addrs[&0].clone();
    let config = eruca_protocol::body::TopicConfig {
        topic_name: topic.clone(),
        read_queue_nums: 3,
        write_queue_nums: 3,
        perm: 6,
        ..Default::default()
    };
    admin.create_and_update_topic_config(&addr, &config).await.unwrap();
    until("the route is there", async || admin.examine_topic_route_info(&topic).await.is_ok()).await;
    let route = admin.examine_topic_route_info(&topic).await.unwrap();
    assert_eq!(route.queue_datas[0].write_queue_nums, 3);
    assert_eq!(admin.examine_topic_config(&addr, &topic).await.unwrap().read_queue_nums, 3);
    assert!(admin.fetch_all_topic_list().await.unwrap().topic_list.contains(&topic));
    let cluster = clusters.cluster_addr_table.keys().next().unwrap();
    assert!(admin.fetch_topics_by_cluster(cluster).await.unwrap().topic_list.contains(&topic));

    let queue = MessageQueue::new(&topic, &broker.broker_name, 2);
    for number in 0..5 {
        let message =
            Message::new(&topic, format!("{number}")).with_keys(format!("key{number}")).with_tag("even");
        producer.send_to_queue(message, &queue).await.unwrap();
    }
    // The Java broker indexes a message a moment after it acknowledged it.
    until("all are indexed", async || admin.max_offset(&addr, &queue).await.unwrap() == 5).await;
    assert_eq!(admin.min_offset(&addr, &queue).await.unwrap(), 0);
    assert_eq!(admin.search_offset(&addr, &queue, Timestamp(0), Boundary::Lower).await.unwrap(), 0);
    let pull = QueuePull { group: "TOOLS_CONSUMER", queue: &queue, offset: 3, max_messages: 10, tags: "*" };
    let pulled = admin.pull(&addr, &pull).await.unwrap();
    assert_eq!((pulled.status, pulled.next_begin_offset), (PullStatus::Found, 5));
    assert_eq!(pulled.messages.iter().map(text).collect::<Vec<_>>(), ["3", "4"]);
    let none = admin.pull(&addr, &QueuePull { offset: 5, ..pull }).await.unwrap();
    assert_eq!(none.status, PullStatus::NoNewMessage);
    let stats = admin.examine_topic_stats(&addr, &topic).await.unwrap();
    assert_eq!(stats.offset_table[&queue].max_offset, 5);

    let group = fresh("g");
    assert_eq!(admin.consumer_offset(&addr, &group, &queue).await.unwrap(), None);
    let config = eruca_protocol::body::SubscriptionGroupConfig {
        group_name: group.clone(),
        retry_max_times: 7,
        ..Default::default()
    };
    admin.create_and_update_subscription_group_config(&addr, &config).await.unwrap();
    let groups = admin.all_subscription_group(&addr).await.unwrap();
    assert_eq!(groups.subscription_group_table[&group].retry_max_times, 7);
    admin.update_consume_offset(&addr, &group, &queue, 4).await.unwrap();
    assert_eq!(admin.consumer_offset(&addr, &group, &queue).await.unwrap(), Some(4));
    admin.fetch_consume_stats_in_broker(&addr, false).await.unwrap();
    admin.delete_subscription_group(&addr, &group, true).await.unwrap();

    let runtime = admin.fetch_broker_runtime_stats(&addr).await.unwrap();
    assert!(runtime.table.contains_key("bootTimestamp"));
    let config = admin.broker_config(&addr).await.unwrap();
    assert!(config.entries().any(|(key, _)| key == "brokerName"));
    let name_server = admin.name_server_addresses()[0].clone();
    assert!(admin.name_server_config(&name_server).await.unwrap().entries().any(|(k, _)| k == "listenPort"));
    admin.create_and_update_kv_config("TEST", "key", "value").await.unwrap();
    assert_eq!(admin.kv_config("TEST", "key").await.unwrap().as_deref(), Some("value"));
    assert_eq!(admin.kv_list_by_namespace("TEST").await.unwrap().len(), 1);
    admin.delete_kv_config("TEST", "key").await.unwrap();
    assert_eq!(admin.kv_config("TEST", "key").await.unwrap(), None);
    assert!(admin.wipe_write_perm_of_broker(&name_server, &broker.broker_name).await.unwrap() > 0);
    assert!(admin.add_write_perm_of_broker(&name_server, &broker.broker_name).await.unwrap() > 0);

    admin.delete_topic_in_broker(std::slice::from_ref(&addr), &topic).await.unwrap();
    admin.delete_topic_in_name_server(&[], None, &topic).await.unwrap();
    let gone = admin.examine_topic_route_info(&topic).await;
    assert!(matches!(gone, Err(CallError::TopicUnknown { .. })), "{gone:?}");
    admin.shutdown();
}
