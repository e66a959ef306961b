package interop.crash;

import interop.Await;
import interop.Cluster;
import interop.crash.History.Claim;
import java.util.Arrays;
import java.util.BitSet;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Reads every queue from its minimum to its maximum and compares with the history. */
final class Readback {
    private final DefaultMQPullConsumer consumer;
    private final String topic;
    private final int queueCount;
    private final History history;
    /** Every message may be stored once only, in whatever queue. */
    private final BitSet[] stored = new BitSet[Writers.WRITERS];

    Readback(DefaultMQPullConsumer consumer, String topic, int queueCount, History history) {
        this.consumer = consumer;
        this.topic = topic;
        this.queueCount = queueCount;
        this.history = history;
        Arrays.setAll(stored, i -> new BitSet());
    }

    /** @param expired whether queues may have lost their beginning */
    void check(boolean expired) throws Exception {
        for (int queue = 0; queue < queueCount; queue++) {
            checkQueue(queue, expired);
        }
    }

    private void checkQueue(int queueId, boolean expired) throws Exception {
        MessageQueue queue = Cluster.queue(topic, queueId);
        long max = Await.answer("end of queue " + queueId, () -> consumer.maxOffset(queue));
        long next = Await.answer("begin of queue " + queueId, () -> consumer.minOffset(queue));
        if (next != 0 && !expired) {
            history.violation(Claim.QUEUES_WITHOUT_GAPS, "queue " + queueId + " begins at " + next);
        }
        if (max < history.acknowledgedEnd(queueId)) {
            history.violation(Claim.ACKNOWLEDGED_IS_READABLE,
                "queue " + queueId + " ends at " + max + ", acknowledged up to " + history.acknowledgedEnd(queueId));
        }
        long[] lastOfWriter = new long[Writers.WRITERS];
        Arrays.fill(lastOfWriter, -1);
        while (next < max) {
            long from = next;
            PullResult result = Await.answer("messages of queue " + queueId + " from " + from, () -> consumer.pull(queue, "*", from, 32));
            if (result.getPullStatus() != PullStatus.FOUND) {
                history.violation(Claim.QUEUES_WITHOUT_GAPS, "queue " + queueId + " at " + next + " of " + max + ": " + result.getPullStatus());
                return;
            }
            for (MessageExt message : result.getMsgFoundList()) {
                checkMessage(queueId, next, message, lastOfWriter);
                next++;
            }
        }
    }

    private void checkMessage(int queueId, long expectedOffset, MessageExt message, long[] lastOfWriter) {
        String where = "queue " + queueId + " offset " + expectedOffset;
        if (message.getQueueOffset() != expectedOffset) {
            history.violation(Claim.QUEUES_WITHOUT_GAPS, where + ": the message says " + message.getQueueOffset());
        }
        long id = Ack.parse(message.getKeys());
        if (!Arrays.equals(Ack.body(id), message.getBody())) {
            history.violation(Claim.QUEUES_WITHOUT_GAPS, where + ": the body of " + message.getKeys() + " is damaged");
        }
        long acknowledged = history.acknowledgedAt(queueId, expectedOffset);
        if (acknowledged != 0 && acknowledged != id) {
            history.violation(Claim.ACKNOWLEDGED_IS_READABLE,
                where + ": holds " + message.getKeys() + ", acknowledged was " + Ack.key(acknowledged));
        }
        int writer = Ack.writer(id);
        long sequence = Ack.sequence(id);
        if (stored[writer].get((int) sequence)) {
            history.violation(Claim.QUEUES_WITHOUT_GAPS, where + ": " + message.getKeys() + " is stored twice");
        }
        stored[writer].set((int) sequence);
        // The asynchronous writer does not promise an order.
        if (writer != Writers.ASYNC_WRITER && sequence <= lastOfWriter[writer]) {
            history.violation(Claim.ORDER_HOLDS, where + ": " + sequence + " of writer " + writer + " after " + lastOfWriter[writer]);
        }
        lastOfWriter[writer] = sequence;
    }
}
