package interop.failover;

import interop.Await;
import interop.Case;
import interop.Check;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageQueue;

/** One producer that sends one message after the other, whatever happens, and notes what was acknowledged. */
final class Traffic {
    /** A message that was acknowledged, and when. */
    record Accepted(String key, String storeHost, long nanos) {
    }

    private final Case run;
    private final String topic;
    private final DefaultMQProducer producer;
    private final List<Accepted> accepted = new CopyOnWriteArrayList<>();
    private final Thread thread = new Thread(this::send, "traffic");
    private volatile boolean ends;

    Traffic(Case run, String topic) throws Exception {
        this.run = run;
        this.topic = topic;
        producer = run.unstartedProducer();
        producer.setSendMsgTimeout(3000);
        // So that what is measured is the servers', and not this client's waiting of up to 30 s.
        producer.setPollNameServerInterval(1000);
        producer.start();
        thread.setDaemon(true);
        thread.start();
    }

    private void send() {
        for (int i = 0; !ends; i++) {
            String key = "k" + i;
            try {
                SendResult result = producer.send(new Message(topic, "", key, ("body of " + key).getBytes()));
                if (result.getSendStatus() == SendStatus.SEND_OK) {
                    accepted.add(new Accepted(key, result.getOffsetMsgId(), System.nanoTime()));
                }
                Thread.sleep(5);
            } catch (InterruptedException e) {
                return;
            } catch (Exception e) {
                // Not acknowledged. The next one is tried at once, as an application might.
                Thread.yield();
            }
        }
    }

    int acceptedCount() {
        return accepted.size();
    }

    void awaitMore(int count) {
        int wanted = accepted.size() + count;
        Await.until(wanted + " accepted messages", () -> accepted.size() >= wanted);
    }

    /** Milliseconds from {@code nanos} to the first message that was accepted after it. */
    long firstAfter(long nanos) {
        Await.until("a message is accepted again", () -> accepted.get(accepted.size() - 1).nanos() > nanos);
        long first = accepted.stream().mapToLong(Accepted::nanos).filter(at -> at > nanos).min().orElseThrow();
        return (first - nanos) / 1_000_000;
    }

    /** Ends the sending; every message that was accepted must be there. */
    void checkAllThere() throws Exception {
        ends = true;
        thread.join();
        Set<String> found = new HashSet<>();
        DefaultMQPullConsumer consumer = run.pullConsumer(run.freshName());
        for (MessageQueue queue : consumer.fetchSubscribeMessageQueues(topic)) {
            long offset = consumer.minOffset(queue);
            long end = consumer.maxOffset(queue);
            while (offset < end) {
                PullResult result = consumer.pull(queue, "*", offset, 64);
                Check.that(result.getNextBeginOffset() > offset, "a pull at " + offset + " of " + end + " brought " + result.getPullStatus());
                if (result.getPullStatus() == PullStatus.FOUND) {
                    result.getMsgFoundList().forEach(message -> found.add(message.getKeys()));
                }
                offset = result.getNextBeginOffset();
            }
        }
        List<String> lost = new ArrayList<>(accepted.stream().map(Accepted::key).filter(key -> !found.contains(key)).toList());
        Check.that(lost.isEmpty(), lost.size() + " of " + accepted.size() + " accepted messages are lost: " + lost.stream().limit(10).toList());
    }
}
