package interop.scenarios;

import interop.Await;
import interop.Case;
import interop.Check;
import interop.Kills;
import interop.Received;
import interop.Scenario;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.IntPredicate;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** SQL92 conditions on properties, and members of one group that ask for different messages. */
public final class FilterScenarios {
    public static final List<Scenario> LIST = List.of(
        Scenario.of("filter-sql-push", FilterScenarios::push, "basic", "binary", "kill"),
        Scenario.of("filter-sql-kinds", FilterScenarios::kinds, "kill"),
        Scenario.of("filter-sql-pull", FilterScenarios::pull, "binary", "kill"),
        Scenario.of("filter-sql-lite-pull", FilterScenarios::litePull, "kill"),
        Scenario.of("filter-sql-retry", FilterScenarios::retry, "kill"),
        Scenario.of("filter-sql-change", FilterScenarios::change, "kill-all"),
        Scenario.of("filter-sql-refused", FilterScenarios::refused, "kill-all"),
        Scenario.of("filter-sql-hostile", FilterScenarios::hostile, "kill-all"),
        Scenario.of("filter-members-differ", FilterScenarios::membersDiffer, "kill-all"));

    private static final int SYSTEM_ERROR = 1;
    private static final int SUBSCRIPTION_PARSE_FAILED = 23;

    private FilterScenarios() {
    }

    /** Messages n = FROM … TO-1 with that number as property, its remainder as text, and as key. */
    static void sendNumbered(DefaultMQProducer producer, String topic, int from, int to) throws Exception {
        for (int n = from; n < to; n++) {
            Message message = new Message(topic, n % 2 == 0 ? "even" : "odd", "k" + n, ("body " + n).getBytes());
            message.putUserProperty("n", Integer.toString(n));
            message.putUserProperty("rest", "r" + n % 3);
            if (n % 5 == 0) {
                message.putUserProperty("five", "yes");
            }
            Case.sendOk(producer, message);
        }
    }

    static List<String> keys(int from, int to, IntPredicate wanted) {
        List<String> keys = new ArrayList<>();
        for (int n = from; n < to; n++) {
            if (wanted.test(n)) {
                keys.add("k" + n);
            }
        }
        return keys;
    }

    private static DefaultMQPushConsumer start(Case c, String group, String topic, String sql,
        MessageListenerConcurrently listener) throws Exception {
        return Case.retried("started " + group, () -> startOnce(c, group, topic, sql, listener));
    }

    private static DefaultMQPushConsumer startOnce(Case c, String group, String topic, String sql,
        MessageListenerConcurrently listener) throws Exception {
        DefaultMQPushConsumer consumer = c.pushConsumer(group);
        consumer.subscribe(topic, MessageSelector.bySql(sql));
        consumer.registerMessageListener(listener);
        consumer.start();
        return consumer;
    }

    static void push(Case c) throws Exception {
        String topic = c.freshTopic(4);
        DefaultMQProducer producer = c.producer();
        sendNumbered(producer, topic, 0, 40);
        Received received = new Received();
        start(c, c.freshName(), topic, "n > 5 AND rest IN ('r0', 'r1')", received);
        received.awaitExactly(keys(0, 40, n -> n > 5 && n % 3 != 2));
        // And what comes while its pulls wait.
        sendNumbered(producer, topic, 40, 100);
        received.awaitExactly(keys(0, 100, n -> n > 5 && n % 3 != 2));
        Check.equal("body 9", new String(received.byKey("k9").getBody()), "body");
    }

    /** Each kind of condition. */
    static void kinds(Case c) throws Exception {
        String topic = c.freshTopic(2);
        sendNumbered(c.producer(), topic, 0, 30);
        String[] conditions = {
            "n BETWEEN 3 AND 7", "n NOT BETWEEN 3 AND 27", "five IS NOT NULL AND n >= 10", "five IS NULL AND NOT (n > 4)",
            "rest NOT IN ('r0', 'r1')", "TAGS = 'even' AND n < 10", "KEYS ENDSWITH '9'", "rest CONTAINS '2' OR n = 3",
            "rest NOT STARTSWITH 'r1' AND n <= 4", "n <> 5 AND n < 8 /* but not the fifth */", "n > 27.5", "five = 'yes' AND -5 < n"
        };
        IntPredicate[] meanings = {
            n -> n >= 3 && n <= 7, n -> n < 3 || n > 27, n -> n % 5 == 0 && n >= 10, n -> n % 5 != 0 && n <= 4,
            n -> n % 3 == 2, n -> n % 2 == 0 && n < 10, n -> n % 10 == 9, n -> n % 3 == 2 || n == 3,
            n -> n % 3 != 1 && n <= 4, n -> n != 5 && n < 8, n -> n > 27, n -> n % 5 == 0
        };
        List<Received> all = new ArrayList<>();
        for (String condition : conditions) {
            Received received = new Received();
            start(c, c.freshName(), topic, condition, received);
            all.add(received);
        }
        for (int i = 0; i < conditions.length; i++) {
            all.get(i).awaitExactly(keys(0, 30, meanings[i]));
        }
    }

