package interop;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueByMachineRoom;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.client.producer.selector.SelectMessageQueueByHash;
import org.apache.rocketmq.client.trace.TraceContext;
import org.apache.rocketmq.client.trace.TraceDataEncoder;
import org.apache.rocketmq.client.utils.MessageUtil;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.protocol.heartbeat.MessageModel;

/**
 * The other side of {@code crates/client/tests/java_peer}: a Java client that does what it is told.
 *
 * <pre>
 * Peer send NAMESRV            messages from lines of standard input, one line of output for each
 * Peer consume NAMESRV GROUP TOPIC EXPRESSION concurrently|orderly|assigned|broadcasting|failing|room:NAME
 * Peer answer NAMESRV GROUP TOPIC
 * Peer ask NAMESRV TOPIC       requests from lines of standard input, one line of output for each answer
 * Peer traces NAMESRV GROUP    what the trace topic says
 * Peer light NAMESRV GROUP TOPIC NAME
 *                              what lies in the light queue of this name at the first broker of the topic
 * </pre>
 *
 * With system property {@code interop.kills} what fails while the broker is away is done again. All but the first end with their
 * standard input. A message is a line of fields between tabs: how it is sent, topic,
 * tag, keys, properties as {@code name=value;name=value}, text, and how often the text is repeated for the body.
 */
