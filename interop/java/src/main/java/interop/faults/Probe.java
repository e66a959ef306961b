package interop.faults;

import interop.Await;
import interop.Case;
import interop.Check;
import interop.Cluster;
import java.util.HashSet;
import java.util.Set;
import java.util.TreeMap;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** One writer and one reader of one queue, and what the broker told them. */
final class Probe {
    private static final int SERVICE_NOT_AVAILABLE = 14;
    private static final int TIMEOUT_MS = 10_000;
    /** Larger than a page, so that every message needs room. */
    private static final int BODY_BYTES = 10_000;

    private final MessageQueue queue;
    private final DefaultMQProducer producer;
    private final DefaultMQPullConsumer reader;
    /** Keys by the offset that was acknowledged. */
    private final TreeMap<Long, String> acknowledged = new TreeMap<>();
    private final Set<String> refused = new HashSet<>();
    private int sent;

    Probe(Case c) throws Exception {
        queue = Cluster.queue(c.freshTopic(1), 0);
        producer = c.unstartedProducer();
        // Compressed, the bodies would need hardly any room.
        producer.setCompressMsgBodyOverHowmuch(Integer.MAX_VALUE);
        producer.start();
        reader = c.pullConsumer(c.freshName());
    }

    /** Sends messages that must be taken. */
    void send(int count) throws Exception {
        for (int i = 0; i < count; i++) {
            sendOne();
        }
    }

    private void sendOne() throws Exception {
        String key = "k" + sent++;
        SendResult result;
        try {
            result = producer.send(new Message(queue.getTopic(), "", key, body(key)), queue, TIMEOUT_MS);
        } catch (MQBrokerException e) {
            refused.add(key);
            throw e;
        }
        Check.equal(SendStatus.SEND_OK, result.getSendStatus(), "status of " + key);
        String other = acknowledged.put(result.getQueueOffset(), key);
        Check.that(other == null, "offset " + result.getQueueOffset() + " was given to " + other + " and to " + key);
    }

    private static byte[] body(String key) {
        return (key + " ").repeat(BODY_BYTES / (key.length() + 1)).getBytes();
    }

    /** Sends until the broker says no. @return its remark */
    String sendUntilRefused() {
        String[] remark = {null};
        Await.until("a send is refused", () -> {
            try {
                send(20);
                return false;
            } catch (MQBrokerException e) {
                Check.equal(SERVICE_NOT_AVAILABLE, e.getResponseCode(), "code of the refusal: " + e.getErrorMessage());
                remark[0] = e.getErrorMessage();
                return true;
            }
        });
        return remark[0];
    }

    /** Sends until the broker takes them again. */
    void sendUntilTaken() {
        Await.until("sends are taken again", () -> {
            sendOne();
            return true;
        });
    }

    /** The end of the queue, as soon as a broker answers. */
    long end() {
        long[] end = {-1};
        Await.until("the end of the queue is told", () -> {
            end[0] = reader.maxOffset(queue);
            return true;
        });
        return end[0];
    }

    /** Messages behind the queue's end are given up: a disk that failed lost them. */
    void giveUpLost(long flushedEnd) {
        long end = end();
        Check.that(end >= flushedEnd, "the queue ends at " + end + ", but " + flushedEnd + " messages were on the disk");
        acknowledged.tailMap(end, true).clear();
    }

    /** Messages before the queue's start made room. @return the start */
    long forgetDeleted() throws Exception {
        long start = reader.minOffset(queue);
        acknowledged.headMap(start).clear();
        return start;
    }

    /** Bytes of bodies that were acknowledged and not forgotten. */
    long bytes() {
        return (long) acknowledged.size() * BODY_BYTES;
    }

    /** Reads the whole queue: nothing acknowledged is missing or damaged. @return how many messages there are */
    long check() throws Exception {
        return checkFrom(0);
    }

    /** The same of a queue that has to start at {@code start}. @return its end */
    long checkFrom(long start) throws Exception {
        long end = end();
        long next = reader.minOffset(queue);
        Check.equal(start, next, "start of the queue");
        Set<String> keys = new HashSet<>();
        while (next < end) {
            PullResult result = reader.pull(queue, "*", next, 32);
            Check.equal(PullStatus.FOUND, result.getPullStatus(), "status of a pull at " + next + " of " + end);
            for (MessageExt message : result.getMsgFoundList()) {
                String key = message.getKeys();
                Check.equal(next, message.getQueueOffset(), "queue offset");
                Check.equal(acknowledged.getOrDefault(next, key), key, "message at " + next);
                Check.equal(new String(body(key)), new String(message.getBody()), "body of " + key);
                Check.that(keys.add(key), key + " is stored twice");
                next++;
            }
        }
        Check.that(keys.containsAll(acknowledged.values()), "acknowledged and not there: " + missing(keys));
        return end;
    }

    private Set<String> missing(Set<String> keys) {
        Set<String> missing = new HashSet<>(acknowledged.values());
        missing.removeAll(keys);
        return missing;
    }

    /** As {@link #check()}, and nothing that was refused is there either. */
    void checkExactly() throws Exception {
        Check.equal((long) acknowledged.size(), check(), "messages in the queue");
    }

    /** @return whether the broker promised to keep this offset of the reader's group */
    boolean commit(long offset) {
        try {
            reader.getDefaultMQPullConsumerImpl().getOffsetStore().updateConsumeOffsetToBroker(queue, offset, false);
            return true;
        } catch (Exception e) {
            return false;
        }
    }

    long committed() {
        long[] committed = {-1};
        Await.until("the committed offset is told", () -> {
            committed[0] = reader.fetchConsumeOffset(queue, true);
            return committed[0] != -2;
        });
        return committed[0];
    }
}
