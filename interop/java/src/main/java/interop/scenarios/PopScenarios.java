package interop.scenarios;

import interop.Await;
import interop.Case;
import interop.Check;
import interop.PopClient;
import interop.Received;
import interop.Scenario;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import org.apache.rocketmq.client.consumer.AckStatus;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.PopStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageRequestMode;
import org.apache.rocketmq.remoting.protocol.header.PopMessageRequestHeader;
import org.apache.rocketmq.remoting.protocol.subscription.SubscriptionGroupConfig;

/** Members of a group share queues by popping them. Clients of version 4 cannot. */
public final class PopScenarios {
    /** A Java broker notices some seconds late that a message is due again. */
    private static final Duration AGAIN = Duration.ofSeconds(60);
    /** Nobody waits for it to end. */
    private static final long LONG_MS = 120_000;

    public static final List<Scenario> LIST = List.of(
        Scenario.of("pop-ack-and-again", PopScenarios::acknowledged),
        Scenario.of("pop-change-invisible-time", PopScenarios::changed),
        Scenario.of("pop-batch-ack", PopScenarios::batch),
        Scenario.of("pop-waits", PopScenarios::waits),
        Scenario.of("pop-notification", PopScenarios::notification),
        Scenario.of("pop-tag-filter", PopScenarios::filter),
        Scenario.of("pop-in-order", PopScenarios::inOrder),
        Scenario.of("pop-bad-input", PopScenarios::badInput),
        Scenario.of("pop-push-consumers", PopScenarios::push),
        Scenario.of("pop-push-retry", PopScenarios::pushRetries),
        Scenario.of("pop-switched-at-run-time", PopScenarios::switched),
        Scenario.of("pop-restart-clean", c -> restarted(c, "clean"), "exclusive"),
        Scenario.of("pop-restart-kill", c -> restarted(c, "kill"), "exclusive"));

    private PopScenarios() {
    }

    private static PopClient client(Case c, String topic, String group) throws Exception {
        SubscriptionGroupConfig config = new SubscriptionGroupConfig();
        config.setGroupName(group);
        c.cluster.admin().createAndUpdateSubscriptionGroupConfig(c.cluster.brokerAddr(), config);
        return new PopClient(c, topic, group);
    }

    private static Set<String> keys(List<MessageExt> messages) {
        Set<String> keys = new TreeSet<>();
        messages.forEach(message -> Check.that(keys.add(message.getKeys()), message.getKeys() + " came twice"));
        return keys;
    }

    /** Pops until so many messages came, all different. */
    private static List<MessageExt> popAll(PopClient pop, int count, long invisibleMs) {
        List<MessageExt> all = new ArrayList<>();
        Await.until(count + " messages", AGAIN, () -> {
            all.addAll(pop.pop(pop.request(32, invisibleMs, 1_000)).messages());
            return all.size() >= count;
        });
        Check.equal(count, keys(all).size(), "messages");
        return all;
    }

    private static void ackOk(PopClient pop, MessageExt message) throws Exception {
        Check.equal(AckStatus.OK, pop.ack(message).getStatus(), "ack of " + message.getKeys());
    }

    static void acknowledged(Case c) throws Exception {
        String topic = c.freshTopic(4);
        PopClient pop = client(c, topic, c.freshName());
        List<String> sent = Case.sendSome(c.producer(), topic, "k", 20);
        List<MessageExt> first = popAll(pop, 20, 5_000);
        Check.equal(new TreeSet<>(sent), keys(first), "keys");
        Check.equal(PopStatus.POLLING_NOT_FOUND, pop.pop(pop.request(32, 5_000, 0)).status(), "nothing is left");
        for (MessageExt message : first.subList(0, 15)) {
            ackOk(pop, message);
        }
        List<MessageExt> again = popAll(pop, 5, LONG_MS);
        Check.equal(keys(first.subList(15, 20)), keys(again), "those that were not acknowledged come again");
        for (MessageExt message : again) {
            Check.equal(1, message.getReconsumeTimes(), "attempts of " + message.getKeys());
            Check.equal(topic, message.getTopic(), "topic");
            ackOk(pop, message);
        }
        for (MessageExt message : first) {
            ackOk(pop, message);
        }
        Check.equal(PopStatus.POLLING_NOT_FOUND, pop.pop(pop.request(32, 5_000, 12_000)).status(), "nothing comes any more");
    }

