package bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;

/** A push consumer works off a backlog; its first quarter is the warm-up. */
final class ConsumeLoad {
    private static final String TOPIC = "bench-consume";
    private static final int BACKLOG = Integer.getInteger("bench.backlog", 200_000);
    private static final int BODY_BYTES = Integer.getInteger("bench.bodyBytes", 1024);
    private static final int BATCH = 64;
    private static final int BOUND_SECONDS = 300;

    private ConsumeLoad() {
    }

    static void run(String namesrv, Servers servers) throws Exception {
        fill(namesrv);
        long warmUp = BACKLOG / 4;
        AtomicLong consumed = new AtomicLong();
        CountDownLatch warm = new CountDownLatch(1);
        CountDownLatch all = new CountDownLatch(1);
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer("bench-consume");
        consumer.setNamesrvAddr(namesrv);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setConsumeMessageBatchMaxSize(32);
        // When a rebalance meets a heartbeat, pulls are refused until the next one; 30 s would spoil the run.
        consumer.setHeartbeatBrokerInterval(1000);
        consumer.subscribe(TOPIC, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            long count = consumed.addAndGet(messages.size());
            if (count >= warmUp) {
                warm.countDown();
            }
            if (count >= BACKLOG) {
                all.countDown();
            }
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        await(warm, consumed);
        long countBefore = consumed.get();
        double cpuBefore = servers.brokerCpuSeconds();
        long start = System.nanoTime();
        await(all, consumed);
        double seconds = (System.nanoTime() - start) / 1e9;
        double cpu = servers.brokerCpuSeconds() - cpuBefore;
        long measured = BACKLOG - countBefore;
        Load.report("consume_per_second", measured / seconds);
        Load.report("consume_cpu_s_per_million", cpu * 1e6 / measured);
        consumer.shutdown();
    }

    private static void await(CountDownLatch latch, AtomicLong consumed) throws InterruptedException {
        if (!latch.await(BOUND_SECONDS, TimeUnit.SECONDS)) {
            throw new IllegalStateException("only " + consumed + " of " + BACKLOG + " messages consumed in " + BOUND_SECONDS + " s");
        }
    }

    /** In batches: filling is not what is measured. */
    private static void fill(String namesrv) throws Exception {
        DefaultMQProducer producer = new DefaultMQProducer("bench-fill");
        producer.setNamesrvAddr(namesrv);
        producer.setSendMsgTimeout(10_000);
        producer.start();
        byte[] body = new byte[BODY_BYTES];
        new Random(2).nextBytes(body);
        // The first send creates the topic.
        producer.send(new Message(TOPIC, body));
        int sent = 1;
        while (sent < BACKLOG) {
            List<Message> batch = new ArrayList<>();
            for (int i = 0; i < BATCH && sent + i < BACKLOG; i++) {
                batch.add(new Message(TOPIC, body));
            }
            producer.send(batch);
            sent += batch.size();
        }
        producer.shutdown();
    }
}
