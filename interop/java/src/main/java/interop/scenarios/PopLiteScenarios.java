package interop.scenarios;

import interop.Await;
import interop.Case;
import interop.Check;
import interop.Kills;
import interop.PopBook;
import interop.PopLiteClient;
import interop.Scenario;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.rocketmq.client.consumer.AckStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.lite.LiteSubscriptionAction;
import org.apache.rocketmq.common.lite.OffsetOption;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.remoting.protocol.body.GetLiteGroupInfoResponseBody;
import org.apache.rocketmq.remoting.protocol.body.GetParentTopicInfoResponseBody;
import org.apache.rocketmq.remoting.protocol.subscription.SubscriptionGroupConfig;

/** Lite topics, on the pair of servers that keeps light message queues. */
public final class PopLiteScenarios {
    private static final long LONG_MS = PopBook.LONG_MS;
    private static final int ILLEGAL_OPERATION = 604;
    private static final int INVALID_PARAMETER = 29;
    private static final int KILLS = 3;
    private static final int ROUND_MESSAGES = 40;
    private static final long INVISIBLE_MS = 3_000;

    public static final List<Scenario> LIST = List.of(
        Scenario.of("lite-subscribe-pop-ack", PopLiteScenarios::subscribed, "kill"),
        Scenario.of("lite-in-order-and-again", PopLiteScenarios::inOrder, "kill"),
        Scenario.of("lite-put-off", PopLiteScenarios::putOff, "kill-all"),
        Scenario.of("lite-waits", PopLiteScenarios::waits, "kill-all"),
        Scenario.of("lite-begins-where-it-is-told", PopLiteScenarios::begins, "kill-all"),
        Scenario.of("lite-everything", PopLiteScenarios::everything, "kill-all"),
        Scenario.of("lite-told-to-administrators", PopLiteScenarios::told, "kill-all"),
        Scenario.of("lite-bad-input", PopLiteScenarios::badInput, "kill-all"),
        Scenario.of("lite-killed", PopLiteScenarios::killed, "exclusive"));

    private PopLiteScenarios() {
    }

    /** A parent topic, and a group that is bound to it. */
    private record Lite(Case c, String topic, String group) {
        static Lite of(Case main, Map<String, String> attributes) throws Exception {
            Case c = main.on("strict");
            String topic = c.freshName();
            TopicConfig config = new TopicConfig(topic);
            config.setReadQueueNums(1);
            config.setWriteQueueNums(1);
            config.setPerm(6);
            config.setAttributes(Map.of("+message.type", "LITE", "+lite.topic.expiration", "30"));
            Case.retried("created " + topic, () -> {
                c.cluster.admin().createAndUpdateTopicConfig(c.cluster.brokerAddr(), config);
                return true;
            });
            Await.until("route of " + topic, () -> !c.cluster.admin().examineTopicRouteInfo(topic).getQueueDatas().isEmpty());
            Lite lite = new Lite(c, topic, c.freshName());
            lite.group(lite.group, attributes);
            return lite;
        }

        void group(String name, Map<String, String> attributes) throws Exception {
            SubscriptionGroupConfig config = new SubscriptionGroupConfig();
            config.setGroupName(name);
            config.getAttributes().put("+lite.bind.topic", topic);
            attributes.forEach((key, value) -> config.getAttributes().put("+" + key, value));
            createGroup(c, config);
        }

        PopLiteClient client(String id) throws Exception {
            return new PopLiteClient(c, topic, group, id + "-" + topic);
        }

        void send(DefaultMQProducer producer, String liteTopic, String body) throws Exception {
            Message message = new Message(topic, body.getBytes(StandardCharsets.UTF_8));
            MessageAccessor.putProperty(message, MessageConst.PROPERTY_LITE_TOPIC, liteTopic);
            Case.sendOk(producer, message);
        }
    }

    private static void createGroup(Case c, SubscriptionGroupConfig config) throws Exception {
        Case.retried("created " + config.getGroupName(), () -> {
            c.cluster.admin().createAndUpdateSubscriptionGroupConfig(c.cluster.brokerAddr(), config);
            return true;
        });
    }

    private static List<String> bodies(List<MessageExt> messages) {
        return messages.stream().map(m -> new String(m.getBody(), StandardCharsets.UTF_8)).toList();
    }

