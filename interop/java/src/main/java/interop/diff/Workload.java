package interop.diff;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.apache.rocketmq.common.compression.CompressionType;
import org.apache.rocketmq.common.compression.CompressorFactory;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.sysflag.MessageSysFlag;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;

/**
 * The work of one seed: a list of steps made before anything runs, so that both systems get the same. Requests go out as the
 * protocol has them, past the checks of a client.
 */
final class Workload {
    private static final int STEPS = 400;
    private static final int STEPS_OF_KINDS = 120;
    static final int QUEUES = 3;
    /** End of the name of the topic for messages that are delivered later. */
    static final String LATE = "late";
    /** End of the name of the topic for transactions that are ended twice, or delivered later. */
    private static final String ODD = "odd";
    /** Ways to compress, and their bits in the flags of a message. */
    private static final List<CompressionType> COMPRESSIONS = List.of(CompressionType.ZLIB, CompressionType.LZ4, CompressionType.ZSTD);
    private static final long BORN = 1_700_000_000_000L;

    /** What one step does to a system and notes of it. */
    interface Step {
        void run(Side side) throws Exception;
    }

    private final Random random;
    private final String prefix;
    private final List<String> topics;
    private final List<String> groups;
    private final List<Step> steps = new ArrayList<>();
    private final PopsAgain popsAgain;
    private int ids;

    /** @param attempt the same work may be done more than once on the same systems, under other names */
    Workload(long seed, int attempt) {
        random = new Random(seed);
        prefix = "diff" + seed + (attempt == 0 ? "-" : "again" + attempt + "-");
        topics = List.of(prefix + "a", prefix + "b", prefix + "c");
        groups = List.of(prefix + "g", prefix + "h");
        List<String> consumed = new ArrayList<>(topics);
        consumed.add(prefix + LATE);
        List<String> created = new ArrayList<>(consumed);
        created.addAll(List.of(prefix + ODD, prefix + Requests.TOPIC));
        for (String topic : created) {
            steps.add(side -> side.cluster().createTopic(topic, QUEUES));
        }
        for (int i = 0; i < STEPS; i++) {
            steps.add(randomStep(String.format("%04d", i)));
        }
        Kinds kinds = new Kinds(this, prefix);
        steps.addAll(kinds.create());
        for (int i = STEPS; i < STEPS + STEPS_OF_KINDS; i++) {
            steps.add(kinds.step(String.format("%04d", i)));
        }
        popsAgain = new PopsAgain(this, prefix, new Random(random.nextLong()));
        LiteTopics lite = new LiteTopics(prefix, new Random(random.nextLong()));
        PullConsumers pulls = new PullConsumers(prefix, topics, new Random(random.nextLong()));
        steps.add(side -> Requests.run(side, prefix));
        steps.add(Phases.beside(List.of(side -> new Consumption(prefix, consumed).run(side), popsAgain::run,
            lite::run, pulls::run, side -> new Broadcasts(prefix, topics).run(side))));
        steps.add(this::readAll);
        steps.add(kinds::readAll);
        steps.add(side -> Inquiries.run(side, prefix, topics));
    }

    /** Of the names of all topics and groups. */
    String prefix() {
        return prefix;
    }

    Void run(Side side) {
        for (Step step : steps) {
            try {
                step.run(side);
            } catch (Exception e) {
                throw new IllegalStateException("a step cannot be taken on " + side.broker, e);
            }
        }
        return null;
    }

