package interop;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.apache.rocketmq.client.consumer.AckStatus;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PopStatus;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.protocol.header.ExtraInfoUtil;

/**
 * What one group popped and acknowledged. Without kills every answer is as expected at once. With kills the answer of a pop may be
 * lost, and its messages come again when their time is over; what was acknowledged in its time never does.
 */
public final class PopBook {
    /** Nobody waits for it to end, unless a kill lost the answer of a pop. */
    public static final long LONG_MS = Kills.areOn() ? 15_000 : 120_000;
    /** Long enough for acknowledgements while brokers are killed. */
    public static final long SHORT_MS = Kills.areOn() ? 12_000 : 5_000;

    /** A Java broker notices some seconds late that a message is due again. */
    private static final Duration AGAIN = Duration.ofSeconds(60);

    private final PopClient pop;
    /** How many messages of a key may still come; one that was sent twice is there twice. */
    private final Map<String, Integer> left = new HashMap<>();
    private final Set<String> acknowledged = new HashSet<>();

    /** All that is in the topic is still to come. */
    public PopBook(Case c, PopClient pop, String topic) throws Exception {
        this.pop = pop;
        if (Kills.areOn()) {
            readCopies(c, topic);
        }
    }

    private void readCopies(Case c, String topic) throws Exception {
        DefaultMQPullConsumer reader = c.pullConsumer(c.freshName());
        for (MessageQueue queue : Case.retried("queues", () -> reader.fetchSubscribeMessageQueues(topic))) {
            long end = Case.retried("the maximum", () -> reader.maxOffset(queue));
            for (long next = 0; next < end; ) {
                long from = next;
                PullResult result = Case.retried("pulled", () -> reader.pull(queue, "*", from, 32));
                Check.equal(PullStatus.FOUND, result.getPullStatus(), "status at " + from);
                result.getMsgFoundList().forEach(m -> left.merge(m.getKeys(), 1, Integer::sum));
                next = result.getNextBeginOffset();
            }
        }
    }

    /** The keys of the messages, which are all different. */
    public static Set<String> keys(List<MessageExt> messages) {
        Set<String> keys = new TreeSet<>();
        messages.forEach(message -> Check.that(keys.add(message.getKeys()), message.getKeys() + " came twice"));
        return keys;
    }

    /** Pops until these came; each once, with the handle that it had last. */
    public List<MessageExt> popAll(Set<String> wanted, long invisibleMs) {
        List<MessageExt> all = new ArrayList<>();
        Map<String, MessageExt> newest = new LinkedHashMap<>();
        Await.until("messages " + wanted, AGAIN, () -> {
            for (MessageExt message : pop.pop(pop.request(32, invisibleMs, 1_000)).messages()) {
                comes(message);
                all.add(message);
                newest.put(message.getKeys(), message);
            }
            return Kills.areOn() ? newest.keySet().containsAll(wanted) : all.size() >= wanted.size();
        });
        if (Kills.areOn()) {
            return newest.values().stream().filter(m -> wanted.contains(m.getKeys())).toList();
        }
        Check.equal(new TreeSet<>(wanted), keys(all), "messages");
        return all;
    }

    private void comes(MessageExt message) {
        String key = message.getKeys();
        Check.that(!Kills.areOn() || left.getOrDefault(key, 0) > 0, key + " comes, but all of them were acknowledged in time: " + acknowledged);
    }

    /** The broker says that it is acknowledged; with kills it may be too late for that. */
    public void ack(MessageExt message) throws Exception {
        String handle = PopClient.handle(message);
        AckStatus status = Case.retried("ack of " + message.getKeys(), () -> pop.ack(handle)).getStatus();
        if (isInTime(handle)) {
            Check.equal(AckStatus.OK, status, "ack of " + message.getKeys());
            isAcknowledged(message);
        }
    }

    /** All of them; the broker may refuse none. */
    public void batchAck(List<MessageExt> messages) throws Exception {
        Case.retried("ack of some", () -> pop.batchAck(messages));
        messages.stream().filter(m -> isInTime(PopClient.handle(m))).forEach(this::isAcknowledged);
    }

    private void isAcknowledged(MessageExt message) {
        if (Kills.areOn() && acknowledged.add(PopClient.handle(message))) {
            left.merge(message.getKeys(), -1, Integer::sum);
        }
    }

    private static boolean isInTime(String handle) {
        String[] parts = ExtraInfoUtil.split(handle);
        return !Kills.areOn() || System.currentTimeMillis() < ExtraInfoUtil.getPopTime(parts) + ExtraInfoUtil.getInvisibleTime(parts);
    }

    /** A pop that waits so long finds nothing. With kills those come first that may. */
    public void awaitNothing(long pollMs) throws Exception {
        if (!Kills.areOn()) {
            Check.equal(PopStatus.POLLING_NOT_FOUND, pop.pop(pop.request(32, SHORT_MS, pollMs)).status(), "nothing is left");
            return;
        }
        Await.until("nothing is left", () -> {
            PopClient.Popped popped = pop.pop(pop.request(32, SHORT_MS, pollMs));
            for (MessageExt message : popped.messages()) {
                comes(message);
                ack(message);
            }
            return popped.status() == PopStatus.POLLING_NOT_FOUND;
        });
    }
}
