package bench;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;

/** A push consumer works off the messages of a topic that was filled before; the first quarter is the warm-up. */
final class ConsumeLoad {
    private static final String TOPIC = "backlog";
    private static final int BACKLOG = Integer.getInteger("bench.backlog", 200_000);
    private static final int BOUND_SECONDS = 300;

    private ConsumeLoad() {
    }

    static void run(String namesrv, Servers servers) throws Exception {
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
        Load.report("per_second", measured / seconds);
        Load.report("cpu_us_per_message", cpu * 1e6 / measured);
        consumer.shutdown();
    }

    private static void await(CountDownLatch latch, AtomicLong consumed) throws InterruptedException {
        if (!latch.await(BOUND_SECONDS, TimeUnit.SECONDS)) {
            throw new IllegalStateException("only " + consumed + " of " + BACKLOG + " messages consumed in " + BOUND_SECONDS + " s");
        }
    }
}
