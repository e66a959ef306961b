package bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.rocketmq.client.ClientConfig;
import org.apache.rocketmq.client.consumer.PopResult;
import org.apache.rocketmq.client.impl.ClientRemotingProcessor;
import org.apache.rocketmq.client.impl.mqclient.MQClientAPIExt;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.lite.LiteSubscriptionAction;
import org.apache.rocketmq.common.lite.LiteSubscriptionDTO;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.remoting.netty.NettyClientConfig;
import org.apache.rocketmq.remoting.protocol.header.AckMessageRequestHeader;
import org.apache.rocketmq.remoting.protocol.header.PopLiteMessageRequestHeader;

/**
 * Very many lite topics below one parent: {@code CLIENTS} clients share them, as those of the Java system's proxy. First all of them
 * are filled, then what waits is popped and acknowledged, then messages come at a fixed rate while the clients wait for them.
 */
final class LiteLoad implements AutoCloseable {
    private static final String TOPIC = "bench-lite";
    private static final String GROUP = "bench-lite-group";
    private static final String BROKER = "broker-a";
    private static final int LITES = Integer.getInteger("bench.lites", 100_000);
    private static final int MESSAGES = 2;
    private static final int CLIENTS = 50;
    private static final int CONNECTIONS = 8;
    private static final int SENDERS = 32;
    /** Lite topics that one request subscribes to. */
    private static final int SUBSCRIBED_AT_ONCE = 500;
    private static final int RATE = Integer.getInteger("bench.rate", 2_000);
    private static final int SECONDS = Integer.getInteger("bench.seconds", 15);
    private static final long TIMEOUT_MS = 30_000;
    private static final long INVISIBLE_MS = 300_000;
    private static final int BOUND_SECONDS = 300;

    private final Servers servers;
    private final String broker;
    private final List<MQClientAPIExt> apis = new ArrayList<>();
    private final DefaultMQProducer producer = new DefaultMQProducer("bench-lite-producer");
    private final ExecutorService threads = Executors.newCachedThreadPool();
    /** What came, as lite topic and offset. */
    private final Set<String> came = ConcurrentHashMap.newKeySet();
    private final Latencies latencies = new Latencies();
    private volatile boolean isLive;
    private volatile boolean isOver;

    LiteLoad(String namesrv, String broker, Servers servers) throws Exception {
        this.servers = servers;
        this.broker = broker;
        for (int i = 0; i < CONNECTIONS; i++) {
            ClientConfig config = new ClientConfig();
            config.setNamesrvAddr(namesrv);
            MQClientAPIExt api = new MQClientAPIExt(config, new NettyClientConfig(), new ClientRemotingProcessor(null), null);
            api.start();
            apis.add(api);
        }
        producer.setNamesrvAddr(namesrv);
        producer.setSendMsgTimeout(10_000);
        producer.start();
    }

    void run() throws Exception {
        long start = System.nanoTime();
        inParallel(CLIENTS, this::subscribe);
        Load.report("subscribe_per_second", LITES / secondsSince(start));
        fill();
        Load.report("rss_filled_mb", servers.residentMegabytes());
        Load.report("rss_filled_anonymous_mb", servers.anonymousMegabytes());
        drain();
        waitForNew();
    }

    private static double secondsSince(long start) {
        return (System.nanoTime() - start) / 1e9;
    }

    private interface Part {
        void run(int number) throws Exception;
    }

    private void inParallel(int count, Part part) throws Exception {
        List<Future<?>> all = IntStream.range(0, count).<Future<?>>mapToObj(i -> threads.submit(() -> {
            part.run(i);
            return null;
        })).toList();
        for (Future<?> one : all) {
            one.get(BOUND_SECONDS, TimeUnit.SECONDS);
        }
    }

    private void subscribe(int client) throws Exception {
        for (int first = client; first < LITES; first += CLIENTS * SUBSCRIBED_AT_ONCE) {
            LiteSubscriptionDTO change = new LiteSubscriptionDTO();
            change.setAction(LiteSubscriptionAction.PARTIAL_ADD);
            change.setClientId(clientId(client));
            change.setGroup(GROUP);
            change.setTopic(TOPIC);
            int from = first;
            change.setLiteTopicSet(IntStream.range(0, SUBSCRIBED_AT_ONCE).map(i -> from + i * CLIENTS).filter(lite -> lite < LITES)
                .mapToObj(LiteLoad::name).collect(Collectors.toSet()));
            api(client).syncLiteSubscriptionAsync(broker, change, TIMEOUT_MS).get(TIMEOUT_MS, TimeUnit.MILLISECONDS);
        }
    }

    /** Each lite topic gets its messages one after the other. */
    private void fill() throws Exception {
        double cpu = servers.brokerCpuSeconds();
        long start = System.nanoTime();
        for (int turn = 0; turn < MESSAGES; turn++) {
            inParallel(SENDERS, sender -> {
                for (int lite = sender; lite < LITES; lite += SENDERS) {
                    send(lite);
                }
            });
        }
        Load.report("send_per_second", LITES * MESSAGES / secondsSince(start));
        Load.report("send_cpu_us_per_message", (servers.brokerCpuSeconds() - cpu) * 1e6 / (LITES * MESSAGES));
    }