    /**
     * Pops until these have come; a Java broker gives what there is of one lite topic after the other. With kills each once, with the
     * handle that it had last, and besides them what comes again, of {@code before}.
     */
    private static List<MessageExt> popAll(PopLiteClient client, List<String> wanted, String... before) throws Exception {
        List<MessageExt> all = new ArrayList<>();
        Map<String, MessageExt> newest = new TreeMap<>();
        Await.until("messages " + wanted, () -> {
            for (MessageExt message : client.pop(32, LONG_MS, 500)) {
                String body = bodies(List.of(message)).get(0);
                Check.that(!Kills.areOn() || wanted.contains(body) || List.of(before).contains(body), body + " was not to come");
                all.add(message);
                newest.put(body, message);
            }
            return Kills.areOn() ? newest.keySet().containsAll(wanted) : all.size() >= wanted.size();
        });
        return Kills.areOn() ? wanted.stream().map(newest::get).toList() : all;
    }

    /** With kills it may be too late for it, or done already. */
    private static void ackOk(PopLiteClient client, MessageExt message) throws Exception {
        AckStatus status = Case.retried("ack", () -> client.ack(message));
        Check.that(status == AckStatus.OK || Kills.areOn(), "acknowledgement: " + status);
    }

    /** With kills those come first whose answers were lost, or which were sent twice: of {@code before}. */
    private static void nothingIsLeft(PopLiteClient client, String... before) throws Exception {
        if (!Kills.areOn()) {
            Check.equal(0, client.pop(32, LONG_MS, 0).size(), "messages that are left");
            return;
        }
        Await.until("nothing is left", () -> {
            List<MessageExt> popped = client.pop(32, LONG_MS, 0);
            for (MessageExt message : popped) {
                Check.that(List.of(before).containsAll(bodies(List.of(message))), bodies(popped) + " were not to come");
                client.ack(message);
            }
            return popped.isEmpty();
        });
    }

    private static void subscribed(Case main) throws Exception {
        Lite lite = Lite.of(main, Map.of());
        DefaultMQProducer producer = lite.c.producer();
        PopLiteClient one = lite.client("one");
        PopLiteClient two = lite.client("two");
        subscribe(one, "a", "b");
        subscribe(two, "c");
        for (String name : List.of("a", "b", "c", "d")) {
            lite.send(producer, name, name + "0");
        }
        List<MessageExt> ofOne = popAll(one, List.of("a0", "b0"));
        Check.equal(Set.of("a0", "b0"), Set.copyOf(bodies(ofOne)), "what the first client gets");
        for (MessageExt message : ofOne) {
            Check.equal(lite.topic, message.getTopic(), "topic");
            Check.times(0, message.getQueueOffset(), "offset in the lite topic");
            ackOk(one, message);
        }
        List<MessageExt> ofTwo = popAll(two, List.of("c0"));
        Check.equal(List.of("c0"), bodies(ofTwo), "what the second client gets");
        ackOk(two, ofTwo.get(0));
        nothingIsLeft(one, "a0", "b0");
        Case.retried("unsubscribed", () -> {
            one.subscription(LiteSubscriptionAction.PARTIAL_REMOVE, Set.of("a"), null);
            return true;
        });
        lite.send(producer, "a", "a1");
        lite.send(producer, "b", "b1");
        Check.equal(List.of("b1"), bodies(popAll(one, List.of("b1"), "b0")), "what it still subscribes to");
    }

    private static void subscribe(PopLiteClient client, String... liteTopics) throws Exception {
        Case.retried("subscribed", () -> {
            client.subscribe(liteTopics);
            return true;
        });
    }

    private static void inOrder(Case main) throws Exception {
        Lite lite = Lite.of(main, Map.of());
        DefaultMQProducer producer = lite.c.producer();
        PopLiteClient client = lite.client("one");
        subscribe(client, "a");
        if (Kills.areOn()) {
            inOrderWithKills(lite, producer, client);
            return;
        }
        for (int i = 0; i < 3; i++) {
            lite.send(producer, "a", "a" + i);
        }
        MessageExt first = popOne(client);
        Check.equal(List.of("a0"), bodies(List.of(first)), "the first one");
        Check.equal(0, client.pop(32, LONG_MS, 0).size(), "later ones while it is in flight");
        Check.equal(AckStatus.OK, client.change(first, 1000), "a shorter time");
        MessageExt again = popOne(client);
        Check.equal(List.of("a0"), bodies(List.of(again)), "what comes again");
        Check.equal(1, again.getReconsumeTimes(), "how often it was given out before");
        Check.equal(AckStatus.OK, client.ack(again), "acknowledgement");
        Check.equal(List.of("a1", "a2"), bodies(popAll(client, List.of("a1", "a2"))), "the others");
    }

