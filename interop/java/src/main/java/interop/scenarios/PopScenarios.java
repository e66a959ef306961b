package interop.scenarios;

import static interop.PopBook.keys;

import interop.Await;
import interop.Case;
import interop.Check;
import interop.Kills;
import interop.PopBook;
import interop.PopClient;
import interop.Received;
import interop.Scenario;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.AckStatus;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageRequestMode;
import org.apache.rocketmq.remoting.protocol.header.PopMessageRequestHeader;
import org.apache.rocketmq.remoting.protocol.subscription.SubscriptionGroupConfig;

/** Members of a group share queues by popping them. Clients of version 4 cannot. */
public final class PopScenarios {
    /** A Java broker notices some seconds late that a message is due again. */
    private static final Duration AGAIN = Duration.ofSeconds(60);
    /** A minute in which others wait for a member that does not pop, and one until what is its own comes again. */
    private static final Duration TWO_MINUTES = Duration.ofSeconds(200);

    public static final List<Scenario> LIST = List.of(
        Scenario.of("pop-ack-and-again", PopScenarios::acknowledged, "kill"),
        Scenario.of("pop-change-invisible-time", PopScenarios::changed, "kill-all"),
        Scenario.of("pop-batch-ack", PopScenarios::batch, "kill-all"),
        Scenario.of("pop-waits", PopScenarios::waits, "kill-all"),
        Scenario.of("pop-notification", PopScenarios::notification, "kill-all"),
        Scenario.of("pop-tag-filter", PopScenarios::filter, "kill-all"),
        Scenario.of("pop-in-order", PopScenarios::inOrder, "kill"),
        Scenario.of("pop-bad-input", PopScenarios::badInput, "kill-all"),
        Scenario.of("pop-push-consumers", PopScenarios::push, "kill"),
        Scenario.of("pop-push-retry", PopScenarios::pushRetries, "kill-all"),
        Scenario.of("pop-switched-at-run-time", PopScenarios::switched, "kill-all"),
        Scenario.of("pop-members-differ", PopScenarios::membersDiffer),
        Scenario.of("pop-restart-clean", c -> restarted(c, "clean"), "exclusive"),
        Scenario.of("pop-restart-kill", c -> restarted(c, "kill"), "exclusive"));

    private PopScenarios() {
    }

    private static PopClient client(Case c, String topic, String group) throws Exception {
        SubscriptionGroupConfig config = new SubscriptionGroupConfig();
        config.setGroupName(group);
        Case.retried("created " + group, () -> {
            c.cluster.admin().createAndUpdateSubscriptionGroupConfig(c.cluster.brokerAddr(), config);
            return true;
        });
        return new PopClient(c, topic, group);
    }

    private static void ackOk(PopClient pop, MessageExt message) throws Exception {
        Check.equal(AckStatus.OK, Case.retried("ack", () -> pop.ack(message)).getStatus(), "ack of " + message.getKeys());
    }

    static void acknowledged(Case c) throws Exception {
        String topic = c.freshTopic(4);
        PopClient pop = client(c, topic, c.freshName());
        List<String> sent = Case.sendSome(c.producer(), topic, "k", 20);
        PopBook book = new PopBook(c, pop, topic);
        List<MessageExt> first = book.popAll(Set.copyOf(sent), PopBook.SHORT_MS);
        if (!Kills.areOn()) {
            book.awaitNothing(0);
        }
        for (MessageExt message : first.subList(0, 15)) {
            book.ack(message);
        }
        List<MessageExt> again = book.popAll(keys(first.subList(15, 20)), PopBook.LONG_MS);
        for (MessageExt message : again) {
            Check.times(1, message.getReconsumeTimes(), "attempts of " + message.getKeys());
            Check.equal(topic, message.getTopic(), "topic");
            book.ack(message);
        }
        for (MessageExt message : first) {
            book.ack(message);
        }
        book.awaitNothing(12_000);
    }

    static void changed(Case c) throws Exception {
        String topic = c.freshTopic(1);
        PopClient pop = client(c, topic, c.freshName());
        List<String> sent = Case.sendSome(c.producer(), topic, "k", 2);
        PopBook book = new PopBook(c, pop, topic);
        List<MessageExt> first = book.popAll(Set.copyOf(sent), PopBook.LONG_MS);
        var sooner = Case.retried("sooner", () -> pop.change(PopClient.handle(first.get(0)), 3_000));
        // With kills it may have come too late, or have been done once already.
        Check.that(sooner.getStatus() == AckStatus.OK || Kills.areOn(), "sooner: " + sooner.getStatus());
        var later = Case.retried("later", () -> pop.change(PopClient.handle(first.get(1)), PopBook.LONG_MS));
        List<MessageExt> again = book.popAll(keys(first.subList(0, 1)), PopBook.LONG_MS);
        book.ack(again.get(0));
        if (later.getStatus() == AckStatus.OK || !Kills.areOn()) {
            AckStatus status = Case.retried("ack by the new handle", () -> pop.ack(later.getExtraInfo())).getStatus();
            Check.that(status == AckStatus.OK || Kills.areOn(), "ack by the new handle: " + status);
        }
        book.awaitNothing(5_000);
    }