    static void pull(Case c) throws Exception {
        String topic = c.freshTopic(1);
        sendNumbered(c.producer(), topic, 0, 50);
        DefaultMQPullConsumer consumer = c.pullConsumer(c.freshName());
        MessageQueue queue = Case.retried("route", () -> consumer.fetchSubscribeMessageQueues(topic)).iterator().next();
        // The client asks for nothing but tags before a heartbeat's answer told it the broker's version.
        Await.until("the client knows the broker",
            () -> consumer.pull(queue, MessageSelector.bySql("n = 0"), 0, 1).getMsgFoundList().size() == 1);
        Set<String> found = new TreeSet<>();
        long end = Case.retried("maximum", () -> consumer.maxOffset(queue));
        Check.times(50, end, "messages");
        long offset = 0;
        while (offset < end) {
            long from = offset;
            PullResult result = Case.retried("pulled at " + from,
                () -> consumer.pull(queue, MessageSelector.bySql("n >= 20 AND n < 30 OR five = 'yes'"), from, 10));
            if (result.getMsgFoundList() != null) {
                result.getMsgFoundList().forEach(message -> found.add(message.getKeys()));
            }
            Check.that(result.getNextBeginOffset() > offset, "a pull at " + offset + " ends there: " + result);
            offset = result.getNextBeginOffset();
        }
        Check.equal(new TreeSet<>(keys(0, 50, n -> n >= 20 && n < 30 || n % 5 == 0)), found, "messages");
    }

    static void litePull(Case c) throws Exception {
        String topic = c.freshTopic(2);
        DefaultMQProducer producer = c.producer();
        sendNumbered(producer, topic, 0, 30);
        String group = c.freshName();
        DefaultLitePullConsumer consumer = Case.retried("started " + group, () -> startLitePull(c, group, topic, "rest = 'r1'"));
        Received received = new Received();
        poll(consumer, received, keys(0, 30, n -> n % 3 == 1));
        sendNumbered(producer, topic, 30, 60);
        poll(consumer, received, keys(0, 60, n -> n % 3 == 1));
        received.awaitExactly(keys(0, 60, n -> n % 3 == 1));
    }

    private static DefaultLitePullConsumer startLitePull(Case c, String group, String topic, String sql) throws Exception {
        DefaultLitePullConsumer consumer = c.litePullConsumer(group);
        consumer.subscribe(topic, MessageSelector.bySql(sql));
        try {
            consumer.start();
        } catch (MQClientException e) {
            // Half started it would be given queues, and nobody would poll it.
            consumer.shutdown();
            throw e;
        }
        return consumer;
    }

    private static void poll(DefaultLitePullConsumer consumer, Received received, Collection<String> wanted) {
        Await.until("all messages are polled", () -> {
            received.add(consumer.poll(200));
            return received.keys().containsAll(wanted);
        });
    }

