package interop.takeover;

import interop.Case;
import interop.Check;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.CRC32;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** What clients see in a store: one line, {@code WHERE<tab>WHAT}, for each message and each group's progress. */
final class Inventory {
    private static final List<String> GROUPS = List.of(Traffic.READERS, Traffic.LMQ_READERS);

    private final DefaultMQPullConsumer reader;
    private final Map<String, DefaultMQPullConsumer> groups = new HashMap<>();

    Inventory(Case c) throws Exception {
        reader = c.pullConsumer("takeover-inventory");
        for (String group : GROUPS) {
            groups.put(group, c.pullConsumer(group));
        }
    }

    List<String> facts(List<MessageQueue> queues) throws Exception {
        List<String> facts = new ArrayList<>();
        for (MessageQueue queue : queues) {
            addMessages(facts, queue);
        }
        for (MessageQueue queue : queues) {
            if (Traffic.hasProgress(queue)) {
                for (String group : GROUPS) {
                    long offset = groups.get(group).fetchConsumeOffset(queue, true);
                    facts.add("progress of " + group + " in " + name(queue) + "\t" + offset);
                }
            }
        }
        return facts;
    }

    /** Everything that was noted is there, unchanged; there may be more. */
    void checkHolds(List<String> before, List<MessageQueue> queues) throws Exception {
        Map<String, String> now = byPlace(facts(queues));
        List<String> lost = new ArrayList<>();
        byPlace(before).forEach((place, what) -> {
            if (!what.equals(now.get(place))) {
                lost.add(place + ": was " + what + ", is " + now.get(place));
            }
        });
        Check.that(lost.isEmpty(), lost.size() + " of " + before.size() + " facts do not hold, e.g.\n"
            + String.join("\n", lost.subList(0, Math.min(8, lost.size()))));
    }

    private static Map<String, String> byPlace(List<String> facts) {
        Map<String, String> byPlace = new TreeMap<>();
        facts.forEach(fact -> byPlace.put(fact.substring(0, fact.indexOf('\t')), fact.substring(fact.indexOf('\t') + 1)));
        return byPlace;
    }

    private void addMessages(List<String> facts, MessageQueue queue) throws Exception {
        long next = reader.minOffset(queue);
        long end = reader.maxOffset(queue);
        while (next < end) {
            PullResult result = reader.pull(queue, "*", next, 32);
            Check.equal(PullStatus.FOUND, result.getPullStatus(), "status of a pull of " + name(queue) + " at " + next + " of " + end);
            // The queue offset in a message of a light queue is that in the queue it was sent to.
            long at = next;
            for (MessageExt message : result.getMsgFoundList()) {
                facts.add(name(queue) + " at " + at++ + "\t" + describe(message));
            }
            next = result.getNextBeginOffset();
        }
    }

    private static String describe(MessageExt message) {
        CRC32 crc = new CRC32();
        crc.update(message.getBody());
        return message.getKeys() + " tags " + message.getTags() + " body " + message.getBody().length + "/" + crc.getValue()
            + " sort " + message.getUserProperty("sort") + " stored " + message.getStoreTimestamp() + " log offset "
            + message.getCommitLogOffset() + " born " + message.getBornTimestamp() + " from " + message.getBornHost()
            + " reconsumed " + message.getReconsumeTimes();
    }

    private static String name(MessageQueue queue) {
        return queue.getTopic() + "/" + queue.getQueueId();
    }
}
