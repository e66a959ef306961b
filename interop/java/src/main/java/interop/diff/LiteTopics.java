package interop.diff;

import interop.Await;
import interop.PopLiteClient;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.common.lite.LiteSubscriptionAction;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.remoting.protocol.admin.OffsetWrapper;
import org.apache.rocketmq.remoting.protocol.body.GetLiteTopicInfoResponseBody;
import org.apache.rocketmq.remoting.protocol.subscription.SubscriptionGroupConfig;

/**
 * Pops of lite topics, in each round by two other clients of a group that subscribe to some each, and by one that subscribes to everything.
 * Which lite topic a pop brings first is chance; what each brings, and in which order, is compared.
 */
final class LiteTopics {
    private static final Duration BOUND = Duration.ofSeconds(120);
    private static final List<String> NAMES = List.of("n1", "n2", "n3", "n4", "n5");
    private static final int ROUNDS = 4;
    private static final long LONG_MS = 120_000;
    /** Long enough for whoever acknowledges, with two brokers and a client on one machine. */
    private static final long INVISIBLE_MS = 3_000;

    /** What becomes of a message at its first delivery; at the second it is acknowledged. */
    private enum Fate {
        ACK, EXPIRE, CHANGE, PUT_OFF
    }

    /** Sends, and then which client has which lite topics: a message may lie there before anybody subscribes. */
    private record Round(List<String> sends, List<Fate> fates, Map<String, String> owners, boolean subscribesFirst) {
    }

    private final String topic;
    private final String group;
    private final List<Round> rounds = new ArrayList<>();

    LiteTopics(String prefix, Random random) {
        topic = prefix + "many";
        group = prefix + "of-many";
        for (int round = 0; round < ROUNDS; round++) {
            List<String> sends = new ArrayList<>();
            List<Fate> fates = new ArrayList<>();
            for (int i = 3 + random.nextInt(6); i > 0; i--) {
                sends.add(NAMES.get(random.nextInt(NAMES.size())));
                fates.add(Fate.values()[random.nextInt(6) % 4]);
            }
            Map<String, String> owners = new TreeMap<>();
            for (String name : NAMES) {
                owners.put(name, List.of("one", "two", "two", "none").get(random.nextInt(4)));
            }
            rounds.add(new Round(sends, fates, owners, random.nextBoolean()));
        }
    }

    void run(Side side) throws Exception {
        Map<String, String> fields = new LinkedHashMap<>(Map.of("topic", topic, "defaultTopic", "TBW102", "readQueueNums", "1", "writeQueueNums", "1",
            "perm", "6", "topicFilterType", "SINGLE_TAG", "topicSysFlag", "0", "order", "false", "attributes", "+message.type=LITE"));
        side.see("many create", Texts.answer(side.ask(17, fields, null)));
        Await.until("route of " + topic, () -> !side.cluster().admin().examineTopicRouteInfo(topic).getQueueDatas().isEmpty());
        group(side, group, Map.of("+lite.bind.topic", topic));
        group(side, group + "-all", Map.of("+lite.bind.topic", topic, "+lite.sub.wildcard", "true"));
        Progress progress = new Progress();
        int number = 0;
        for (int i = 0; i < rounds.size(); i++) {
            Round round = rounds.get(i);
            // Others each time: what was for a client that turned away, a Java broker gives to it still.
            Map<String, PopLiteClient> clients = new TreeMap<>();
            for (String id : List.of("one", "two")) {
                clients.put(id, new PopLiteClient(side.c, topic, group, id + "-" + i + "-" + topic));
            }
            if (round.subscribesFirst) {
                subscribe(side, i, round, clients);
            }
            for (int j = 0; j < round.sends.size(); j++) {
                send(side, number++, round.sends.get(j));
                progress.sent(round.sends.get(j), round.fates.get(j));
            }
            for (String name : NAMES) {
                side.awaitVisible(lightQueue(name), "0");
            }
            if (!round.subscribesFirst) {
                subscribe(side, i, round, clients);
            }
            drain(side, i, round, clients, progress);
            for (PopLiteClient client : clients.values()) {
                client.subscription(LiteSubscriptionAction.COMPLETE_REMOVE, Set.of(), null);
            }
        }
        all(side, progress);
        told(side);
    }

    private String lightQueue(String name) {
        return "%LMQ%$" + topic + "$" + name;
    }

    private static void group(Side side, String name, Map<String, String> attributes) throws Exception {
        SubscriptionGroupConfig config = new SubscriptionGroupConfig();
        config.setGroupName(name);
        config.getAttributes().putAll(attributes);
        side.cluster().admin().createAndUpdateSubscriptionGroupConfig(side.broker, config);
    }

    private void send(Side side, int number, String name) throws Exception {
        Map<String, String> properties = new TreeMap<>(Map.of("UNIQ_KEY", topic + number, "number", String.valueOf(number)));
        properties.put(MessageConst.PROPERTY_LITE_TOPIC, name);
        Map<String, String> fields = new LinkedHashMap<>(Map.of("a", topic, "b", topic, "c", "TBW102", "d", "1", "e", "0", "f", "0", "g", "1700000000000",
            "h", String.valueOf(number), "i", MessageDecoder.messageProperties2String(properties)));
        fields.putAll(Map.of("j", "0", "k", "false", "m", "false"));
        side.see("many " + number + " sent", Texts.answer(side.ask(310, fields, ("many " + number).getBytes(StandardCharsets.UTF_8))));
        side.oneMoreIn(lightQueue(name));
    }