    /** Each of them is given back once. */
    private static void inOrderWithKills(Lite lite, DefaultMQProducer producer, PopLiteClient client) throws Exception {
        int count = 6;
        for (int i = 0; i < count; i++) {
            lite.send(producer, "a", "a:" + i);
        }
        Consumed consumed = new Consumed();
        Set<String> givenBack = new HashSet<>();
        Await.until("all are consumed", () -> {
            for (MessageExt message : client.pop(2, INVISIBLE_MS, 500)) {
                if (givenBack.add(bodies(List.of(message)).get(0))) {
                    client.change(message, 100);
                    break;
                }
                consumed.take(client, message);
            }
            return consumed.next.getOrDefault("a", 0) == count;
        });
    }

    /** A consumer puts a lite topic off: all of the pop comes again then, and only the first time counts. */
    private static void putOff(Case main) throws Exception {
        Lite lite = Lite.of(main, Map.of());
        DefaultMQProducer producer = lite.c.producer();
        PopLiteClient client = lite.client("one");
        lite.send(producer, "a", "a0");
        lite.send(producer, "a", "a1");
        subscribe(client, "a");
        for (int times : new int[] {0, 1, 1}) {
            List<MessageExt> both = popAll(client, List.of("a0", "a1"));
            Check.equal(List.of("a0", "a1"), bodies(both), "what comes");
            AckStatus status = Case.retried("put off", () -> client.change(both.get(0), 1_000, true));
            if (!Kills.areOn()) {
                both.forEach(message -> Check.equal(times, message.getReconsumeTimes(), "how often " + bodies(List.of(message)) + " came before"));
                Check.equal(AckStatus.OK, status, "putting it off");
                Check.equal(0, client.pop(32, LONG_MS, 0).size(), "messages before that time");
            }
        }
    }

    private static MessageExt popOne(PopLiteClient client) {
        List<MessageExt> popped = new ArrayList<>();
        Await.until("a message", () -> {
            popped.addAll(client.pop(1, LONG_MS, 500));
            return !popped.isEmpty();
        });
        Check.equal(1, popped.size(), "messages of one pop");
        return popped.get(0);
    }

    private static void waits(Case main) throws Exception {
        Lite lite = Lite.of(main, Map.of());
        PopLiteClient client = lite.client("one");
        subscribe(client, "a");
        CompletableFuture<List<MessageExt>> waiting = Case.beside(() -> Case.retried("popped", () -> {
            List<MessageExt> messages = client.pop(32, LONG_MS, 20_000);
            if (messages.isEmpty() && Kills.areOn()) {
                throw new IllegalStateException("another answer, which brought it, was lost");
            }
            return messages;
        }));
        lite.send(lite.c.producer(), "a", "a0");
        List<MessageExt> messages = waiting.get(Kills.areOn() ? Await.SOON.toSeconds() : 25, TimeUnit.SECONDS);
        Check.equal(Set.of("a0"), Set.copyOf(bodies(messages)), "what it waited for");
        Check.times(1, messages.size(), "messages");
    }

    private static void begins(Case main) throws Exception {
        Lite lite = Lite.of(main, Map.of());
        DefaultMQProducer producer = lite.c.producer();
        long[] places = new long[5];
        for (int i = 0; i < 5; i++) {
            lite.send(producer, "a", "a" + i);
            places[i] = Kills.areOn() ? end(lite, "a") - 1 : i;
        }
        PopLiteClient client = lite.client("one");
        begin(client, new OffsetOption(OffsetOption.Type.OFFSET, places[3]));
        Check.equal(List.of("a3", "a4"), bodies(popAll(client, List.of("a3", "a4"))), "from the offset on");
        lite.group(lite.group + "-2", Map.of());
        PopLiteClient other = new PopLiteClient(lite.c, lite.topic, lite.group + "-2", "two-" + lite.topic);
        begin(other, new OffsetOption(OffsetOption.Type.POLICY, OffsetOption.POLICY_MIN_VALUE));
        Check.equal("a0", bodies(popAll(other, List.of("a0"), "a1", "a2", "a3", "a4")).get(0), "from the first one on");
    }