    static void batch(Case c) throws Exception {
        String topic = c.freshTopic(2);
        PopClient pop = client(c, topic, c.freshName());
        List<String> sent = Case.sendSome(c.producer(), topic, "k", 10);
        PopBook book = new PopBook(c, pop, topic);
        List<MessageExt> first = book.popAll(Set.copyOf(sent), PopBook.SHORT_MS);
        book.batchAck(first.subList(0, 7));
        List<MessageExt> again = book.popAll(keys(first.subList(7, 10)), PopBook.LONG_MS);
        book.batchAck(again);
        book.awaitNothing(5_000);
    }

    static void waits(Case c) throws Exception {
        String topic = c.freshTopic(4);
        PopClient pop = client(c, topic, c.freshName());
        DefaultMQProducer producer = c.producer();
        CompletableFuture<List<MessageExt>> waiting = Case.beside(() -> Case.retried("popped", () -> {
            List<MessageExt> messages = pop.pop(pop.request(32, PopBook.LONG_MS, 20_000)).messages();
            if (messages.isEmpty() && Kills.areOn()) {
                throw new IllegalStateException("another answer, which brought it, was lost");
            }
            return messages;
        }));
        Await.until("a pop waits", () -> !waiting.isDone());
        List<String> sent = Case.sendSome(producer, topic, "k", 1);
        List<MessageExt> messages = waiting.get(Await.SOON.toSeconds(), TimeUnit.SECONDS);
        Check.equal(sent.get(0), messages.get(0).getKeys(), "what it waited for");
        Check.times(1, messages.size(), "messages");
    }

    static void notification(Case c) throws Exception {
        String topic = c.freshTopic(2);
        PopClient pop = client(c, topic, c.freshName());
        Check.gives(false, "nothing is there: told", () -> pop.notification(0));
        CompletableFuture<Boolean> waiting = Case.beside(() -> Case.retried("told", () -> {
            boolean isTold = pop.notification(20_000);
            if (!isTold && Kills.areOn()) {
                throw new IllegalStateException("the message took longer");
            }
            return isTold;
        }));
        List<String> sent = Case.sendSome(c.producer(), topic, "k", 1);
        Check.that(waiting.get(Await.SOON.toSeconds(), TimeUnit.SECONDS), "told of the message");
        Check.gives(true, "it is still there: told", () -> pop.notification(0));
        PopBook book = new PopBook(c, pop, topic);
        List<MessageExt> popped = book.popAll(Set.copyOf(sent), PopBook.LONG_MS);
        if (Kills.areOn()) {
            book.ack(popped.get(0));
            book.awaitNothing(1_000);
        }
        Check.gives(false, "it is gone: told", () -> pop.notification(0));
    }

    static void filter(Case c) throws Exception {
        String topic = c.freshTopic(2);
        PopClient pop = client(c, topic, c.freshName());
        DefaultMQProducer producer = c.producer();
        for (int i = 0; i < 10; i++) {
            Case.sendOk(producer, new Message(topic, i % 2 == 0 ? "even" : "odd", "k" + i, "x".getBytes()));
        }
        PopMessageRequestHeader header = pop.request(32, PopBook.LONG_MS, 1_000);
        header.setExp("odd");
        List<MessageExt> odd = new ArrayList<>();
        Set<String> wanted = Set.of("k1", "k3", "k5", "k7", "k9");
        Await.until("five odd ones", () -> {
            odd.addAll(pop.pop(header).messages());
            return Kills.areOn() ? odd.stream().map(Message::getKeys).toList().containsAll(wanted) : odd.size() >= 5;
        });
        Check.equal(wanted, Kills.areOn() ? odd.stream().map(Message::getKeys).collect(Collectors.toSet()) : keys(odd), "keys");
    }

