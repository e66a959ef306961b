package interop.diff;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;

/**
 * Kinds of topics and messages beyond the ordinary: priorities, light queues, inner batches, lite topics, pops in order and by
 * conditions, recalls, and offsets that an administrator sets or clones.
 */
final class Kinds {
    private static final int SEND = 310;
    private static final int SEND_BATCH = 320;
    private static final int PULL = 11;
    private static final int LITE_PULL = 361;
    private static final int POP = 200050;
    private static final int ACK = 200051;
    private static final int CHANGE = 200053;
    private static final int RECALL = 370;
    private static final int RESET = 222;
    private static final int CLONE = 314;
    /** Ends of the names of topics, and their attributes. */
    private static final Map<String, String> TOPICS = new TreeMap<>(Map.of("priority", "+message.type=PRIORITY", "inner", "+queue.type=BatchCQ",
        "lite", "+message.type=LITE", "lite-odd", "+message.type=LITE", "fifo", "+message.type=FIFO", "light", ""));

    private final Workload work;
    private final String prefix;

    Kinds(Workload work, String prefix) {
        this.work = work;
        this.prefix = prefix;
    }

    List<Workload.Step> create() {
        List<Workload.Step> steps = new ArrayList<>();
        TOPICS.forEach((topic, attributes) -> {
            Map<String, String> fields = new LinkedHashMap<>();
            fields.put("topic", prefix + topic);
            fields.put("defaultTopic", "TBW102");
            fields.put("readQueueNums", String.valueOf(Workload.QUEUES));
            fields.put("writeQueueNums", String.valueOf(Workload.QUEUES));
            fields.put("perm", "6");
            fields.put("topicFilterType", "SINGLE_TAG");
            fields.put("topicSysFlag", "0");
            fields.put("order", "false");
            fields.put("attributes", attributes);
            steps.add(side -> side.see("create " + topic, Texts.answer(side.ask(17, fields, null))));
        });
        return steps;
    }

    Workload.Step step(String number) {
        switch (work.number(11)) {
            case 0:
                return sent(number + " priority", "priority", Map.of(MessageConst.PROPERTY_PRIORITY,
                    work.oneOf(List.of("0", "1", "2", "7", "-1", "x", ""))));
            case 1:
            case 2:
                return light(number + " light");
            case 3:
                return sent(number + " inner", "inner", Map.of());
            case 4:
                return innerBatch(number + " inner batch");
            case 5:
                return lite(number + " lite");
            case 6:
                return sent(number + " fifo", "fifo", work.chance(80)
                    ? Map.of(MessageConst.PROPERTY_SHARDING_KEY, work.oneOf(List.of("a", "b"))) : Map.of());
            case 7:
                return popInOrder(number + " pop in order");
            case 8:
                return popByCondition(number + " pop by condition");
            case 9:
                return recall(number + " recall");
            default:
                return work.chance(50) ? reset(number + " reset") : cloned(number + " clone");
        }
    }

    /** What is in these topics at the end. */
    void readAll(Side side) throws Exception {
        for (String topic : List.of("priority", "inner", "fifo", "light")) {
            for (int queue = 0; queue < Workload.QUEUES; queue++) {
                read(side, prefix + topic, queue, PULL);
            }
        }
        for (String light : List.of("a", "b")) {
            read(side, lightQueue(light), 0, PULL);
            read(side, lightQueue(light), 0, LITE_PULL);
        }
    }

    private void read(Side side, String topic, int queue, int code) throws Exception {
        side.awaitVisible(topic, String.valueOf(queue));
        Reading.Queue all = new Reading(side, prefix + "reader", true).queue(topic, queue, "*", code);
        side.see("end " + topic + ":" + queue + (code == PULL ? "" : " by lite pull"), Texts.answer(all.last()) + Texts.messages(all.messages()));
    }

    private String lightQueue(String name) {
        return "%LMQ%" + prefix + name;
    }

    private Workload.Step sent(String name, String topic, Map<String, String> more) {
        return sent(name, topic, more, work.body());
    }

    private Workload.Step sent(String name, String topic, Map<String, String> more, byte[] body) {
        Map<String, String> properties = new TreeMap<>(work.plain());
        properties.putAll(more);
        return sent(name, work.sendFields(prefix + topic, properties, false), SEND, body, List.of());
    }

    /** One of the greatest length is refused by the Java broker where it goes to light queues, and not by Eruca. */
    private byte[] notTheLongest() {
        return Arrays.copyOf(work.body(), 100 + work.number(1_000));
    }