    /** The end of a lite topic, where the next message will lie. */
    private static long end(Lite lite, String liteTopic) throws Exception {
        PopLiteClient asks = lite.client("asks");
        return Case.retried("the end of " + liteTopic, () -> asks.info(liteTopic).getTopicOffset().getMaxOffset());
    }

    private static void begin(PopLiteClient client, OffsetOption from) throws Exception {
        Case.retried("subscribed", () -> {
            client.subscription(LiteSubscriptionAction.PARTIAL_ADD, Set.of("a"), from);
            return true;
        });
    }

    private static void everything(Case main) throws Exception {
        Lite lite = Lite.of(main, Map.of("lite.sub.wildcard", "true"));
        DefaultMQProducer producer = lite.c.producer();
        PopLiteClient client = lite.client("one");
        Case.retried("subscribed", () -> {
            client.subscription(LiteSubscriptionAction.COMPLETE_ADD, Set.of(), null);
            return true;
        });
        lite.send(producer, "x", "x0");
        lite.send(producer, "y", "y0");
        Check.equal(Set.of("x0", "y0"), Set.copyOf(bodies(popAll(client, List.of("x0", "y0")))), "messages of all lite topics");
        Check.failsWithCode(ILLEGAL_OPERATION, "a subscription to some only", () -> {
            client.subscribe("x");
            return null;
        });
    }

    private static void told(Case main) throws Exception {
        Lite lite = Lite.of(main, Map.of());
        DefaultMQProducer producer = lite.c.producer();
        PopLiteClient client = lite.client("one");
        subscribe(client, "a");
        lite.send(producer, "a", "a0");
        lite.send(producer, "a", "a1");
        lite.send(producer, "b", "b0");
        Await.until("both are there", () -> client.info("a").getTopicOffset().getMaxOffset() >= 2);
        Check.gives(1, "clients that subscribe to it", () -> {
            client.subscribeAgain();
            return client.info("a").getSubscriber().size();
        });
        Check.gives(true, "the only broker keeps it: told", () -> client.info("a").isShardingToBroker());
        Await.until("both are counted", () -> parent(lite).getLiteTopicCount() == 2);
        GetParentTopicInfoResponseBody parent = Case.retried("the parent", () -> parent(lite));
        Check.equal(30, parent.getTtl(), "minutes until it expires");
        Check.equal(Set.of(lite.group), parent.getGroups(), "groups that are bound to it");
        List<MessageExt> popped = popAll(client, List.of("a0"), "a1");
        ackOk(client, popped.get(0));
        var admin = lite.c.cluster.admin();
        GetLiteGroupInfoResponseBody of = Case.retried("the group",
            () -> admin.getLiteGroupInfo(lite.c.cluster.brokerAddr(), lite.group, "a", 5));
        long end = of.getLiteTopicOffsetWrapper().getBrokerOffset();
        Check.times(2, end, "end of the lite topic");
        Check.that(of.getTotalLagCount() == 1 || Kills.areOn() && of.getTotalLagCount() <= end, "not consumed: " + of.getTotalLagCount());
        Check.gives(1, "lite topics of the client", () -> {
            client.subscribeAgain();
            return admin.getLiteClientInfo(lite.c.cluster.brokerAddr(), lite.topic, lite.group, "one-" + lite.topic).getLiteTopicCount();
        });
        Case.retried("dispatched", () -> {
            admin.triggerLiteDispatch(lite.c.cluster.brokerAddr(), lite.group, null);
            return true;
        });
    }

    private static GetParentTopicInfoResponseBody parent(Lite lite) throws Exception {
        return lite.c.cluster.admin().getParentTopicInfo(lite.c.cluster.brokerAddr(), lite.topic);
    }

    private static void badInput(Case main) throws Exception {
        Lite lite = Lite.of(main, Map.of());
        String plain = lite.c.freshTopic(1);
        PopLiteClient onPlain = new PopLiteClient(lite.c, plain, lite.group, "x-" + plain);
        Check.failsWithCode(INVALID_PARAMETER, "a pop from a topic without lite topics", () -> onPlain.pop(1, LONG_MS, 0));
        Check.failsWithCode(INVALID_PARAMETER, "more messages than a pop may ask for", () -> lite.client("one").pop(33, LONG_MS, 0));
        String unbound = lite.c.freshName();
        SubscriptionGroupConfig config = new SubscriptionGroupConfig();
        config.setGroupName(unbound);
        createGroup(lite.c, config);
        PopLiteClient other = new PopLiteClient(lite.c, lite.topic, unbound, "y-" + lite.topic);
        Check.failsWithCode(INVALID_PARAMETER, "a pop of a group that is not bound", () -> other.pop(1, LONG_MS, 0));
    }