    static void changed(Case c) throws Exception {
        String topic = c.freshTopic(1);
        PopClient pop = client(c, topic, c.freshName());
        Case.sendSome(c.producer(), topic, "k", 2);
        List<MessageExt> first = popAll(pop, 2, LONG_MS);
        var sooner = pop.change(PopClient.handle(first.get(0)), 3_000);
        Check.equal(AckStatus.OK, sooner.getStatus(), "sooner");
        var later = pop.change(PopClient.handle(first.get(1)), LONG_MS);
        List<MessageExt> again = popAll(pop, 1, LONG_MS);
        Check.equal(first.get(0).getKeys(), again.get(0).getKeys(), "the one that comes sooner");
        ackOk(pop, again.get(0));
        Check.equal(AckStatus.OK, pop.ack(later.getExtraInfo()).getStatus(), "ack by the new handle");
        Check.equal(PopStatus.POLLING_NOT_FOUND, pop.pop(pop.request(32, 5_000, 5_000)).status(), "nothing is left");
    }

    static void batch(Case c) throws Exception {
        String topic = c.freshTopic(2);
        PopClient pop = client(c, topic, c.freshName());
        Case.sendSome(c.producer(), topic, "k", 10);
        List<MessageExt> first = popAll(pop, 10, 5_000);
        pop.batchAck(first.subList(0, 7));
        List<MessageExt> again = popAll(pop, 3, LONG_MS);
        Check.equal(keys(first.subList(7, 10)), keys(again), "those that were not acknowledged");
        pop.batchAck(again);
        Check.equal(PopStatus.POLLING_NOT_FOUND, pop.pop(pop.request(32, 5_000, 5_000)).status(), "nothing is left");
    }

