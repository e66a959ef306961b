package interop.diff;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;

/** Reads whole queues, as a pulling client does. */
final class Reading {
    private static final int PULL = 11;

    private final Side side;
    private final String group;
    private final boolean isCompared;

    /** @param isCompared whether what is read is: else it is needed only */
    Reading(Side side, String group, boolean isCompared) {
        this.side = side;
        this.group = group;
        this.isCompared = isCompared;
    }

    /** All of a queue, and the answer that ended it. */
    record Queue(RemotingCommand last, List<MessageExt> messages) {
    }

    Queue queue(String topic, int queue, String tags) throws Exception {
        return queue(topic, queue, tags, PULL);
    }

    /** @param code of the request: that of a pull or of a lite pull */
    Queue queue(String topic, int queue, String tags, int code) throws Exception {
        Map<String, String> fields = new LinkedHashMap<>(Map.of("consumerGroup", group, "topic", topic, "queueId", String.valueOf(queue), "maxMsgNums",
            "32", "sysFlag", "4", "commitOffset", "0", "suspendTimeoutMillis", "0", "subscription", tags, "subVersion", "1"));
        List<MessageExt> messages = new ArrayList<>();
        long next = 0;
        while (true) {
            fields.put("queueOffset", String.valueOf(next));
            RemotingCommand answer = isCompared ? side.ask(code, fields, null) : side.look(code, fields);
            messages.addAll(decoded(answer));
            long after = Long.parseLong(answer.getExtFields() == null ? "0" : answer.getExtFields().getOrDefault("nextBeginOffset", "0"));
            // A read that found nothing that matches goes on behind what it passed over.
            if (answer.getCode() != 0 && after <= next) {
                return new Queue(answer, messages);
            }
            next = after;
        }
    }

    /** How many messages with these tags are in the topics. */
    int count(List<String> topics, String tags) throws Exception {
        int count = 0;
        for (String topic : topics) {
            for (int queue = 0; queue < Workload.QUEUES; queue++) {
                count += (int) queue(topic, queue, tags).messages.stream().filter(m -> tags.equals("*") || hasOneOf(tags, m)).count();
            }
        }
        return count;
    }

    /** Brokers compare hashes of tags, and consumers the tags. */
    private static boolean hasOneOf(String tags, MessageExt message) {
        return message.getTags() != null && List.of(tags.split(" \\|\\| ")).contains(message.getTags());
    }

    static List<MessageExt> decoded(RemotingCommand answer) {
        return answer.getBody() == null ? List.of() : MessageDecoder.decodes(ByteBuffer.wrap(answer.getBody()));
    }
}