    private void subscribe(Side side, int number, Round round, Map<String, PopLiteClient> clients) throws Exception {
        clients.forEach((id, client) -> {
            Set<String> owned = new TreeSet<>(NAMES);
            owned.removeIf(name -> !round.owners.get(name).equals(id));
            String answer = "taken";
            try {
                client.subscription(LiteSubscriptionAction.COMPLETE_ADD, owned, null);
            } catch (MQBrokerException e) {
                answer = "code " + e.getResponseCode();
            } catch (Exception e) {
                throw new IllegalStateException("cannot subscribe", e);
            }
            side.see("many round " + number + " " + id + " subscribes to " + owned, answer);
        });
    }

    /** One message at a time, as what there is at the moment of a pop is chance in Java. */
    private void drain(Side side, int number, Round round, Map<String, PopLiteClient> clients, Progress progress) {
        Set<String> wanted = new TreeSet<>(NAMES);
        wanted.removeIf(name -> round.owners.get(name).equals("none"));
        Map<String, List<String>> seen = new TreeMap<>();
        Await.until("round " + number + " of lite topics is consumed", BOUND, () -> {
            for (Map.Entry<String, PopLiteClient> client : clients.entrySet()) {
                for (MessageExt message : client.getValue().pop(1, INVISIBLE_MS, 200)) {
                    String name = message.getProperty(MessageConst.PROPERTY_LITE_TOPIC);
                    List<String> notes = seen.computeIfAbsent(name, n -> new ArrayList<>());
                    notes.add(client.getKey() + ": " + Texts.message(message));
                    notes.add(progress.take(client.getValue(), name, message));
                }
            }
            return progress.isDone(wanted);
        });
        seen.forEach((name, notes) -> side.see("many round " + number + " " + name, String.join("\n    ", notes)));
    }

    /** Whoever subscribes to everything is given all from the beginning. */
    private void all(Side side, Progress progress) throws Exception {
        PopLiteClient client = new PopLiteClient(side.c, topic, group + "-all", "all-" + topic);
        client.subscription(LiteSubscriptionAction.COMPLETE_ADD, Set.of(), null);
        Map<String, List<String>> seen = new TreeMap<>();
        int[] count = {0};
        Await.until("all lite topics are consumed", BOUND, () -> {
            for (MessageExt message : client.pop(32, LONG_MS, 200)) {
                count[0]++;
                seen.computeIfAbsent(message.getProperty(MessageConst.PROPERTY_LITE_TOPIC), n -> new ArrayList<>())
                    .add(Texts.message(message) + " ack " + client.ack(message));
            }
            return count[0] >= progress.all();
        });
        seen.forEach((name, notes) -> side.see("many all " + name, String.join("\n    ", notes)));
    }

    private void told(Side side) throws Exception {
        PopLiteClient client = new PopLiteClient(side.c, topic, group, "asks-" + topic);
        for (String name : NAMES) {
            GetLiteTopicInfoResponseBody info = client.info(name);
            side.see("many info " + name, info.getParentTopic() + " " + info.getLiteTopic() + " sharding to this broker " + info.isShardingToBroker()
                + " max " + info.getTopicOffset().getMaxOffset() + " min " + info.getTopicOffset().getMinOffset());
            var of = side.cluster().admin().getLiteGroupInfo(side.broker, group, name, 5);
            // There are none of a lite topic that was never sent to.
            OffsetWrapper offsets = of.getLiteTopicOffsetWrapper();
            side.see("many lag " + name, of.getTotalLagCount()
                + (offsets == null ? "" : " consumed " + offsets.getConsumerOffset() + " of " + offsets.getBrokerOffset()));
        }
    }

    /** How far the group is in each lite topic. */
    private static final class Progress {
        private final Map<String, List<Fate>> fates = new HashMap<>();
        private final Map<String, Integer> next = new HashMap<>();
        private final Set<String> again = new TreeSet<>();

        void sent(String name, Fate fate) {
            fates.computeIfAbsent(name, n -> new ArrayList<>()).add(fate);
        }

        int all() {
            return fates.values().stream().mapToInt(List::size).sum();
        }

        boolean isDone(Set<String> names) {
            return names.stream().allMatch(name -> next.getOrDefault(name, 0) == fates.getOrDefault(name, List.of()).size());
        }

        String take(PopLiteClient client, String name, MessageExt message) throws Exception {
            Fate fate = fates.get(name).get((int) message.getQueueOffset());
            if (fate == Fate.ACK || !again.add(name + message.getQueueOffset())) {
                next.put(name, (int) message.getQueueOffset() + 1);
                return "ack " + client.ack(message);
            }
            return switch (fate) {
                case CHANGE -> "change " + client.change(message, 500);
                case PUT_OFF -> "put off " + client.change(message, 500, true);
                default -> "nothing";
            };
        }
    }
}
