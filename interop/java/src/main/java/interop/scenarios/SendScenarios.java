package interop.scenarios;

import interop.Await;
import interop.Case;
import interop.Check;
import interop.Kills;
import interop.Received;
import interop.Scenario;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Every way of sending; what arrives must be what was sent. */
public final class SendScenarios {
    public static final List<Scenario> LIST = List.of(
        Scenario.of("send-sync", SendScenarios::sync, "basic", "binary", "kill"),
        Scenario.of("send-async", SendScenarios::async, "binary", "kill"),
        Scenario.of("send-oneway", SendScenarios::oneway, "binary", "kill"),
        Scenario.of("send-batch", SendScenarios::batch, "basic", "binary", "kill"),
        Scenario.of("send-compressed", SendScenarios::compressed, "binary", "kill"),
        Scenario.of("send-chosen-queue", SendScenarios::chosenQueue, "kill-all"),
        Scenario.of("send-vip-channel", SendScenarios::vipChannel, "kill"),
        Scenario.of("send-creates-topic", SendScenarios::createsTopic, "basic", "kill-all"));

    private SendScenarios() {
    }

    static void sync(Case c) throws Exception {
        String topic = c.freshTopic(4);
        Received received = new Received();
        c.startPush(c.freshName(), topic, "*", received);
        Message message = new Message(topic, "TagÄ", "schlüssel-钥匙", "Grüße, 你好 🚀".getBytes(StandardCharsets.UTF_8));
        message.putUserProperty("plain", "value with = and , and ; and \"quotes\"");
        message.putUserProperty("ünïcödé", "значение 🌱");
        SendResult result = Case.sendOk(c.producer(), message);
        Check.equal(topic, result.getMessageQueue().getTopic(), "topic of the result");
        Check.that(result.getQueueOffset() == 0 || Kills.areOn(), "first offset of the queue: " + result.getQueueOffset());
        Check.equal(Case.uniqueKey(message), result.getMsgId(), "message id is the unique key");

        received.awaitExactly(List.of("schlüssel-钥匙"));
        MessageExt got = at(received.all(), result, 0);
        Check.equal("Grüße, 你好 🚀", new String(got.getBody(), StandardCharsets.UTF_8), "body");
        Check.equal("TagÄ", got.getTags(), "tag");
        for (String name : List.of("plain", "ünïcödé")) {
            Check.equal(message.getUserProperty(name), got.getUserProperty(name), "property " + name);
        }
        Check.equal(result.getMsgId(), got.getMsgId(), "message id");
        Check.equal(result.getMessageQueue().getQueueId(), got.getQueueId(), "queue");
        Check.equal(result.getQueueOffset(), got.getQueueOffset(), "queue offset");
        Check.equal(0, got.getReconsumeTimes(), "reconsume times");
        Check.that(got.getStoreTimestamp() >= got.getBornTimestamp() - 1000, "stored after it was born");
    }