    /**
     * The broker is killed again and again, at sends and at acknowledgements that a seed chooses. What was acknowledged to the
     * producer is consumed, of each lite topic in order; what the consumer acknowledged comes again from a Java broker only, which
     * writes progress later.
     */
    private static void killed(Case main) throws Exception {
        Lite lite = Lite.of(main, Map.of());
        long seed = Long.getLong("interop.kills", System.nanoTime());
        System.out.println("     lite-killed: seed " + seed);
        Random random = new Random(seed);
        DefaultMQProducer producer = lite.c.producer();
        PopLiteClient client = lite.client("one");
        Set<String> names = Set.of("a", "b", "c", "d");
        Await.until("subscribed", () -> resubscribed(client, names));
        Map<String, Integer> sent = new TreeMap<>();
        Consumed consumed = new Consumed();
        for (int round = 0; round < KILLS; round++) {
            int atSend = random.nextInt(ROUND_MESSAGES);
            int atAck = random.nextInt(ROUND_MESSAGES / 2);
            for (int i = 0; i < ROUND_MESSAGES; i++) {
                String name = "abcd".substring(i % 4, i % 4 + 1);
                int number = sent.merge(name, 1, Integer::sum) - 1;
                CompletableFuture<Void> kill = i == atSend ? kill(lite) : null;
                // One that was taken and not acknowledged is there twice then.
                Await.until("sent " + name + number, () -> {
                    lite.send(producer, name, name + ":" + number);
                    return true;
                });
                join(kill);
            }
            AtomicInteger acknowledged = new AtomicInteger();
            AtomicReference<CompletableFuture<Void>> kill = new AtomicReference<>();
            Await.until("half of them are consumed", () -> {
                resubscribed(client, names);
                for (MessageExt message : client.pop(4, INVISIBLE_MS, 500)) {
                    if (acknowledged.get() >= atAck && kill.get() == null) {
                        kill.set(kill(lite));
                    }
                    if (consumed.take(client, message)) {
                        acknowledged.incrementAndGet();
                    }
                }
                return acknowledged.get() >= ROUND_MESSAGES / 2;
            });
            join(kill.get());
        }
        Await.until("everything is consumed", () -> {
            resubscribed(client, names);
            client.pop(32, INVISIBLE_MS, 500).forEach(message -> consumed.take(client, message));
            return consumed.next.equals(sent);
        });
    }

    /** What a consumer of several lite topics has seen and acknowledged. */
    private static final class Consumed {
        final Map<String, Integer> next = new TreeMap<>();
        private final Set<String> acknowledged = new HashSet<>();
        private final boolean mayComeAgain = "persisted".equals(System.getProperty("interop.offsets"));

        /** Takes and acknowledges one message, which is the next of its lite topic or an old one; whether the broker says so. */
        boolean take(PopLiteClient client, MessageExt message) {
            String[] body = new String(message.getBody(), StandardCharsets.UTF_8).split(":");
            int number = Integer.parseInt(body[1]);
            int due = next.getOrDefault(body[0], 0);
            Check.that(number <= due, body[0] + number + " comes while " + body[0] + due + " is still to come");
            String place = body[0] + "@" + message.getQueueOffset();
            Check.that(mayComeAgain || !acknowledged.contains(place), place + " comes again, but was acknowledged");
            next.put(body[0], Math.max(due, number + 1));
            try {
                return client.ack(message) == AckStatus.OK && acknowledged.add(place);
            } catch (Exception e) {
                // Killed meanwhile: it may come again.
                return false;
            }
        }
    }

    /** A broker that was killed does not know it any more: clients tell again and again. */
    private static boolean resubscribed(PopLiteClient client, Set<String> names) throws Exception {
        client.subscription(LiteSubscriptionAction.COMPLETE_ADD, names, null);
        return true;
    }

    private static CompletableFuture<Void> kill(Lite lite) {
        return CompletableFuture.runAsync(() -> {
            try {
                lite.c.cluster.restartBroker("kill");
            } catch (Exception e) {
                throw new IllegalStateException("the broker cannot be killed and started again", e);
            }
        });
    }

    private static void join(CompletableFuture<Void> kill) throws Exception {
        if (kill != null) {
            kill.get(150, TimeUnit.SECONDS);
        }
    }
}
