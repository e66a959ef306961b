package interop.replication;

import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;

/**
 * Sends messages of many sizes, some in batches, some delayed, by several threads, and says how many were answered how:
 * <code>BEGUN</code> after the first answer, then one line a status, <code>FAILED</code> for exceptions.
 *
 * <p>Arguments: name servers, topic, messages, threads.
 */
public final class Load {
    private final Map<SendStatus, Integer> answers = new EnumMap<>(SendStatus.class);
    private int failed;
    private String failure = "";

    private Load() {
    }

    public static void main(String[] args) throws Exception {
        DefaultMQProducer producer = new DefaultMQProducer("replication-load");
        producer.setNamesrvAddr(args[0]);
        producer.setSendMsgTimeout(6000);
        // What came of each send shall be seen.
        producer.setRetryTimesWhenSendFailed(0);
        producer.setRetryAnotherBrokerWhenNotStoreOK(false);
        producer.start();
        int messages = Integer.parseInt(args[2]);
        int threads = Integer.parseInt(args[3]);
        Load load = new Load();
        CountDownLatch done = new CountDownLatch(threads);
        for (int thread = 0; thread < threads; thread++) {
            int seed = thread;
            new Thread(() -> {
                load.send(producer, args[1], messages / threads, new Random(seed));
                done.countDown();
            }).start();
        }
        done.await();
        producer.shutdown();
        load.answers.forEach((status, count) -> System.out.println(status + " " + count));
        if (load.failed > 0) {
            System.out.println("FAILED " + load.failed + " " + load.failure);
        }
    }

    private void send(DefaultMQProducer producer, String topic, int messages, Random random) {
        for (int sent = 0; sent < messages; sent++) {
            try {
                note(send(producer, topic, random));
            } catch (Exception e) {
                note(e);
            }
        }
    }

    private static SendResult send(DefaultMQProducer producer, String topic, Random random) throws Exception {
        int kind = random.nextInt(10);
        if (kind == 0) {
            return producer.send(List.of(message(topic, random), message(topic, random), message(topic, random)));
        }
        Message message = message(topic, random);
        if (kind == 1) {
            message.setDelayTimeLevel(1);
        }
        return producer.send(message);
    }

    private static Message message(String topic, Random random) {
        byte[] body = new byte[random.nextInt(4000) + 1];
        random.nextBytes(body);
        Message message = new Message(topic, "tag" + random.nextInt(3), "key" + random.nextInt(1000), body);
        message.putUserProperty("number", String.valueOf(random.nextInt()));
        return message;
    }

    private synchronized void note(SendResult result) {
        if (answers.isEmpty()) {
            System.out.println("BEGUN");
        }
        answers.merge(result.getSendStatus(), 1, Integer::sum);
    }

    private synchronized void note(Exception e) {
        failed++;
        failure = String.valueOf(e.getMessage()).replace('\n', ' ');
    }
}
