package interop.scenarios;

import interop.Await;
import interop.Case;
import interop.Check;
import interop.Kills;
import interop.Scenario;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.exception.RequestTimeoutException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.RequestCallback;
import org.apache.rocketmq.client.utils.MessageUtil;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** A message that waits for its answer. */
public final class RequestReplyScenarios {
    /** Well above what a loaded machine needs; the asker gives up then. */
    private static final long PATIENCE_MS = 30_000;

    public static final List<Scenario> LIST = List.of(
        Scenario.of("request-reply", RequestReplyScenarios::answered, "binary", "kill"),
        Scenario.of("request-no-reply", RequestReplyScenarios::unanswered, "kill-all"),
        Scenario.of("request-reply-too-late", RequestReplyScenarios::tooLate, "kill"));

    private RequestReplyScenarios() {
    }

    private static String text(Message message) {
        return new String(message.getBody(), StandardCharsets.UTF_8);
    }

    private static Message message(String topic, String body) {
        return new Message(topic, body.getBytes(StandardCharsets.UTF_8));
    }

    private static DefaultMQPushConsumer consume(Case c, String topic, MessageListenerConcurrently listener) throws Exception {
        DefaultMQPushConsumer consumer = c.pushConsumer(c.freshName());
        consumer.subscribe(topic, "*");
        consumer.setMessageListener(listener);
        consumer.start();
        return consumer;
    }

    static void answered(Case c) throws Exception {
        String topic = c.freshTopic(4);
        DefaultMQProducer asker = c.producer();
        DefaultMQProducer replier = c.producer();
        AtomicReference<Exception> failure = new AtomicReference<>();
        consume(c, topic, (batch, context) -> {
            for (MessageExt request : batch) {
                try {
                    byte[] body = ("re: " + text(request)).getBytes(StandardCharsets.UTF_8);
                    replier.send(MessageUtil.createReplyMessage(request, body));
                } catch (Exception e) {
                    // A broker that was killed does not know the asker before its next heartbeat; it asks again.
                    failure.set(Kills.areOn() ? null : e);
                }
            }
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        for (int i = 0; i < 20; i++) {
            Check.equal("re: " + i, text(ask(asker, topic, "" + i)), "reply");
        }
        // Larger than what clients send uncompressed.
        String large = "x".repeat(50_000);
        Check.equal("re: " + large, text(ask(asker, topic, large)), "large reply");
        Check.equal(null, failure.get(), "failure of a reply");
    }

    private static Message ask(DefaultMQProducer asker, String topic, String body) throws Exception {
        return Case.retried("reply to " + body.length() + " characters",
            () -> asker.request(message(topic, body), Kills.areOn() ? 3_000 : PATIENCE_MS));
    }

    static void unanswered(Case c) throws Exception {
        String topic = c.freshTopic(1);
        DefaultMQProducer asker = c.producer();
        Case.retried("no answer", () -> {
            try {
                Message reply = asker.request(message(topic, "anyone?"), 1_000);
                throw new AssertionError("nobody can have answered " + text(reply));
            } catch (RequestTimeoutException expected) {
                Check.that(expected.getMessage() != null, "a message");
                return true;
            }
        });
    }

    /** Nobody is interested in the answer. */
    private static void ask(DefaultMQProducer asker, String topic, AtomicBoolean isLost) throws Exception {
        try {
            asker.request(message(topic, "soon gone"), new RequestCallback() {
                @Override
                public void onSuccess(Message reply) {
                }

                @Override
                public void onException(Throwable e) {
                    isLost.set(Kills.areOn());
                }
            }, Kills.areOn() ? 5_000 : PATIENCE_MS);
        } catch (Exception e) {
            isLost.set(Kills.areOn());
            throw e;
        }
    }

    static void tooLate(Case c) throws Exception {
        String topic = c.freshTopic(1);
        DefaultMQProducer asker = c.unstartedProducer();
        asker.start();
        DefaultMQProducer replier = c.producer();
        AtomicReference<MessageExt> request = new AtomicReference<>();
        consume(c, topic, (batch, context) -> {
            request.set(batch.get(0));
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        AtomicBoolean isLost = new AtomicBoolean(true);
        Await.until("the request arrives", () -> {
            if (isLost.compareAndSet(true, false)) {
                ask(asker, topic, isLost);
            }
            return request.get() != null;
        });
        asker.shutdown();
        Await.until("the broker refuses the reply and names the client", () -> {
            try {
                replier.send(MessageUtil.createReplyMessage(request.get(), new byte[] {1}));
                return false;
            } catch (MQClientException | MQBrokerException e) {
                // The one after its retries, the other at once.
                return Stream.iterate((Throwable) e, Objects::nonNull, Throwable::getCause)
                    .anyMatch(cause -> String.valueOf(cause.getMessage()).contains("not found"));
            }
        });
    }
}
