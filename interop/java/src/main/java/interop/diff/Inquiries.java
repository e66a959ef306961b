package interop.diff;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;
import org.apache.rocketmq.remoting.protocol.RemotingSerializable;

/** What can be asked when everything is done: messages by key, and the topics and groups that came to be. */
final class Inquiries {
    private Inquiries() {
    }

    static void run(Side side, String prefix, List<String> topics) throws Exception {
        for (String topic : topics) {
            for (int key = 0; key < 20; key += 3) {
                Map<String, String> fields = new LinkedHashMap<>(Map.of("topic", topic, "key", "k" + key, "maxNum", "64",
                    "beginTimestamp", "0", "endTimestamp", String.valueOf(Long.MAX_VALUE)));
                byKey(side, "query " + topic + " k" + key, fields);
            }
        }
        List<String> groups = new ArrayList<>(Retries.groups(prefix));
        groups.addAll(List.of(prefix + "g", prefix + "push-failing", prefix + "push-ordered", prefix + "made-0", "nobody"));
        for (String group : groups) {
            RemotingCommand answer = side.ask(352, Map.of("group", group), null);
            side.see("group " + group, "code " + answer.getCode() + json(answer));
        }
        List<String> asked = new ArrayList<>(topics);
        groups.forEach(group -> asked.addAll(List.of("%RETRY%" + group, "%DLQ%" + group)));
        for (int i = 0; i < 3; i++) {
            asked.addAll(List.of(prefix + "new-" + i, prefix + "made-" + i));
        }
        for (String topic : asked) {
            RemotingCommand answer = side.ask(351, Map.of("topic", topic), null);
            side.see("topic " + topic, "code " + answer.getCode() + json(answer));
        }
    }

    /** The Java broker's index comes behind. */
    private static void byKey(Side side, String what, Map<String, String> fields) throws Exception {
        RemotingCommand answer = side.ask(12, fields, null);
        List<MessageExt> found = Reading.decoded(answer);
        TreeSet<String> texts = new TreeSet<>();
        found.forEach(message -> texts.add(Texts.message(message)));
        side.see(what, "code " + answer.getCode() + " " + String.join("\n    ", texts));
    }

    private static String json(RemotingCommand answer) {
        if (answer.getBody() == null) {
            return "";
        }
        String text = new String(answer.getBody(), StandardCharsets.UTF_8);
        Map<?, ?> fields = RemotingSerializable.fromJson(text, Map.class);
        TreeMap<String, String> sorted = new TreeMap<>();
        fields.forEach((name, value) -> sorted.put(String.valueOf(name), String.valueOf(value)));
        return " " + sorted;
    }
}
