package bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;

/** Synchronous sends of many threads through one producer. */
final class SendLoad implements AutoCloseable {
    private static final int THREADS = Integer.getInteger("bench.threads", 64);
    private static final int BODY_BYTES = Integer.getInteger("bench.bodyBytes", 1024);
    private static final int WARMUP_SECONDS = Integer.getInteger("bench.warmupSeconds", 8);
    private static final int SECONDS = Integer.getInteger("bench.seconds", 15);

    private enum Phase { WARM_UP, MEASURE, STOP }

    private final DefaultMQProducer producer;
    private final Servers servers;
    private final AtomicLong failures = new AtomicLong();
    private volatile Phase phase = Phase.WARM_UP;

    SendLoad(String namesrv, Servers servers) throws Exception {
        this.servers = servers;
        producer = new DefaultMQProducer("bench-send");
        producer.setNamesrvAddr(namesrv);
        producer.setSendMsgTimeout(10_000);
        producer.start();
    }

    void run() throws Exception {
        List<Latencies> perThread = new ArrayList<>();
        CountDownLatch done = new CountDownLatch(THREADS);
        for (int i = 0; i < THREADS; i++) {
            Latencies latencies = new Latencies();
            perThread.add(latencies);
            new Thread(() -> {
                sendUntilStopped(latencies);
                done.countDown();
            }, "sender-" + i).start();
        }
        Thread.sleep(WARMUP_SECONDS * 1000L);
        double cpuBefore = servers.brokerCpuSeconds();
        long start = System.nanoTime();
        phase = Phase.MEASURE;
        Thread.sleep(SECONDS * 1000L);
        phase = Phase.STOP;
        double seconds = (System.nanoTime() - start) / 1e9;
        double cpu = servers.brokerCpuSeconds() - cpuBefore;
        done.await();
        Latencies all = new Latencies();
        perThread.forEach(all::addAll);
        Load.report("per_second", all.total() / seconds);
        Load.report("p50_ms", all.percentileMs(0.5));
        Load.report("p99_ms", all.percentileMs(0.99));
        Load.report("p999_ms", all.percentileMs(0.999));
        Load.report("cpu_us_per_message", cpu * 1e6 / all.total());
        Load.report("failures", failures.get());
    }

    private void sendUntilStopped(Latencies latencies) {
        byte[] body = new byte[BODY_BYTES];
        new Random(1).nextBytes(body);
        while (phase != Phase.STOP) {
            long start = System.nanoTime();
            boolean measured = phase == Phase.MEASURE;
            try {
                if (producer.send(new Message("bench-send", body)).getSendStatus() != SendStatus.SEND_OK) {
                    failures.incrementAndGet();
                } else if (measured && phase == Phase.MEASURE) {
                    latencies.add(System.nanoTime() - start);
                }
            } catch (Exception e) {
                failures.incrementAndGet();
            }
        }
    }

    @Override
    public void close() {
        producer.shutdown();
    }
}