    private Step randomStep(String number) {
        int kind = random.nextInt(125);
        if (kind >= 120) {
            return Retries.step(number, random, prefix, groups, sendFields(oneOf(topics), properties(), false), body());
        } else if (kind >= 115) {
            return compressed(number + " compressed");
        } else if (kind >= 110) {
            Map<String, String> properties = properties();
            Map<String, String> half = sendFields(oneOf(topics), properties, false);
            return Transactions.step(number, random, half, body(), isLate(properties), prefix + ODD);
        } else if (kind >= 105) {
            return Pops.step(number, random, groups, topics, QUEUES);
        } else if (kind >= 100) {
            Map<String, String> fields = pullFields();
            fields.put("expressionType", chance(95) ? "SQL92" : "SQL93");
            fields.put("subscription", Expressions.random(random));
            // Where it is refused the offset that comes with it is not committed.
            fields.put("sysFlag", "4");
            return pulled(number + " sql", fields);
        }
        if (kind < 45) {
            return sent(number + " send", 310, sendFields(), body());
        } else if (kind < 52) {
            return sent(number + " batch", 320, batchFields(), batch());
        } else if (kind < 70) {
            return pulled(number + " pull", pullFields());
        } else if (kind < 80) {
            return offsets(number);
        } else if (kind < 85) {
            return sendBack(number);
        } else if (kind < 90) {
            return locks(number);
        } else if (kind < 95) {
            return broken(number);
        }
        return administration(number);
    }

    /** A request whose whole answer is compared. */
    private static Step asked(String name, int code, Map<String, String> fields, byte[] body) {
        return side -> {
            side.awaitVisible(fields.get("topic"), fields.get("queueId"));
            side.see(name + " " + fields, Texts.answer(side.ask(code, fields, body)));
        };
    }

    private Step sent(String name, int code, Map<String, String> fields, byte[] body) {
        String topic = fields.get("b");
        return side -> {
            RemotingCommand answer = side.ask(code, fields, body);
            if (answer.getCode() == 0 && topics.contains(topic)) {
                side.stored(topic, answer.getExtFields());
            }
            String text = Texts.answer(answer);
            side.see(name + " " + fields, topics.contains(topic) ? text : text.replaceFirst("queueOffset=\\d+", "queueOffset=…"));
        };
    }

    private static Step pulled(String name, Map<String, String> fields) {
        return side -> {
            side.awaitVisible(fields.get("topic"), fields.get("queueId"));
            RemotingCommand answer = side.ask(11, fields, null);
            side.see(name + " " + fields, Texts.answer(answer) + Texts.messages(Reading.decoded(answer)));
        };
    }

    // What is sent.

    private Map<String, String> sendFields() {
        String topic = chance(90) ? oneOf(topics) : oneOf(List.of(prefix + "new-" + random.nextInt(3), "has space",
            "TBW102", "SCHEDULE_TOPIC_XXXX", "%RETRY%" + oneOf(groups), "%RETRY%nobody", "x".repeat(128), "rmq_sys_x", "ü"));
        Map<String, String> properties = properties();
        return sendFields(isLate(properties) ? prefix + LATE : topic, properties, false);
    }

    /** When such messages arrive, and so their order, is a matter of time. */
    private static boolean isLate(Map<String, String> properties) {
        return properties.keySet().stream().anyMatch(name -> name.equals("DELAY") || name.startsWith("TIMER_"));
    }

    private Step compressed(String name) {
        CompressionType how = oneOf(COMPRESSIONS);
        Map<String, String> fields = sendFields();
        fields.put("f", String.valueOf(MessageSysFlag.COMPRESSED_FLAG | how.getCompressionFlag()));
        byte[] body = body();
        try {
            return sent(name, 310, fields, body.length == 0 ? body : CompressorFactory.getCompressor(how).compress(body, 5));
        } catch (IOException e) {
            throw new IllegalStateException("cannot be compressed", e);
        }
    }

    private Map<String, String> batchFields() {
        return sendFields(oneOf(topics), Map.of(), true);
    }

    /** Names of the fields as SEND_MESSAGE_V2 has them. */
    Map<String, String> sendFields(String topic, Map<String, String> properties, boolean isBatch) {
        Map<String, String> fields = new LinkedHashMap<>();
        fields.put("a", prefix + "producers");
        fields.put("b", topic);
        fields.put("c", chance(95) ? "TBW102" : "nowhere");
        fields.put("d", String.valueOf(chance(80) ? 4 : random.nextInt(12) - 1));
        fields.put("e", String.valueOf(chance(90) ? random.nextInt(QUEUES) : random.nextInt(20)));
        // The bits of a way to compress, without saying that it was.
        fields.put("f", String.valueOf(chance(95) ? 0 : 0x100));
        fields.put("g", String.valueOf(BORN + ids));
        fields.put("h", String.valueOf(random.nextInt(5)));
        fields.put("i", MessageDecoder.messageProperties2String(properties));
        fields.put("j", "0");
        fields.put("k", "false");
        fields.put("m", String.valueOf(isBatch));
        return fields;
    }