    static void inOrder(Case c) throws Exception {
        String topic = c.freshTopic(1);
        PopClient pop = client(c, topic, c.freshName());
        Case.sendSome(c.producer(), topic, "k", 4);
        PopMessageRequestHeader header = pop.request(2, 5_000, 0);
        header.setQueueId(0);
        header.setOrder(true);
        if (Kills.areOn()) {
            inOrderWithKills(pop, header, 4);
            return;
        }
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

    /**
     * Whatever was lost on the way: a message comes when all before it were acknowledged, or came in the same answer. One whose
     * acknowledgement was under way when the broker was killed counts.
     */
    private static void inOrderWithKills(PopClient pop, PopMessageRequestHeader header, int count) {
        int[] next = {0};
        int[] attempt = {0};
        header.setPollTime(1_000L);
        Await.until("all in order", () -> {
            header.setAttemptId("attempt-" + attempt[0]++);
            List<MessageExt> messages = pop.pop(header).messages();
            for (int i = 0; i < messages.size(); i++) {
                int number = Integer.parseInt(messages.get(i).getKeys().substring(2));
                Check.that(number <= next[0] + i, "k-" + number + " comes while k-" + next[0] + " is still to come");
            }
            for (MessageExt message : messages) {
                next[0] = Math.max(next[0], 1 + Integer.parseInt(message.getKeys().substring(2)));
                Case.retried("ack", () -> pop.ack(message));
            }
            return next[0] == count;
        });
    }

    static void badInput(Case c) throws Exception {
        String topic = c.freshTopic(1);
        PopClient pop = client(c, topic, c.freshName());
        List<String> sent = Case.sendSome(c.producer(), topic, "k", 1);
        PopBook book = new PopBook(c, pop, topic);
        MessageExt message = book.popAll(Set.copyOf(sent), PopBook.LONG_MS).get(0);
        String[] parts = PopClient.handle(message).split(" ");
        parts[7] = "99";
        Check.gives(AckStatus.NO_EXIST, "an offset that is not there", () -> pop.ack(String.join(" ", parts)).getStatus());
        Case.retried("33 messages at once", () -> {
            try {
                pop.pop(pop.request(33, PopBook.LONG_MS, 0));
            } catch (Exception e) {
                if (!(e.getCause() instanceof MQBrokerException) && Kills.areOn()) {
                    throw e;
                }
                Check.that(e.getCause() instanceof MQBrokerException, "refused by the broker: " + e);
                return true;
            }
            throw new AssertionError("33 messages at once are not refused");
        });
        book.ack(message);
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
        Case.retried("mode " + mode, () -> {
            c.cluster.admin().createAndUpdateSubscriptionGroupConfig(c.cluster.brokerAddr(), config);
            c.cluster.admin().setMessageRequestMode(c.cluster.brokerAddr(), topic, group, mode, 8, 10_000);
            return true;
        });
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
        if (Kills.areOn()) {
            // An answer that was lost counts as an attempt.
            Await.until("all came", () -> seen.stream().map(s -> s.substring(0, 3)).toList().containsAll(List.of("k-0", "k-1", "k-2")));
            return;
        }
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
        List<String> sent = Case.sendSome(c.producer(), topic, "k", 20);
        PopBook book = new PopBook(c, pop, topic);
        List<MessageExt> first = book.popAll(Set.copyOf(sent), 15_000);
        for (MessageExt message : first.subList(0, 12)) {
            ackOk(pop, message);
        }
        var later = pop.change(PopClient.handle(first.get(12)), PopBook.LONG_MS);
        c.cluster.awaitPersisted(group, topic, 20);
        c.cluster.restartBroker(how);
        List<MessageExt> again = book.popAll(keys(first.subList(13, 20)), PopBook.LONG_MS);
        Check.equal(AckStatus.OK, pop.ack(later.getExtraInfo()).getStatus(), "ack of what was in flight");
        for (MessageExt message : again) {
            ackOk(pop, message);
        }
        book.awaitNothing(5_000);
    }

    /**
     * Members that ask for different messages: one of them is there, and does not pop for more than a minute. The others go on, and
     * nothing of its own is lost to it. The Java broker has the newest subscription for both.
     */
    static void membersDiffer(Case c) throws Exception {
        String topic = c.freshTopic(1);
        String group = c.freshName();
        mode(c, topic, group, MessageRequestMode.POP);
        Received high = new Received();
        DefaultMQPushConsumer old = popping(c, group, topic, "n >= 20", high);
        Received low = new Received();
        popping(c, group, topic, "n < 20", low);
        DefaultMQProducer producer = c.producer();
        if (System.getProperty("interop.server", "eruca").equals("java")) {
            FilterScenarios.sendNumbered(producer, topic, 0, 1);
            low.awaitExactly(FilterScenarios.keys(0, 1, n -> true));
            return;
        }
        FilterScenarios.sendNumbered(producer, topic, 0, 1);
        FilterScenarios.sendNumbered(producer, topic, 20, 21);
        low.awaitExactly(FilterScenarios.keys(0, 1, n -> true));
        high.awaitExactly(FilterScenarios.keys(20, 21, n -> true));
        old.suspend();
        FilterScenarios.sendNumbered(producer, topic, 30, 33);
        FilterScenarios.sendNumbered(producer, topic, 1, 10);
        Await.until("who pops goes on", TWO_MINUTES, () -> low.keys().containsAll(FilterScenarios.keys(0, 10, n -> true)));
        old.resume();
        Received.awaitExactly(TWO_MINUTES, List.of("k20", "k30", "k31", "k32"), high);
        low.awaitExactly(FilterScenarios.keys(0, 10, n -> true));
    }

    private static DefaultMQPushConsumer popping(Case c, String group, String topic, String expression, Received received) throws Exception {
        DefaultMQPushConsumer consumer = c.pushConsumer(group);
        consumer.setClientRebalance(false);
        consumer.subscribe(topic, MessageSelector.bySql(expression));
        consumer.registerMessageListener(received);
        consumer.start();
        return consumer;
    }
}
