package interop.diff;

import interop.Await;
import interop.PopClient;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.remoting.protocol.header.PopMessageRequestHeader;
import org.apache.rocketmq.remoting.protocol.subscription.SubscriptionGroupConfig;

/** Pops whose time is over: the messages come again, are counted, and are acknowledged or given up after some times. */
final class PopsAgain {
    private static final Duration BOUND = Duration.ofSeconds(150);
    private static final int MESSAGES = 16;
    private static final int ROUNDS_IN_ORDER = 4;
    /** Long enough for whoever acknowledges, with two brokers and a client on one machine. */
    private static final long INVISIBLE_MS = 4_000;
    /** A Java broker notices some seconds late that a time is over. */
    private static final long QUIET_MS = 8_000;

    /** What becomes of a message at its last delivery. */
    private enum End {
        ACK, CHANGE, GIVE_UP
    }

    /** How often a message comes before its end. */
    private record Fate(int times, End end) {
    }

    /** What a message came to. */
    private static final class Course {
        final Fate fate;
        final List<String> notes = new ArrayList<>();
        int times;

        Course(Fate fate) {
            this.fate = fate;
        }
    }

    private final String prefix;
    private final String topic;
    private final String ordered;
    private final String group;
    private final List<Map<String, String>> sends = new ArrayList<>();
    private final List<Fate> fates = new ArrayList<>();
    private final List<Integer> acknowledged = new ArrayList<>();

    PopsAgain(Workload work, String prefix, Random random) {
        this.prefix = prefix;
        topic = prefix + "popped";
        ordered = prefix + "popped-in-order";
        group = prefix + "popping";
        for (int i = 0; i < MESSAGES; i++) {
            Map<String, String> properties = new TreeMap<>(Map.of("UNIQ_KEY", prefix + "p" + i, "number", String.valueOf(i)));
            if (random.nextBoolean()) {
                properties.put("TAGS", "red");
            }
            if (random.nextInt(3) == 0) {
                properties.put(MessageConst.PROPERTY_KEYS, "k" + i);
            }
            if (random.nextInt(6) == 0) {
                properties.put(List.of("RETRY_TOPIC", "REAL_TOPIC", "ORIGIN_GROUP", "1ST_POP_TIME", "MAX_RECONSUME_TIMES", "__SHARDINGKEY")
                    .get(random.nextInt(6)), "7");
            }
            Map<String, String> fields = work.sendFields(topic, properties, false);
            fields.put("e", String.valueOf(i % Workload.QUEUES));
            fields.put("j", String.valueOf(random.nextInt(4) == 0 ? 3 : 0));
            sends.add(fields);
            fates.add(new Fate(random.nextInt(3), End.values()[random.nextInt(3)]));
        }
        for (int i = 0; i < ROUNDS_IN_ORDER; i++) {
            acknowledged.add(random.nextInt(4));
        }
    }

    /** The topics that are read at the end. */
    List<String> topics() {
        return List.of("%RETRY%" + group + "_" + topic, "%RETRY%" + group, "%DLQ%" + group, "%RETRY%" + group + "_" + ordered);
    }

    void run(Side side) throws Exception {
        side.cluster().createTopic(topic, Workload.QUEUES);
        side.cluster().createTopic(ordered, 1);
        SubscriptionGroupConfig config = new SubscriptionGroupConfig();
        config.setGroupName(group);
        side.cluster().admin().createAndUpdateSubscriptionGroupConfig(side.broker, config);
        Phases.beside(List.of(this::again, this::inOrder)).run(side);
    }

    private void again(Side side) throws Exception {
        for (int i = 0; i < MESSAGES; i++) {
            byte[] body = ("popped " + i).getBytes(StandardCharsets.UTF_8);
            side.see("popped " + i + " sent", Texts.answer(side.ask(310, sends.get(i), body)));
        }
        PopClient pop = new PopClient(side.c, topic, group);
        PopMessageRequestHeader request = pop.request(32, INVISIBLE_MS, 1_000);
        Map<Integer, Course> seen = new TreeMap<>();
        for (int i = 0; i < MESSAGES; i++) {
            seen.put(i, new Course(fates.get(i)));
        }
        long[] last = {System.nanoTime()};
        Await.until("all popped messages have come to their end", BOUND, () -> {
            for (MessageExt message : pop.pop(request).messages()) {
                last[0] = System.nanoTime();
                Course course = seen.get(Integer.parseInt(message.getUserProperty("number")));
                course.notes.add(course.times == 0 ? Texts.message(message) : Texts.withoutPlace(message));
                course.times++;
                if (course.times == course.fate.times + 1) {
                    end(side, pop, message, course);
                }
            }
            return seen.values().stream().allMatch(course -> course.times > course.fate.times)
                && System.nanoTime() - last[0] > QUIET_MS * 1_000_000;
        });
        seen.forEach((number, course) -> side.see("popped " + number + " " + course.fate, String.join("\n    ", course.notes)));
    }

    private void end(Side side, PopClient pop, MessageExt message, Course course) throws Exception {
        String handle = PopClient.handle(message);
        if (course.fate.end == End.CHANGE) {
            // The handle that it gives is the one that counts.
            var changed = pop.change(handle, 60_000);
            course.notes.add("change " + changed.getStatus() + ", ack " + pop.ack(changed.getExtraInfo()).getStatus());
            return;
        }
        if (course.fate.end == End.GIVE_UP) {
            Map<String, String> fields = new LinkedHashMap<>(Map.of("offset", String.valueOf(message.getCommitLogOffset()), "group", group,
                "delayLevel", "-1", "originMsgId", message.getMsgId(), "originTopic", topic, "unitMode", "false", "maxReconsumeTimes", "16"));
            course.notes.add("given up: " + Texts.answer(side.ask(36, fields, null)));
        }
        course.notes.add("ack " + pop.ack(handle).getStatus());
    }

    /** One queue, of which each pop is given the same until all before is acknowledged. */
    private void inOrder(Side side) throws Exception {
        for (int i = 0; i < 8; i++) {
            Map<String, String> fields = new LinkedHashMap<>(sends.get(i));
            fields.put("b", ordered);
            fields.put("e", "0");
            fields.put("i", MessageDecoder.messageProperties2String(Map.of("UNIQ_KEY", prefix + "o" + i, "number", String.valueOf(i))));
            side.see("popped in order " + i + " sent", Texts.answer(side.ask(310, fields, new byte[] {(byte) i})));
        }
        side.stored(ordered, Map.of("queueOffset", "7", "queueId", "0", "msgId", "one"));
        side.awaitVisible(ordered, "0");
        PopClient pop = new PopClient(side.c, ordered, group);
        PopMessageRequestHeader request = pop.request(3, INVISIBLE_MS, 500);
        request.setOrder(true);
        for (int round = 0; round < ROUNDS_IN_ORDER; round++) {
            request.setAttemptId("attempt-" + round);
            List<MessageExt> found = new ArrayList<>();
            Await.until("pop in order " + round, BOUND, () -> found.addAll(pop.pop(request).messages()));
            StringBuilder notes = new StringBuilder(Texts.messages(found));
            for (int i = 0; i < Math.min(found.size(), acknowledged.get(round)); i++) {
                notes.append("\n    ack ").append(pop.ack(found.get(i)).getStatus());
            }
            side.see("popped in order round " + round + ", acknowledges " + acknowledged.get(round), notes.toString());
        }
    }
}