    /** Nothing that decides where a message goes, or when. */
    Map<String, String> plain() {
        return Map.of("UNIQ_KEY", prefix + ids++, "TAGS", oneOf(List.of("red", "green")), "number", String.valueOf(random.nextInt(100)));
    }

    private Map<String, String> properties() {
        Map<String, String> properties = new TreeMap<>();
        properties.put("UNIQ_KEY", prefix + ids++);
        if (chance(70)) {
            properties.put("TAGS", oneOf(List.of("red", "green", "blue", "a b", "rot ü", "AaAa", "BBBB")));
        }
        if (chance(50)) {
            properties.put("KEYS", "k" + random.nextInt(20) + (chance(30) ? " k" + random.nextInt(20) : ""));
        }
        if (chance(40)) {
            properties.put("number", String.valueOf(random.nextInt(100)));
        }
        if (chance(10)) {
            properties.put(oneOf(List.of("MSG_REGION", "TRACE_ON", "CLUSTER", "REAL_TOPIC", "REAL_QID", "RETRY_TOPIC",
                "CONSUME_START_TIME", "INNER_NUM", "MAX_RECONSUME_TIMES", "CORRELATION_ID", "INSTANCE_ID")), "7");
        }
        if (chance(5)) {
            properties.put("long", "v".repeat(oneOf(List.of(1_000, 20_000, 32_000, 40_000))));
        }
        if (chance(7)) {
            properties.put("DELAY", oneOf(List.of("0", "1", "3", "18", "19", "-1", "x", "")));
        }
        if (chance(6)) {
            properties.put(oneOf(List.of("TIMER_DELAY_SEC", "TIMER_DELAY_MS", "TIMER_DELIVER_MS")),
                oneOf(List.of("0", "1", "2", "999999999999", "-5", "x", "1.5")));
        }
        if (chance(10)) {
            properties.put("WAIT", oneOf(List.of("true", "false", "maybe")));
        }
        return properties;
    }

    byte[] body() {
        int length = oneOf(List.of(1, 5, 100, 1_000, 5_000));
        if (chance(3)) {
            length = oneOf(List.of(0, 4 * 1024 * 1024, 4 * 1024 * 1024 + 1));
        }
        byte[] body = new byte[length];
        for (int i = 0; i < length; i++) {
            body[i] = (byte) ('a' + (i * 31 + ids) % 26);
        }
        return body;
    }

    byte[] batch() {
        List<byte[]> entries = new ArrayList<>();
        int total = 0;
        for (int i = random.nextInt(4); i >= 0; i--) {
            byte[] body = ("batch " + ids).getBytes(StandardCharsets.UTF_8);
            byte[] properties = MessageDecoder.messageProperties2String(Map.of("UNIQ_KEY", prefix + ids++, "TAGS", "red"))
                .getBytes(StandardCharsets.UTF_8);
            ByteBuffer entry = ByteBuffer.allocate(22 + body.length + properties.length);
            entry.putInt(entry.capacity()).putInt(0).putInt(0).putInt(random.nextInt(3)).putInt(body.length).put(body)
                .putShort((short) properties.length).put(properties);
            entries.add(entry.array());
            total += entry.capacity();
        }
        ByteBuffer all = ByteBuffer.allocate(total + (chance(5) ? 3 : 0));
        entries.forEach(all::put);
        return all.array();
    }

    // What is asked.