    static void async(Case c) throws Exception {
        String topic = c.freshTopic(4);
        Received received = new Received();
        c.startPush(c.freshName(), topic, "*", received);
        DefaultMQProducer producer = c.producer();
        List<CompletableFuture<SendResult>> results = new ArrayList<>();
        List<String> keys = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            keys.add("async-" + i);
            results.add(sendAsync(producer, topic, i));
        }
        for (int i = 0; i < 100; i++) {
            int number = i;
            // Made again where the broker was away.
            SendResult result = Case.retried("sent " + i, () -> (results.get(number).isCompletedExceptionally()
                ? sendAsync(producer, topic, number) : results.get(number)).get(30, TimeUnit.SECONDS));
            Check.equal(SendStatus.SEND_OK, result.getSendStatus(), "status");
        }
        received.awaitExactly(keys);
        for (int i = 0; i < 100; i++) {
            Check.equal((byte) i, received.byKey("async-" + i).getBody()[0], "body of async-" + i);
        }
    }

    private static CompletableFuture<SendResult> sendAsync(DefaultMQProducer producer, String topic, int number) throws Exception {
        CompletableFuture<SendResult> result = new CompletableFuture<>();
        producer.send(new Message(topic, "", "async-" + number, new byte[] {(byte) number}), new SendCallback() {
            @Override
            public void onSuccess(SendResult sendResult) {
                result.complete(sendResult);
            }

            @Override
            public void onException(Throwable e) {
                result.completeExceptionally(e);
            }
        });
        return result;
    }

    static void oneway(Case c) throws Exception {
        String topic = c.freshTopic(4);
        Received received = new Received();
        c.startPush(c.freshName(), topic, "*", received);
        DefaultMQProducer producer = c.producer();
        List<String> keys = new ArrayList<>();
        for (int i = 0; i < 50; i++) {
            keys.add("oneway-" + i);
            sendOneway(producer, topic, i);
        }
        if (Kills.areOn()) {
            sendAgain(producer, topic, keys, received);
        }
        received.awaitExactly(keys);
    }

    private static void sendOneway(DefaultMQProducer producer, String topic, int number) throws Exception {
        Case.retried("sent oneway-" + number, () -> {
            producer.sendOneway(new Message(topic, "tag", "oneway-" + number, ("body-" + number).getBytes()));
            return true;
        });
    }

    /** What nobody acknowledges a kill may lose: the missing ones once a second again. */
    private static void sendAgain(DefaultMQProducer producer, String topic, List<String> keys, Received received) {
        long[] at = {System.nanoTime()};
        Await.until("all came", () -> {
            if (System.nanoTime() - at[0] > 1_000_000_000L) {
                at[0] = System.nanoTime();
                for (int i = 0; i < keys.size(); i++) {
                    if (!received.keys().contains(keys.get(i))) {
                        producer.sendOneway(new Message(topic, "tag", keys.get(i), ("body-" + i).getBytes()));
                    }
                }
            }
            return received.keys().containsAll(keys);
        });
    }

    static void batch(Case c) throws Exception {
        String topic = c.freshTopic(4);
        Received received = new Received();
        c.startPush(c.freshName(), topic, "*", received);
        DefaultMQProducer producer = c.producer();
        List<Message> batch = new ArrayList<>();
        List<String> keys = new ArrayList<>();
        for (int i = 0; i < 40; i++) {
            Message message = new Message(topic, "tag" + i % 3, "batch-" + i, ("Körper " + i).getBytes(StandardCharsets.UTF_8));
            message.putUserProperty("number", String.valueOf(i));
            batch.add(message);
            keys.add("batch-" + i);
        }
        SendResult result = Case.retried("sent the batch", () -> producer.send(batch));
        Check.equal(SendStatus.SEND_OK, result.getSendStatus(), "status");
        Check.equal(40, result.getMsgId().split(",").length, "ids of the batch");
        Check.equal(40, result.getOffsetMsgId().split(",").length, "offset ids of the batch");

        received.awaitExactly(keys);
        for (int i = 0; i < 40; i++) {
            MessageExt got = at(received.allByKey("batch-" + i), result, i);
            Check.equal("Körper " + i, new String(got.getBody(), StandardCharsets.UTF_8), "body");
            Check.equal("tag" + i % 3, got.getTags(), "tag");
            Check.equal(String.valueOf(i), got.getUserProperty("number"), "property");
            Check.equal(result.getMessageQueue().getQueueId(), got.getQueueId(), "one batch, one queue");
            Check.equal(result.getQueueOffset() + i, got.getQueueOffset(), "offsets follow each other");
        }
    }

    /** Of what came, the one that lies where the broker said; an earlier try of the send may lie elsewhere. */
    private static MessageExt at(List<MessageExt> received, SendResult result, int number) {
        return received.stream().filter(m -> m.getQueueId() == result.getMessageQueue().getQueueId()
            && m.getQueueOffset() == result.getQueueOffset() + number).findFirst().orElse(received.get(0));
    }

    static void compressed(Case c) throws Exception {
        String topic = c.freshTopic(2);
        Received received = new Received();
        c.startPush(c.freshName(), topic, "*", received);
        DefaultMQProducer producer = c.producer();
        byte[] text = "all work and no play makes jack a dull boy. 好好学习\n".repeat(3000).getBytes(StandardCharsets.UTF_8);
        byte[] noise = new byte[1_000_000];
        new Random(7).nextBytes(noise);
        Case.sendOk(producer, new Message(topic, "", "text", text));
        Case.sendOk(producer, new Message(topic, "", "noise", noise));
        received.awaitExactly(List.of("text", "noise"));
        Check.that(Arrays.equals(text, received.byKey("text").getBody()), "compressible body is the same");
        Check.that(Arrays.equals(noise, received.byKey("noise").getBody()), "random body is the same");
        int stored = received.byKey("text").getStoreSize();
        Check.that(stored < text.length / 10, "stored compressed, but takes " + stored + " bytes");
    }

    static void chosenQueue(Case c) throws Exception {
        String topic = c.freshTopic(6);
        DefaultMQProducer producer = c.producer();
        List<MessageQueue> queues = Case.retried("route", () -> producer.fetchPublishMessageQueues(topic));
        Check.equal(6, queues.size(), "queues to publish to");
        for (MessageQueue queue : queues) {
            long next = 0;
            for (int i = 0; i < 3; i++) {
                Message message = new Message(topic, "", "k" + i, "x".getBytes());
                SendResult result = Case.retried("sent k" + i, () -> producer.send(message, queue));
                Check.equal(queue, result.getMessageQueue(), "queue");
                // Behind what was sent before, and there an earlier try may lie.
                Check.times(next, result.getQueueOffset(), "offset in " + queue);
                next = result.getQueueOffset() + 1;
            }
        }
        SendResult selected = Case.retried("sent sel", () -> producer.send(new Message(topic, "", "sel", "x".getBytes()),
            (all, message, arg) -> all.get((Integer) arg), 2));
        Check.equal(queues.get(2), selected.getMessageQueue(), "selected queue");
    }

    static void vipChannel(Case c) throws Exception {
        String topic = c.freshTopic(2);
        DefaultMQProducer producer = c.unstartedProducer();
        producer.setVipChannelEnabled(true);
        producer.start();
        Case.sendSome(producer, topic, "vip", 5);
    }

    static void createsTopic(Case c) throws Exception {
        String topic = c.freshName();
        Case.sendOk(c.producer(), new Message(topic, "", "first", "x".getBytes()));
        Await.until("route of the new topic", () -> !c.cluster.admin().examineTopicRouteInfo(topic).getQueueDatas().isEmpty());
        var queues = Case.retried("route", () -> c.cluster.admin().examineTopicRouteInfo(topic)).getQueueDatas();
        Check.equal(1, queues.size(), "brokers with the topic");
        Check.equal(4, queues.get(0).getReadQueueNums(), "read queues");
        Check.equal(4, queues.get(0).getWriteQueueNums(), "write queues");
        Check.equal(6, queues.get(0).getPerm(), "permission");
        Check.equal(0, queues.get(0).getTopicSysFlag(), "system flag");
    }
}
