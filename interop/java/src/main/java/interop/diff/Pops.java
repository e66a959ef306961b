package interop.diff;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;

/** Messages that are popped, acknowledged or given more time; broken handles, too. */
final class Pops {
    private Pops() {
    }

    static Workload.Step step(String number, Random random, List<String> groups, List<String> topics, int queues) {
        Map<String, String> pop = new LinkedHashMap<>();
        boolean isOdd = random.nextInt(10) == 0;
        // What is wrong or odd is asked by a group of its own: one side may take it, and go on in the queue.
        pop.put("consumerGroup", groups.get(random.nextInt(groups.size())) + (isOdd ? "-odd" : "-pop"));
        pop.put("topic", random.nextInt(20) == 0 ? "nowhere" : topics.get(random.nextInt(topics.size())));
        pop.put("queueId", String.valueOf(random.nextInt(10) == 0 ? 17 : random.nextInt(queues)));
        pop.put("maxMsgNums", String.valueOf(isOdd ? random.nextInt(2) * 33 : List.of(1, 2, 5, 32).get(random.nextInt(4))));
        // Longer than the whole run: what comes again, and when, is a matter of time.
        pop.put("invisibleTime", isOdd && random.nextBoolean() ? "-1" : "600000");
        pop.put("pollTime", "0");
        // From the first message.
        pop.put("initMode", "0");
        pop.put("expType", "TAG");
        pop.put("exp", random.nextInt(4) == 0 ? "red" : "*");
        pop.put("order", "false");
        pop.put("attemptId", "a");
        int then = random.nextInt(6);
        return side -> {
            String what = number + " pop " + pop.get("consumerGroup") + " " + pop.get("topic") + ":" + pop.get("queueId") + " "
                + pop.get("maxMsgNums") + " " + pop.get("exp") + " " + pop.get("invisibleTime");
            side.awaitVisible(pop.get("topic"), pop.get("queueId"));
            // The Java broker refuses what is older than half a second.
            pop.put("bornTime", String.valueOf(System.currentTimeMillis()));
            RemotingCommand answer = side.ask(200050, pop, null);
            List<MessageExt> found = Reading.decoded(answer);
            Map<String, String> fields = answer.getExtFields() == null ? Map.of() : answer.getExtFields();
            side.see(what, "code " + answer.getCode() + " fields " + fields.keySet().stream().sorted().toList()
                + " invisible " + fields.get("invisibleTime") + " offsets " + fields.get("msgOffsetInfo") + Texts.messages(found));
            if (found.isEmpty()) {
                return;
            }
            MessageExt first = found.get(0);
            String start = fields.get("startOffsetInfo");
            String handle = start.substring(start.lastIndexOf(' ') + 1) + " " + fields.get("popTime") + " " + fields.get("invisibleTime") + " "
                + fields.get("reviveQid") + " 0 broker-a " + first.getQueueId() + " " + first.getQueueOffset();
            Map<String, String> of = new LinkedHashMap<>();
            of.put("consumerGroup", pop.get("consumerGroup"));
            of.put("topic", pop.get("topic"));
            of.put("queueId", String.valueOf(first.getQueueId()));
            of.put("offset", String.valueOf(first.getQueueOffset()));
            of.put("extraInfo", then == 3 ? "broken" : then == 4 ? handle.replace("broker-a", "elsewhere") : handle);
            if (then < 2 || then > 2) {
                side.see(number + " ack " + then, Texts.answer(side.ask(200051, of, null)));
            }
            if (then == 5) {
                side.see(number + " ack again", Texts.answer(side.ask(200051, of, null)));
            }
            if (then == 2) {
                of.put("invisibleTime", "700000");
                RemotingCommand changed = side.ask(200053, of, null);
                side.see(number + " change", "code " + changed.getCode() + " fields "
                    + (changed.getExtFields() == null ? List.of() : changed.getExtFields().keySet().stream().sorted().toList()));
            }
        };
    }
}