    private Map<String, String> pullFields() {
        Map<String, String> fields = new LinkedHashMap<>();
        fields.put("consumerGroup", chance(95) ? oneOf(groups) : "no such group!");
        fields.put("topic", chance(95) ? oneOf(topics) : "nowhere");
        fields.put("queueId", String.valueOf(chance(95) ? random.nextInt(QUEUES) : random.nextInt(20) - 3));
        fields.put("queueOffset", String.valueOf(chance(85) ? random.nextInt(60) : random.nextInt(1_000) - 10));
        fields.put("maxMsgNums", String.valueOf(oneOf(List.of(1, 3, 32, 1_000, 0))));
        // Bit 2: the subscription is in the request. Bit 0: an offset is committed.
        boolean commits = chance(20);
        fields.put("sysFlag", String.valueOf(4 | (commits ? 1 : 0)));
        fields.put("commitOffset", String.valueOf(commits ? random.nextInt(60) : 0));
        fields.put("suspendTimeoutMillis", "0");
        fields.put("subscription", oneOf(List.of("*", "red", "red || blue", "||", "AaAa", "rot ü", "nobody has it")));
        fields.put("subVersion", "1");
        fields.put("expressionType", "TAG");
        return fields;
    }

    private Step offsets(String number) {
        Map<String, String> fields = new LinkedHashMap<>();
        fields.put("consumerGroup", chance(95) ? oneOf(groups) : "nobody");
        fields.put("topic", chance(95) ? oneOf(topics) : "nowhere");
        fields.put("queueId", String.valueOf(chance(95) ? random.nextInt(QUEUES) : random.nextInt(20) - 3));
        switch (random.nextInt(6)) {
            case 0:
                return asked(number + " query offset", 14, fields, null);
            case 1:
                int offset = chance(80) ? random.nextInt(60) : random.nextInt(2_000) - 1_000;
                fields.put("commitOffset", String.valueOf(offset));
                if (offset < 0) {
                    // Java keeps it: others would copy it.
                    fields.put("consumerGroup", prefix + "below-zero");
                }
                return asked(number + " commit", 15, fields, null);
            case 2:
                return asked(number + " max", 30, fields, null);
            case 3:
                return asked(number + " min", 31, fields, null);
            case 4:
                fields.put("timestamp", oneOf(List.of("0", "1", "-1", "9999999999999")));
                if (chance(50)) {
                    fields.put("boundaryType", oneOf(List.of("LOWER", "UPPER")));
                }
                return asked(number + " by time", 29, fields, null);
            default:
                return asked(number + " earliest time", 32, fields, null);
        }
    }

    /** What a consumer does with a message that failed; the offset is one of the log, which only the system knows. */
    private Step sendBack(String number) {
        String topic = oneOf(topics);
        int queue = random.nextInt(QUEUES);
        int level = oneOf(List.of(0, 1, 2, -1, 50));
        String group = chance(90) ? oneOf(groups) : "nobody";
        int max = oneOf(List.of(16, 1, 0, -1));
        return side -> {
            Map<String, String> pull = new LinkedHashMap<>(Map.of("consumerGroup", groups.get(0), "topic", topic, "queueId",
                String.valueOf(queue), "queueOffset", "0", "maxMsgNums", "1", "sysFlag", "4", "commitOffset", "0",
                "suspendTimeoutMillis", "0", "subscription", "*", "subVersion", "1"));
            side.awaitVisible(topic, String.valueOf(queue));
            List<MessageExt> found = Reading.decoded(side.look(11, pull));
            Map<String, String> fields = new LinkedHashMap<>();
            fields.put("offset", String.valueOf(found.isEmpty() ? 1 : found.get(0).getCommitLogOffset()));
            fields.put("group", group);
            fields.put("delayLevel", String.valueOf(level));
            fields.put("originMsgId", "origin");
            fields.put("originTopic", topic);
            fields.put("unitMode", "false");
            fields.put("maxReconsumeTimes", String.valueOf(max));
            side.see(number + " send back to " + group + " level " + level + " max " + max, Texts.answer(side.ask(36, fields, null)));
        };
    }