    private Workload.Step sent(String name, Map<String, String> fields, int code, byte[] body, List<String> light) {
        return side -> {
            RemotingCommand answer = side.ask(code, fields, body);
            if (answer.getCode() == 0) {
                side.stored(fields.get("b"), answer.getExtFields());
                light.forEach(side::oneMoreIn);
            }
            side.see(name + " " + Texts.visible(fields.toString()), Texts.answer(answer));
        };
    }

    private Workload.Step lite(String name) {
        if (work.chance(80)) {
            return sent(name, "lite", Map.of(MessageConst.PROPERTY_LITE_TOPIC, work.oneOf(List.of("one", "two"))), notTheLongest());
        }
        // What one side takes and the other does not goes to a topic of its own.
        Map<String, String> odd = work.chance(70)
            ? Map.of(MessageConst.PROPERTY_LITE_TOPIC, work.oneOf(List.of("", "ü", "x".repeat(300)))) : Map.of();
        return sent(name + " oddly", "lite-odd", odd);
    }

    private Workload.Step light(String name) {
        List<String> queues = work.oneOf(List.of(List.of("a"), List.of("b"), List.of("a", "b"), List.of()));
        String named = String.join(",", queues.stream().map(this::lightQueue).toList());
        Map<String, String> properties = new TreeMap<>(work.plain());
        properties.put(MessageConst.PROPERTY_INNER_MULTI_DISPATCH, named);
        return sent(name, work.sendFields(prefix + "light", properties, false), SEND, notTheLongest(), queues.stream().map(this::lightQueue).toList());
    }

    private Workload.Step innerBatch(String name) {
        return sent(name, work.sendFields(prefix + "inner", work.plain(), true), SEND_BATCH, work.batch(), List.of());
    }

    private Map<String, String> pop(String group, String topic, boolean inOrder) {
        Map<String, String> pop = new LinkedHashMap<>();
        pop.put("consumerGroup", prefix + group);
        pop.put("topic", topic);
        pop.put("queueId", String.valueOf(work.number(Workload.QUEUES)));
        pop.put("maxMsgNums", String.valueOf(1 + work.number(4)));
        // Longer than the whole run.
        pop.put("invisibleTime", "600000");
        pop.put("pollTime", "0");
        pop.put("initMode", "0");
        pop.put("expType", "TAG");
        pop.put("exp", "*");
        pop.put("order", String.valueOf(inOrder));
        return pop;
    }

    private Workload.Step popInOrder(String name) {
        Map<String, String> pop = pop("inorder", prefix + "fifo", true);
        pop.put("attemptId", work.oneOf(List.of("a", "b")));
        int then = work.number(4);
        return side -> {
            List<Map<String, String>> handles = new ArrayList<>();
            popped(side, name + " " + pop.get("queueId") + " " + pop.get("maxMsgNums") + " " + pop.get("attemptId"), pop, handles);
            for (int i = 0; i < handles.size(); i++) {
                if (then == 1 || then == 2 && i == 0) {
                    side.see(name + " ack " + i, Texts.answer(side.ask(ACK, handles.get(i), null)));
                }
            }
            if (then == 3 && !handles.isEmpty()) {
                Map<String, String> change = new LinkedHashMap<>(handles.get(0));
                change.put("invisibleTime", "700000");
                RemotingCommand changed = side.ask(CHANGE, change, null);
                side.see(name + " change", "code " + changed.getCode());
            }
        };
    }

    private Workload.Step popByCondition(String name) {
        Map<String, String> pop = pop("conditions", prefix + "a", false);
        pop.put("expType", "SQL92");
        pop.put("exp", work.oneOf(List.of("number > 50", "number < 20 OR TAGS = 'red'", "number IS NULL", "number BETWEEN 3 AND 'x'", "number >")));
        return side -> popped(side, name + " " + pop.get("queueId") + " " + pop.get("maxMsgNums") + " " + pop.get("exp"), pop, new ArrayList<>());
    }