    static void waits(Case c) throws Exception {
        String topic = c.freshTopic(4);
        PopClient pop = client(c, topic, c.freshName());
        DefaultMQProducer producer = c.producer();
        CompletableFuture<List<MessageExt>> waiting = CompletableFuture.supplyAsync(() -> {
            try {
                return pop.pop(pop.request(32, LONG_MS, 20_000)).messages();
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        });
        Await.until("a pop waits", () -> !waiting.isDone());
        List<String> sent = Case.sendSome(producer, topic, "k", 1);
        Check.equal(new TreeSet<>(sent), keys(waiting.get()), "what it waited for");
    }

    static void notification(Case c) throws Exception {
        String topic = c.freshTopic(2);
        PopClient pop = client(c, topic, c.freshName());
        Check.that(!pop.notification(0), "nothing is there");
        CompletableFuture<Boolean> waiting = CompletableFuture.supplyAsync(() -> {
            try {
                return pop.notification(20_000);
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        });
        Case.sendSome(c.producer(), topic, "k", 1);
        Check.that(waiting.get(), "told of the message");
        Check.that(pop.notification(0), "it is still there");
        Check.equal(1, popAll(pop, 1, LONG_MS).size(), "popped");
        Check.that(!pop.notification(0), "it is gone");
    }

    static void filter(Case c) throws Exception {
        String topic = c.freshTopic(2);
        PopClient pop = client(c, topic, c.freshName());
        DefaultMQProducer producer = c.producer();
        for (int i = 0; i < 10; i++) {
            Case.sendOk(producer, new org.apache.rocketmq.common.message.Message(
                topic, i % 2 == 0 ? "even" : "odd", "k" + i, "x".getBytes()));
        }
        PopMessageRequestHeader header = pop.request(32, LONG_MS, 1_000);
        header.setExp("odd");
        List<MessageExt> odd = new ArrayList<>();
        Await.until("five odd ones", () -> {
            odd.addAll(pop.pop(header).messages());
            return odd.size() >= 5;
        });
        Check.equal(Set.of("k1", "k3", "k5", "k7", "k9"), keys(odd), "keys");
    }

    static void inOrder(Case c) throws Exception {
        String topic = c.freshTopic(1);
        PopClient pop = client(c, topic, c.freshName());
        Case.sendSome(c.producer(), topic, "k", 4);
        PopMessageRequestHeader header = pop.request(2, 5_000, 0);
        header.setQueueId(0);
        header.setOrder(true);
        header.setAttemptId("one");
        List<MessageExt> first = pop.pop(header).messages();
        Check.equal(Set.of("k-0", "k-1"), keys(first), "the first two");
        Check.equal(Set.of("k-0", "k-1"), keys(pop.pop(header).messages()), "the same attempt gets them again");
        header.setAttemptId("two");
        Check.equal(0, pop.pop(header).messages().size(), "another gets nothing while they are in flight");
        List<MessageExt> second = new ArrayList<>();
        header.setPollTime(1_000L);
        Await.until("they are visible again", AGAIN, () -> second.addAll(pop.pop(header).messages()));
        Check.equal(Set.of("k-0", "k-1"), keys(second), "the first two once more");
        ackOk(pop, second.get(0));
        header.setAttemptId("three");
        header.setPollTime(0L);
        Check.equal(0, pop.pop(header).messages().size(), "one of them is in flight");
        ackOk(pop, second.get(1));
        List<MessageExt> rest = pop.pop(header).messages();
        Check.equal(Set.of("k-2", "k-3"), keys(rest), "the next two");
    }

    static void badInput(Case c) throws Exception {
        String topic = c.freshTopic(1);
        PopClient pop = client(c, topic, c.freshName());
        Case.sendSome(c.producer(), topic, "k", 1);
        MessageExt message = popAll(pop, 1, LONG_MS).get(0);
        String[] parts = PopClient.handle(message).split(" ");
        parts[7] = "99";
        Check.equal(AckStatus.NO_EXIST, pop.ack(String.join(" ", parts)).getStatus(), "an offset that is not there");
        PopMessageRequestHeader header = pop.request(33, LONG_MS, 0);
        try {
            pop.pop(header);
            Check.that(false, "33 messages at once are refused");
        } catch (Exception e) {
            Check.that(e.getCause() instanceof MQBrokerException, "refused by the broker: " + e);
        }
        ackOk(pop, message);
    }

    /** Not yet started; the broker shares its queues. */
    private static DefaultMQPushConsumer popConsumer(Case c, String group, String topic, MessageListenerConcurrently listener)
        throws Exception {
        DefaultMQPushConsumer consumer = c.pushConsumer(group);
        consumer.setClientRebalance(false);
        consumer.setPopInvisibleTime(10_000);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener(listener);
        return consumer;
    }

    private static void mode(Case c, String topic, String group, MessageRequestMode mode) throws Exception {
        SubscriptionGroupConfig config = new SubscriptionGroupConfig();
        config.setGroupName(group);
        c.cluster.admin().createAndUpdateSubscriptionGroupConfig(c.cluster.brokerAddr(), config);
        c.cluster.admin().setMessageRequestMode(c.cluster.brokerAddr(), topic, group, mode, 8, 10_000);
    }

    static void push(Case c) throws Exception {
        String topic = c.freshTopic(4);
        String group = c.freshName();
        mode(c, topic, group, MessageRequestMode.POP);
        Received one = new Received();
        Received two = new Received();
        popConsumer(c, group, topic, one).start();
        popConsumer(c, group, topic, two).start();
        List<String> sent = Case.sendSome(c.producer(), topic, "k", 200);
        Received.awaitExactly(Duration.ofSeconds(60), sent, one, two);
    }

    /** Such a client makes no dead letters: what fails comes again later and later. */
    static void pushRetries(Case c) throws Exception {
        String topic = c.freshTopic(1);
        String group = c.freshName();
        mode(c, topic, group, MessageRequestMode.POP);
        List<String> seen = Collections.synchronizedList(new ArrayList<>());
        popConsumer(c, group, topic, (messages, context) -> {
            MessageExt message = messages.get(0);
            seen.add(message.getKeys() + "/" + message.getReconsumeTimes());
            return message.getReconsumeTimes() == 0 && message.getKeys().equals("k-1")
                ? ConsumeConcurrentlyStatus.RECONSUME_LATER : ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        }).start();
        Case.sendSome(c.producer(), topic, "k", 3);
        Await.until("the second attempt", AGAIN, () -> seen.contains("k-1/1"));
        Check.equal(Set.of("k-0/0", "k-1/0", "k-1/1", "k-2/0"), new HashSet<>(seen), "attempts");
        Check.equal(4, seen.size(), "attempts");
    }

    static void switched(Case c) throws Exception {
        String topic = c.freshTopic(4);
        String group = c.freshName();
        mode(c, topic, group, MessageRequestMode.PULL);
        Received received = new Received();
        DefaultMQPushConsumer consumer = popConsumer(c, group, topic, received);
        consumer.start();
        DefaultMQProducer producer = c.producer();
        List<String> all = new ArrayList<>(Case.sendSome(producer, topic, "pulled", 20));
        Received.awaitExactly(AGAIN, all, received);
        Await.until("queues are pulled", AGAIN, () -> Case.queuesOf(consumer, topic).size() == 4);
        mode(c, topic, group, MessageRequestMode.POP);
        all.addAll(Case.sendSome(producer, topic, "while-switching", 20));
        var rebalance = consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl();
        Await.until("queues are popped", AGAIN, () -> Case.queuesOf(consumer, topic).isEmpty()
            && rebalance.getPopProcessQueueTable().keySet().stream().anyMatch(q -> q.getTopic().equals(topic)));
        all.addAll(Case.sendSome(producer, topic, "popped", 20));
        Await.until("all that was sent", AGAIN, () -> received.keys().containsAll(all));
        mode(c, topic, group, MessageRequestMode.PULL);
        all.addAll(Case.sendSome(producer, topic, "while-switching-back", 20));
        Await.until("queues are pulled again", AGAIN, () -> Case.queuesOf(consumer, topic).size() == 4);
        all.addAll(Case.sendSome(producer, topic, "pulled-again", 20));
        Await.until("all that was sent", AGAIN, () -> new HashSet<>(received.keys()).containsAll(all));
    }

    static void restarted(Case c, String how) throws Exception {
        String topic = c.freshTopic(2);
        String group = c.freshName();
        PopClient pop = client(c, topic, group);
        Case.sendSome(c.producer(), topic, "k", 20);
        List<MessageExt> first = popAll(pop, 20, 15_000);
        for (MessageExt message : first.subList(0, 12)) {
            ackOk(pop, message);
        }
        var later = pop.change(PopClient.handle(first.get(12)), LONG_MS);
        c.cluster.awaitPersisted(group, topic, 20);
        c.cluster.restartBroker(how);
        List<MessageExt> again = popAll(pop, 7, LONG_MS);
        Check.equal(keys(first.subList(13, 20)), keys(again), "those that were not acknowledged come again");
        Check.equal(AckStatus.OK, pop.ack(later.getExtraInfo()).getStatus(), "ack of what was in flight");
        for (MessageExt message : again) {
            ackOk(pop, message);
        }
        Check.equal(PopStatus.POLLING_NOT_FOUND, pop.pop(pop.request(32, 5_000, 5_000)).status(), "nothing is left");
    }
}