    private Step locks(String number) {
        String json = "{\"consumerGroup\":\"" + oneOf(groups) + "\",\"clientId\":\"" + oneOf(List.of("x", "y")) + "\",\"mqSet\":["
            + "{\"topic\":\"" + oneOf(topics) + "\",\"brokerName\":\"broker-a\",\"queueId\":" + random.nextInt(QUEUES) + "}]}";
        boolean locks = chance(60);
        return side -> {
            RemotingCommand answer = side.ask(locks ? 41 : 42, Map.of(), json.getBytes(StandardCharsets.UTF_8));
            String body = answer.getBody() == null ? "" : new String(answer.getBody(), StandardCharsets.UTF_8);
            side.see(number + (locks ? " lock " : " unlock ") + json, Texts.answer(answer) + " " + body);
        };
    }

    /** Requests that lack fields, have no numbers where numbers belong, or bodies that cannot be read. */
    private Step broken(String number) {
        int code = oneOf(List.of(10, 310, 11, 14, 15, 30, 31, 29, 36, 37, 41, 42, 34, 35, 38, 46, 320, 17, 200, 215, 999));
        Map<String, String> fields = new LinkedHashMap<>();
        for (String name : List.of("topic", "consumerGroup", "queueId", "group", "offset", "a", "b", "e")) {
            if (chance(30)) {
                fields.put(name, oneOf(List.of("x", "", "-1", "99999999999999999999", prefix + "broken")));
            }
        }
        byte[] body = chance(50) ? null : oneOf(List.of("{", "[]", "null", "{}", "\0\1\2")).getBytes(StandardCharsets.UTF_8);
        return asked(number + " broken " + code, code, fields, body);
    }

    private Step administration(String number) {
        Map<String, String> fields = new LinkedHashMap<>();
        if (chance(50)) {
            fields.put("topic", oneOf(List.of(prefix + "made-" + random.nextInt(3), "bad name", "TBW102", "")));
            fields.put("defaultTopic", "TBW102");
            fields.put("readQueueNums", String.valueOf(oneOf(List.of(1, 4, 0, -1, 100_000))));
            fields.put("writeQueueNums", String.valueOf(oneOf(List.of(1, 4, 0))));
            fields.put("perm", String.valueOf(oneOf(List.of(6, 2, 4, 0, 9))));
            fields.put("topicFilterType", "SINGLE_TAG");
            fields.put("topicSysFlag", "0");
            fields.put("order", "false");
            fields.put("attributes", oneOf(List.of("", "+message.type=FIFO", "-message.type", "+queue.type=Nonsense", "+no.such=1")));
            return asked(number + " create topic", 17, fields, null);
        }
        String group = oneOf(List.of(prefix + "made-" + random.nextInt(3), "bad name", ""));
        String json = "{\"groupName\":\"" + group + "\",\"retryMaxTimes\":" + oneOf(List.of(16, 0, -1)) + ",\"retryQueueNums\":1}";
        return asked(number + " create group " + json, 200, fields, json.getBytes(StandardCharsets.UTF_8));
    }

    /** Everything that is in the queues at the end. */
    private void readAll(Side side) throws Exception {
        List<String> read = new ArrayList<>(topics);
        read.addAll(List.of(prefix + LATE, prefix + ODD));
        read.addAll(popsAgain.topics());
        List<String> retrying = new ArrayList<>(groups);
        retrying.addAll(Retries.groups(prefix));
        retrying.addAll(Consumption.failingGroups(prefix));
        retrying.forEach(group -> read.addAll(List.of("%RETRY%" + group, "%DLQ%" + group)));
        Reading reading = new Reading(side, prefix + "reader", true);
        for (String topic : read) {
            for (int queue = 0; queue < QUEUES; queue++) {
                Reading.Queue all = reading.queue(topic, queue, "*");
                boolean inOrder = topics.contains(topic);
                side.see("end " + topic + ":" + queue,
                    Texts.answer(all.last()) + (inOrder ? Texts.messages(all.messages()) : Texts.inAnyOrder(all.messages())));
            }
        }
    }

    boolean chance(int percent) {
        return random.nextInt(100) < percent;
    }

    int number(int below) {
        return random.nextInt(below);
    }

    <T> T oneOf(List<T> choices) {
        return choices.get(random.nextInt(choices.size()));
    }
}