    private void popped(Side side, String name, Map<String, String> pop, List<Map<String, String>> handles) throws Exception {
        side.awaitVisible(pop.get("topic"), pop.get("queueId"));
        // The Java broker refuses what is older than half a second.
        pop.put("bornTime", String.valueOf(System.currentTimeMillis()));
        RemotingCommand answer = side.ask(POP, pop, null);
        Map<String, String> fields = answer.getExtFields() == null ? Map.of() : answer.getExtFields();
        List<MessageExt> found = Reading.decoded(answer);
        side.see(name, "code " + answer.getCode() + " fields " + fields.keySet().stream().sorted().toList() + " offsets "
            + fields.get("msgOffsetInfo") + " order " + fields.get("orderCountInfo") + Texts.messages(found));
        String start = fields.getOrDefault("startOffsetInfo", "");
        for (MessageExt message : found) {
            Map<String, String> handle = new LinkedHashMap<>();
            handle.put("consumerGroup", pop.get("consumerGroup"));
            handle.put("topic", pop.get("topic"));
            handle.put("queueId", String.valueOf(message.getQueueId()));
            handle.put("offset", String.valueOf(message.getQueueOffset()));
            handle.put("extraInfo", start.substring(start.lastIndexOf(' ') + 1) + " " + fields.get("popTime") + " " + fields.get("invisibleTime")
                + " " + fields.get("reviveQid") + " 0 broker-a " + message.getQueueId() + " " + message.getQueueOffset());
            handles.add(handle);
        }
    }

    private Workload.Step recall(String name) {
        Map<String, String> properties = new TreeMap<>(work.plain());
        // Far beyond the end of the run, so that nothing of it is ever delivered.
        properties.put(MessageConst.PROPERTY_TIMER_DELAY_SEC, "50000");
        Map<String, String> send = work.sendFields(prefix + "b", properties, false);
        byte[] body = work.body();
        int what = work.number(5);
        return side -> {
            RemotingCommand sent = side.ask(SEND, send, body);
            String handle = sent.getExtFields() == null ? null : sent.getExtFields().get("recallHandle");
            side.see(name + " send " + Texts.visible(send.toString()), "code " + sent.getCode() + (handle == null ? " no handle" : " handle"));
            Map<String, String> recall = new LinkedHashMap<>(Map.of("producerGroup", prefix + "producers", "topic", prefix + (what == 3 ? "a" : "b")));
            recall.put("recallHandle", what == 1 ? "broken" : what == 2 ? elsewhere(handle) : String.valueOf(handle));
            side.see(name + " " + what, code(side.ask(RECALL, recall, null)));
            if (what == 4) {
                side.see(name + " again", code(side.ask(RECALL, recall, null)));
            }
        };
    }

    private static String code(RemotingCommand answer) {
        return "code " + answer.getCode() + " fields " + (answer.getExtFields() == null ? List.of() : answer.getExtFields().keySet().stream().sorted().toList());
    }

    /** The same handle, of another broker. */
    private static String elsewhere(String handle) {
        if (handle == null) {
            return "";
        }
        String text = new String(Base64.getUrlDecoder().decode(handle), StandardCharsets.UTF_8);
        return Base64.getUrlEncoder().encodeToString(text.replace("broker-a", "broker-z").getBytes(StandardCharsets.UTF_8));
    }

    /** Of a group that is not there, as no consumer is. */
    private Workload.Step reset(String name) {
        Map<String, String> fields = new LinkedHashMap<>();
        fields.put("topic", prefix + work.oneOf(List.of("a", "b", "nowhere")));
        fields.put("group", prefix + work.oneOf(List.of("g", "h", "nobody")));
        fields.put("timestamp", work.oneOf(List.of("0", "-1", "9999999999999")));
        fields.put("isForce", String.valueOf(work.chance(70)));
        return side -> {
            RemotingCommand answer = side.ask(RESET, fields, null);
            side.see(name + " " + fields, Texts.answer(answer));
        };
    }

    private Workload.Step cloned(String name) {
        Map<String, String> fields = new LinkedHashMap<>();
        fields.put("srcGroup", prefix + work.oneOf(List.of("g", "h", "nobody")));
        fields.put("destGroup", prefix + work.oneOf(List.of("clone-1", "clone-2")));
        fields.put("topic", prefix + work.oneOf(List.of("a", "b", "nowhere")));
        fields.put("offline", String.valueOf(work.chance(80)));
        return side -> {
            side.see(name + " " + fields, Texts.answer(side.ask(CLONE, fields, null)));
            for (int queue = 0; queue < Workload.QUEUES; queue++) {
                Map<String, String> asked = Map.of("consumerGroup", fields.get("destGroup"), "topic", fields.get("topic"), "queueId", String.valueOf(queue));
                side.see(name + " offset of " + queue, Texts.answer(side.ask(14, asked, null)));
            }
        };
    }
}