public final class Peer {
    private static final String OWN = "x_";
    private static final String WISH = "wish";
    private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    private Peer() {
    }

    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        switch (args[0]) {
            case "send" -> send(args[1], in);
            case "consume" -> consume(args[1], args[2], args[3], args[4], args[5], in);
            case "answer" -> answer(args[1], args[2], args[3], in);
            case "ask" -> ask(args[1], args[2], in);
            case "traces" -> traces(args[1], args[2], in);
            case "light" -> light(args[1], args[2], args[3], args[4], in);
            default -> throw new IllegalArgumentException(args[0]);
        }
        System.exit(0);
    }

    private static void send(String namesrv, BufferedReader in) throws Exception {
        DefaultMQProducer plain = started(new DefaultMQProducer("peer"), namesrv, "plain");
        TransactionMQProducer transacting = new TransactionMQProducer("peer-transactions");
        transacting.setTransactionListener(new ByWish());
        started(transacting, namesrv, "transacting");
        List<Message> batch = new ArrayList<>();
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] fields = line.split("\t", -1);
            Message message = message(fields);
            String[] how = fields[0].split(":", 2);
            switch (how[0]) {
                case "plain" -> sent(() -> plain.send(message));
                case "batch" -> batch.add(message);
                case "batch-end" -> {
                    batch.add(message);
                    sent(() -> plain.send(batch));
                    batch.clear();
                }
                case "zlib", "lz4", "zstd" -> {
                    System.setProperty("rocketmq.message.compressType", how[0].toUpperCase());
                    DefaultMQProducer compressing = started(new DefaultMQProducer("peer-" + how[0]), namesrv, how[0]);
                    sent(() -> compressing.send(message));
                    compressing.shutdown();
                }
                case "level" -> {
                    message.setDelayTimeLevel(Integer.parseInt(how[1]));
                    sent(() -> plain.send(message));
                }
                case "delay" -> {
                    MessageAccessor.putProperty(message, "TIMER_DELAY_MS", how[1]);
                    sent(() -> plain.send(message));
                }
                case "priority" -> {
                    message.setPriority(Integer.parseInt(how[1]));
                    sent(() -> plain.send(message));
                }
                case "lite" -> {
                    MessageAccessor.putProperty(message, MessageConst.PROPERTY_LITE_TOPIC, how[1]);
                    sent(() -> plain.send(message));
                }
                case "light" -> {
                    MessageAccessor.putProperty(message, MessageConst.PROPERTY_INNER_MULTI_DISPATCH, how[1]);
                    sent(() -> plain.send(message));
                }
                case "recallable" -> {
                    MessageAccessor.putProperty(message, MessageConst.PROPERTY_TIMER_DELAY_MS, how[1]);
                    OUT.println("handle " + Recall.handleOf(sent(() -> plain.send(message))));
                    continue;
                }
                case "recall" -> sent(() -> Recall.recall(plain, fields[1], fields[5]));
                case "traced" -> {
                    DefaultMQProducer tracing = started(new DefaultMQProducer("peer-traced", true, null), namesrv, "traced");
                    OUT.println("traced " + sent(() -> tracing.send(message)).getMsgId());
                    tracing.shutdown();
                    continue;
                }
                case "shard" -> sent(() -> plain.send(message, new SelectMessageQueueByHash(), how[1]));
                case "transaction" -> {
                    message.putUserProperty(WISH, how[1]);
                    sent(() -> transacting.sendMessageInTransaction(message, how[1]));
                }
                default -> throw new IllegalArgumentException(line);
            }
            OUT.println("sent " + fields[0]);
        }
        plain.shutdown();
        transacting.shutdown();
    }

    /** Once more where the broker is killed meanwhile. */
    private static <T> T sent(Callable<T> call) throws Exception {
        return Case.retried("sent", call);
    }

    private static void consume(
        String namesrv, String group, String topic, String expression, String how, BufferedReader in) throws Exception {
        DefaultMQPushConsumer consumer = Case.retried("started", () -> startedConsumer(namesrv, group, topic, expression, how));
        OUT.println("started");
        untilEnd(in);
        consumer.shutdown();
    }

    private static DefaultMQPushConsumer startedConsumer(String namesrv, String group, String topic, String expression, String how)
        throws Exception {
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group);
        if (expression.startsWith("sql:")) {
            consumer.subscribe(topic, MessageSelector.bySql(expression.substring(4)));
        } else {
            consumer.subscribe(topic, expression);
        }
        if (how.equals("orderly")) {
            consumer.setMessageListener((MessageListenerOrderly) (messages, context) -> {
                messages.forEach(Peer::print);
                return ConsumeOrderlyStatus.SUCCESS;
            });
        } else {
            consumer.setMessageListener((MessageListenerConcurrently) (messages, context) -> {
                messages.forEach(Peer::print);
                // After a second; one that failed a second time is a dead letter.
                context.setDelayLevelWhenNextConsume(1);
                return how.equals("failing")
                    ? ConsumeConcurrentlyStatus.RECONSUME_LATER
                    : ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
            });
        }
        if (how.equals("broadcasting")) {
            consumer.setMessageModel(MessageModel.BROADCASTING);
        }
        if (how.equals("failing")) {
            consumer.setMaxReconsumeTimes(1);
        }
        if (how.startsWith("room:")) {
            AllocateMessageQueueByMachineRoom ofRoom = new AllocateMessageQueueByMachineRoom();
            ofRoom.setConsumeridcs(Set.of(how.substring("room:".length())));
            consumer.setAllocateMessageQueueStrategy(ofRoom);
        }
        // "assigned": the broker says who has which queue, and whether it is pulled or popped.
        consumer.setClientRebalance(!how.equals("assigned"));
        consumer.setPopBatchNums(1);
        // A member whose queues are pulled from now on drops what it popped: it comes again when this is over.
        consumer.setPopInvisibleTime(10_000);
        started(consumer, namesrv);
        return consumer;
    }

    private static void answer(String namesrv, String group, String topic, BufferedReader in) throws Exception {
        DefaultMQProducer replier = started(new DefaultMQProducer(group + "-answers"), namesrv, "answers");
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group);
        consumer.subscribe(topic, "*");
        consumer.setMessageListener((MessageListenerConcurrently) (messages, context) -> {
            try {
                for (MessageExt message : messages) {
                    String text = "re: " + new String(message.getBody(), StandardCharsets.UTF_8);
                    replier.send(MessageUtil.createReplyMessage(message, text.getBytes(StandardCharsets.UTF_8)));
                }
                return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
            } catch (Exception e) {
                e.printStackTrace();
                return ConsumeConcurrentlyStatus.RECONSUME_LATER;
            }
        });
        started(consumer, namesrv);
        OUT.println("started");
        untilEnd(in);
        consumer.shutdown();
        replier.shutdown();
    }

    /** Prints what the trace topic says: kind, id, topic, whether it went well. */
    private static void traces(String namesrv, String group, BufferedReader in) throws Exception {
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group);
        consumer.subscribe("RMQ_SYS_TRACE_TOPIC", "*");
        consumer.setMessageListener((MessageListenerConcurrently) (messages, context) -> {
            for (MessageExt message : messages) {
                String body = new String(message.getBody(), StandardCharsets.UTF_8);
                for (TraceContext record : TraceDataEncoder.decoderFromTraceDataString(body)) {
                    record.getTraceBeans().forEach(bean -> OUT.println(String.join("\t", "message", record.getTraceType().name(), bean.getMsgId(),
                        bean.getTopic(), String.valueOf(record.isSuccess()))));
                }
            }
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        started(consumer, namesrv);
        untilEnd(in);
        consumer.shutdown();
    }

    private static void light(String namesrv, String group, String topic, String name, BufferedReader in) throws Exception {
        DefaultMQPullConsumer reader = new DefaultMQPullConsumer(group);
        reader.setNamesrvAddr(namesrv);
        reader.start();
        MessageQueue parent = Case.retried("queues", () -> reader.fetchSubscribeMessageQueues(topic)).iterator().next();
        MessageQueue queue = new MessageQueue("%LMQ%" + name, parent.getBrokerName(), 0);
        Thread reading = new Thread(() -> {
            for (long next = 0; ; ) {
                next = printed(reader, parent, queue, next);
            }
        });
        reading.setDaemon(true);
        reading.start();
        untilEnd(in);
    }

    /** Prints a few messages from this offset on, if there are some; where to read next. */
    private static long printed(DefaultMQPullConsumer reader, MessageQueue parent, MessageQueue queue, long from) {
        AtomicReference<PullResult> found = new AtomicReference<>();
        // The queue is not there before its first message, and the broker may be away.
        Await.within("messages of " + queue, Duration.ofHours(1), () -> {
            // A light queue has no route: a question about a queue of the topic makes its broker known, also when it comes back.
            reader.minOffset(parent);
            found.set(reader.pull(queue, "*", from, 4));
            return found.get().getPullStatus() == PullStatus.FOUND;
        });
        found.get().getMsgFoundList().forEach(Peer::print);
        return found.get().getNextBeginOffset();
    }

    private static void ask(String namesrv, String topic, BufferedReader in) throws Exception {
        DefaultMQProducer asker = started(new DefaultMQProducer("peer-questions"), namesrv, "questions");
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            byte[] question = line.getBytes(StandardCharsets.UTF_8);
            Message answer = Case.retried("asked", () -> asker.request(new Message(topic, question), 30_000));
            OUT.println(new String(answer.getBody(), StandardCharsets.UTF_8));
        }
        asker.shutdown();
    }

    private static Message message(String[] fields) {
        byte[] body = fields[5].repeat(Integer.parseInt(fields[6])).getBytes(StandardCharsets.UTF_8);
        Message message = new Message(fields[1], body);
        if (!fields[2].isEmpty()) {
            message.setTags(fields[2]);
        }
        if (!fields[3].isEmpty()) {
            message.setKeys(fields[3]);
        }
        for (String property : fields[4].isEmpty() ? new String[0] : fields[4].split(";")) {
            String[] pair = property.split("=", 2);
            message.putUserProperty(pair[0], pair[1]);
        }
        return message;
    }

    /** Tag, keys, the sender's own properties in the order of their names, size of the body, the body's end. */
    private static synchronized void print(MessageExt message) {
        String own = new TreeMap<>(message.getProperties()).entrySet().stream()
            .filter(p -> p.getKey().startsWith(OWN))
            .map(p -> p.getKey() + "=" + p.getValue())
            .collect(Collectors.joining(";"));
        String body = new String(message.getBody(), StandardCharsets.UTF_8);
        String end = body.substring(Math.max(0, body.length() - 60));
        OUT.println(String.join("\t", "message", orEmpty(message.getTags()), orEmpty(message.getKeys()), own,
            Integer.toString(message.getBody().length), end));
    }

    private static String orEmpty(String text) {
        return text == null ? "" : text;
    }

    private static void untilEnd(BufferedReader in) throws IOException {
        while (in.readLine() != null) {
            // Nothing is expected but the end.
        }
    }

    private static <P extends DefaultMQProducer> P started(P producer, String namesrv, String instance) throws Exception {
        producer.setNamesrvAddr(namesrv);
        // Clients of one instance share one connection, and with it the settings of the first.
        producer.setInstanceName(instance + ProcessHandle.current().pid());
        producer.start();
        return producer;
    }

    private static void started(DefaultMQPushConsumer consumer, String namesrv) throws Exception {
        consumer.setNamesrvAddr(namesrv);
        // What is being answered is answered.
        consumer.setAwaitTerminationMillisWhenShutdown(5_000);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.start();
    }

    /** Says what the message's sender asked for; nothing at first of "later", and commit when it is checked. */
    private static final class ByWish implements TransactionListener {
        @Override
        public LocalTransactionState executeLocalTransaction(Message message, Object wish) {
            return switch ((String) wish) {
                case "commit" -> LocalTransactionState.COMMIT_MESSAGE;
                case "rollback" -> LocalTransactionState.ROLLBACK_MESSAGE;
                default -> LocalTransactionState.UNKNOW;
            };
        }

        /** A broker may ask in the moment in which it is told, and for a half message whose sender did not hear that it was stored. */
        @Override
        public LocalTransactionState checkLocalTransaction(MessageExt message) {
            return "rollback".equals(message.getUserProperty(WISH))
                ? LocalTransactionState.ROLLBACK_MESSAGE
                : LocalTransactionState.COMMIT_MESSAGE;
        }
    }
}
