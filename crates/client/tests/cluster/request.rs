//! Messages that wait for their answer.

use std::time::Duration;

use eruca_client::RequestError;

use super::*;

#[tokio::test]
#[ignore = "needs a cluster, see main.rs"]
async fn a_request_is_answered() {
    let (topic, group) = (fresh("questions"), fresh("answerers"));
    let (asker, replier) = (producer().await, producer().await);
    let replying = replier.clone();
    let consumer = consumer(&group, &topic)
        .on_messages(move |messages| {
            let replier = replying.clone();
            async move {
                for message in messages {
                    let body = format!("re: {}", text(&message));
                    if !body.ends_with("no answer") && replier.reply(&message, body).await.is_err() {
                        return ConsumeStatus::RetryLater;
                    }
                }
                ConsumeStatus::Success
            }
        })
        .start()
        .await
        .unwrap();
    for question in ["one".to_owned(), "two".to_owned(), "large ".repeat(10_000)] {
        let reply = retried!(asker.request(Message::new(&topic, question.clone()), PATIENCE));
        assert_eq!(text(&reply), format!("re: {question}"));
    }
    holds("nobody answers", async || {
        let silence = asker.request(Message::new(&topic, "no answer"), Duration::from_secs(1)).await;
        matches!(silence, Err(RequestError::NoReply { .. }))
    })
    .await;
    consumer.shutdown().await;
    asker.shutdown().await;
    replier.shutdown().await;
}