    /** What failed comes again by the group's retry topic, whatever the group filters. */
    static void retry(Case c) throws Exception {
        String topic = c.freshTopic(2);
        Received failed = new Received();
        Received done = new Received();
        start(c, c.freshName(), topic, "n >= 3", (messages, context) -> {
            MessageExt message = messages.get(0);
            if (message.getReconsumeTimes() == 0 && message.getKeys().equals("k4")) {
                failed.add(messages);
                return ConsumeConcurrentlyStatus.RECONSUME_LATER;
            }
            done.add(messages);
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        sendNumbered(c.producer(), topic, 0, 6);
        done.awaitExactly(keys(3, 6, n -> true));
        failed.awaitExactly(List.of("k4"));
    }

    /** A consumer that asks for something else is given that from then on. */
    static void change(Case c) throws Exception {
        String topic = c.freshTopic(1);
        DefaultMQProducer producer = c.producer();
        Received received = new Received();
        DefaultMQPushConsumer consumer = start(c, c.freshName(), topic, "n < 3", received);
        sendNumbered(producer, topic, 0, 6);
        received.awaitExactly(keys(0, 3, n -> true));
        // Behind what the first condition did not want, so that the second one starts there.
        Await.until("all is looked through", () -> consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl()
            .getProcessQueueTable().values().stream().allMatch(queue -> queue.getMsgCount().get() == 0));
        consumer.subscribe(topic, MessageSelector.bySql("n >= 13"));
        Await.until("the new condition counts", () -> {
            sendNumbered(producer, topic, 13, 14);
            return received.keys().contains("k13");
        });
        received.clear();
        sendNumbered(producer, topic, 10, 16);
        Await.until("the wanted ones came", () -> received.keys().containsAll(keys(13, 16, n -> true)));
        Check.that(keys(13, 16, n -> true).containsAll(received.keys()), "only they came: " + received.keys());
    }

    static void refused(Case c) throws Exception {
        String topic = c.freshTopic(1);
        for (String wrong : new String[] {"n >", "n IN (5)", "(n > 5", "n = 'x", "n > 'x'"}) {
            failsToStart(c, topic, wrong, SUBSCRIPTION_PARSE_FAILED);
        }
        // The others are not disturbed.
        Received received = new Received();
        start(c, c.freshName(), topic, "n = 1", received);
        sendNumbered(c.producer(), topic, 0, 3);
        received.awaitExactly(List.of("k1"));
        // This pair of servers leaves enablePropertyFilter off, as it is by default.
        Case strict = c.on("strict");
        String other = strict.freshTopic(1);
        String error = failsToStart(strict, other, "n > 5", SYSTEM_ERROR);
        Check.that(error.contains("does not support consumer to filter message by SQL92"), error);
    }

    /** Returns what was said. */
    private static String failsToStart(Case c, String topic, String sql, int code) throws Exception {
        String what = sql.substring(0, Math.min(20, sql.length()));
        return Check.failsWithCode(code, what, () -> {
            DefaultMQPushConsumer taken = startOnce(c, c.freshName(), topic, sql, new Received());
            if (Kills.areOn()) {
                // The client asks no broker where there is none at the moment.
                taken.shutdown();
                throw new IllegalStateException("nobody was asked");
            }
            return taken;
        });
    }

    /** Expressions that would cost too much: refused with the limit, by the broker that serves the others on. */
    static void hostile(Case c) throws Exception {
        if (System.getProperty("interop.server", "eruca").equals("java")) {
            // It has no limits.
            return;
        }
        String topic = c.freshTopic(1);
        List<String> names = new ArrayList<>();
        for (int i = 0; i < 200; i++) {
            names.add("p" + i + " = 1");
        }
        String[] hostile = {
            "(".repeat(5_000) + "n = 1" + ")".repeat(5_000), "NOT ".repeat(5_000) + "n = 1", "n = 1" + " OR n = 1".repeat(20_000),
            String.join(" OR ", names), "n = '" + "x".repeat(100_000) + "'"
        };
        for (String expression : hostile) {
            failsToStart(c, topic, expression, SUBSCRIPTION_PARSE_FAILED);
        }
        Received received = new Received();
        start(c, c.freshName(), topic, "n = 1", received);
        sendNumbered(c.producer(), topic, 0, 3);
        received.awaitExactly(List.of("k1"));
    }

    /**
     * Two versions of a consumer while one replaces the other. The Java broker takes the newest subscription for both, and
     * the member with the older one misses messages: only what both ask for is expected there.
     */
    static void membersDiffer(Case c) throws Exception {
        String topic = c.freshTopic(4);
        String group = c.freshName();
        Received wide = new Received();
        DefaultMQPushConsumer old = start(c, group, topic, "n >= 0", wide);
        Await.until("all queues", () -> Case.queuesOf(old, topic).size() == 4);
        Received narrow = new Received();
        DefaultMQPushConsumer young = start(c, group, topic, "n < 20", narrow);
        Await.until("two queues each", () -> Case.queuesOf(old, topic).size() == 2 && Case.queuesOf(young, topic).size() == 2);
        DefaultMQProducer producer = c.producer();
        sendNumbered(producer, topic, 0, 20);
        Received.awaitExactly(keys(0, 20, n -> true), wide, narrow);
        if (System.getProperty("interop.server", "eruca").equals("java") || Kills.areOn()) {
            // Without a broker for a while, members do not keep their queues.
            return;
        }
        // What is in the queues of the young member and the old one wants comes to it by the retry topic.
        sendNumbered(producer, topic, 20, 60);
        Await.until("the old member has what it asks for", () -> wide.keys().containsAll(keys(20, 60, n -> true)));
        Check.that(narrow.all().stream().allMatch(m -> Integer.parseInt(m.getUserProperty("n")) < 20), "the young one as well");
    }
}
