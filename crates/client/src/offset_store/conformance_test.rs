//! What both kinds of offset store must do.

use std::{collections::BTreeSet, sync::Arc};

use super::*;
use crate::testing::{FakeCluster, session};

fn queue(id: i32) -> MessageQueue {
    MessageQueue::new("t", "broker-a", id)
}

async fn conforms(open: impl AsyncFn() -> OffsetStore) {
    let store = open().await;
    assert_eq!(store.read(&queue(0)).await.unwrap(), None, "nothing was committed");

    store.advance(&queue(0), 5);
    store.advance(&queue(0), 3);
    assert_eq!(store.known(&queue(0)), Some(5), "advance never goes back");
    store.set(&queue(0), 4);
    assert_eq!(store.known(&queue(0)), Some(4), "set does");
    store.set(&queue(1), 9);
    assert_eq!(store.all_known().len(), 2);

    store.persist(&BTreeSet::from([queue(0), queue(2)])).await.unwrap();
    let reopened = open().await;
    assert_eq!(
        reopened.read(&queue(0)).await.unwrap(),
        Some(4),
        "what was persisted is read by the next one"
    );
    assert_eq!(reopened.read(&queue(1)).await.unwrap(), None, "what was not is not");
}

#[tokio::test]
async fn the_file_store_conforms() {
    let dir = tempfile::tempdir().unwrap();
    conforms(async || OffsetStore::in_file(OffsetFile::new(dir.path(), "client", "g")).unwrap()).await;
}

#[tokio::test]
async fn the_broker_store_conforms() {
    let cluster = FakeCluster::start(&["broker-a"]);
    cluster.topic("t", 3);
    conforms(async || {
        let session = Arc::new(session(&cluster).await);
        session.route("t").await.unwrap();
        OffsetStore::on_brokers(session, "g")
    })
    .await;
}