    /** All clients pop and acknowledge what is there. */
    private void drain() throws Exception {
        int all = LITES * MESSAGES;
        double cpu = servers.brokerCpuSeconds();
        long start = System.nanoTime();
        Latencies ofPops = new Latencies();
        inParallel(CLIENTS, client -> {
            while (came.size() < all && secondsSince(start) < BOUND_SECONDS) {
                long before = System.nanoTime();
                List<MessageExt> messages = pop(client, 200);
                if (!messages.isEmpty()) {
                    synchronized (ofPops) {
                        ofPops.add(System.nanoTime() - before);
                    }
                }
                take(client, messages);
            }
        });
        Load.report("missing", all - came.size());
        Load.report("drain_per_second", came.size() / secondsSince(start));
        Load.report("drain_cpu_us_per_message", (servers.brokerCpuSeconds() - cpu) * 1e6 / came.size());
        Load.report("pop_p50_ms", ofPops.percentileMs(0.5));
        Load.report("pop_p99_ms", ofPops.percentileMs(0.99));
    }

    /** A fixed rate to lite topics at random; from the send to the client that waits. */
    private void waitForNew() throws Exception {
        came.clear();
        isLive = true;
        List<Future<?>> clients = IntStream.range(0, CLIENTS).<Future<?>>mapToObj(client -> threads.submit(() -> {
            while (!isOver) {
                take(client, pop(client, 2_000));
            }
            return null;
        })).toList();
        double cpu = servers.brokerCpuSeconds();
        long start = System.nanoTime();
        int total = RATE * SECONDS;
        AtomicInteger next = new AtomicInteger();
        inParallel(SENDERS, sender -> {
            for (int number = next.getAndIncrement(); number < total; number = next.getAndIncrement()) {
                long due = start + number * 1_000_000_000L / RATE;
                while (System.nanoTime() < due) {
                    LockSupport.parkNanos(due - System.nanoTime());
                }
                send(ThreadLocalRandom.current().nextInt(LITES));
            }
        });
        long end = System.nanoTime();
        while (came.size() < total && secondsSince(end) < BOUND_SECONDS) {
            Thread.sleep(5);
        }
        double took = servers.brokerCpuSeconds() - cpu;
        isOver = true;
        for (Future<?> client : clients) {
            client.get(BOUND_SECONDS, TimeUnit.SECONDS);
        }
        Load.report("live_missing", total - came.size());
        Load.report("live_cpu_us_per_message", took * 1e6 / total);
        Load.report("live_p50_ms", latencies.percentileMs(0.5));
        Load.report("live_p99_ms", latencies.percentileMs(0.99));
    }

    private void send(int lite) throws Exception {
        Message message = new Message(TOPIC, Long.toString(System.nanoTime()).getBytes());
        MessageAccessor.putProperty(message, MessageConst.PROPERTY_LITE_TOPIC, name(lite));
        producer.send(message);
    }

    private List<MessageExt> pop(int client, long pollMs) throws Exception {
        PopLiteMessageRequestHeader header = new PopLiteMessageRequestHeader();
        header.setClientId(clientId(client));
        header.setConsumerGroup(GROUP);
        header.setTopic(TOPIC);
        header.setMaxMsgNum(32);
        header.setInvisibleTime(INVISIBLE_MS);
        header.setPollTime(pollMs);
        header.setBornTime(System.currentTimeMillis());
        PopResult result = api(client).popLiteMessageAsync(broker, BROKER, header, TIMEOUT_MS).get(TIMEOUT_MS, TimeUnit.MILLISECONDS);
        return result.getMsgFoundList() == null ? List.of() : result.getMsgFoundList();
    }

    /** Counts and acknowledges, all at the same time. */
    private void take(int client, List<MessageExt> messages) throws Exception {
        List<Future<?>> acks = new ArrayList<>();
        for (MessageExt message : messages) {
            String lite = message.getProperty(MessageConst.PROPERTY_LITE_TOPIC);
            if (came.add(lite + "@" + message.getQueueOffset()) && isLive) {
                synchronized (latencies) {
                    latencies.add(System.nanoTime() - Long.parseLong(new String(message.getBody())));
                }
            }
            AckMessageRequestHeader header = new AckMessageRequestHeader();
            header.setConsumerGroup(GROUP);
            header.setTopic(TOPIC);
            header.setQueueId(0);
            header.setOffset(message.getQueueOffset());
            header.setExtraInfo(message.getProperty(MessageConst.PROPERTY_POP_CK));
            header.setLiteTopic(lite);
            header.setBrokerName(BROKER);
            acks.add(api(client).ackMessageAsync(broker, header, TIMEOUT_MS));
        }
        for (Future<?> ack : acks) {
            ack.get(TIMEOUT_MS, TimeUnit.MILLISECONDS);
        }
    }

    private MQClientAPIExt api(int client) {
        return apis.get(client % CONNECTIONS);
    }

    private static String clientId(int client) {
        return "bench-lite-client-" + client;
    }

    private static String name(int lite) {
        return "lite-" + lite;
    }

    @Override
    public void close() {
        producer.shutdown();
        apis.forEach(MQClientAPIExt::shutdown);
        threads.shutdownNow();
    }
}
