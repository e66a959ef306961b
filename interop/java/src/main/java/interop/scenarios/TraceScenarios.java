package interop.scenarios;

import interop.Await;
import interop.Case;
import interop.Check;
import interop.Kills;
import interop.Received;
import interop.Scenario;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueAveragely;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.client.trace.TraceContext;
import org.apache.rocketmq.client.trace.TraceDataEncoder;
import org.apache.rocketmq.client.trace.TraceType;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * What traced clients write is found again by the id and the keys of the message. Java's lose their first traces where the topic
 * does not exist yet, so the servers have it from the start.
 */
public final class TraceScenarios {
    private static final String TRACE_TOPIC = "RMQ_SYS_TRACE_TOPIC";

    public static final List<Scenario> LIST = List.of(
        Scenario.of("trace-of-producer-and-consumer", c -> traced(c, TraceScenarios::producerAndConsumer), "kill-all"),
        Scenario.of("trace-of-transaction", c -> traced(c, TraceScenarios::transaction), "kill-all"),
        Scenario.of("trace-to-own-topic", c -> traced(c, TraceScenarios::ownTopic), "kill"));

    /** Clients send a trace once: a kill may swallow it. Then it has to work with the next messages. */
    private static final Duration PATIENCE = Kills.areOn() ? Duration.ofSeconds(15) : Await.SOON;

    private TraceScenarios() {
    }

    private static void traced(Case c, Scenario.Body body) throws Exception {
        long deadline = System.nanoTime() + (Kills.areOn() ? Await.SOON.toNanos() : 0);
        while (true) {
            try {
                body.run(c);
                return;
            } catch (Exception | AssertionError e) {
                if (System.nanoTime() > deadline) {
                    throw e;
                }
            }
        }
    }

    private static void await(String what, Callable<Boolean> condition) {
        Await.within(what, PATIENCE, condition);
    }

    /** The records of one kind about one message. */
    private static List<TraceContext> records(Case c, String topic, String key, String id, TraceType type) throws Exception {
        List<TraceContext> found = new ArrayList<>();
        long end = System.currentTimeMillis() + 60_000;
        for (MessageExt message : c.cluster.admin().queryMessage(topic, key, 64, 0, end).getMessageList()) {
            String body = new String(message.getBody(), StandardCharsets.UTF_8);
            for (TraceContext record : TraceDataEncoder.decoderFromTraceDataString(body)) {
                if (record.getTraceType() == type && record.getTraceBeans().get(0).getMsgId().equals(id)) {
                    found.add(record);
                }
            }
        }
        return found;
    }

    private static TraceContext one(Case c, String topic, String id, TraceType type) {
        await(type + " of " + id, () -> records(c, topic, id, id, type).size() == 1);
        return Await.answer(type + " of " + id, () -> records(c, topic, id, id, type).get(0));
    }

    private static DefaultMQProducer tracedProducer(Case c, String topic) throws Exception {
        DefaultMQProducer producer = new DefaultMQProducer(c.freshName(), true, topic);
        producer.setNamesrvAddr(c.cluster.namesrv);
        producer.setInstanceName(Case.freshInstance());
        producer.setSendMsgTimeout(10_000);
        producer.start();
        c.onClose(producer::shutdown);
        return producer;
    }

    /** Clients are shut down when their traces have come: those of version 4 may lose what they have not sent by then. */
    private static void producerAndConsumer(Case c) throws Exception {
        String topic = c.freshTopic(1);
        String group = c.freshName();
        String key = c.freshName();
        DefaultMQProducer producer = tracedProducer(c, null);
        Message message = new Message(topic, "tag", key, "traced".getBytes(StandardCharsets.UTF_8));
        SendResult sent = producer.send(message);
        Message delayed = new Message(topic, "later".getBytes(StandardCharsets.UTF_8));
        delayed.setDelayTimeLevel(1);
        SendResult sentLater = producer.send(delayed);

        TraceContext pub = one(c, TRACE_TOPIC, sent.getMsgId(), TraceType.Pub);
        Check.equal(producer.getProducerGroup(), pub.getGroupName(), "group");
        Check.equal(sent.getOffsetMsgId(), pub.getTraceBeans().get(0).getOffsetMsgId(), "the broker's id");
        Check.that(pub.isSuccess(), "it was sent");
        Check.gives(1, "it is found by its key, too: traces", () -> records(c, TRACE_TOPIC, key, sent.getMsgId(), TraceType.Pub).size());
        Check.equal("Delay_Msg", one(c, TRACE_TOPIC, sentLater.getMsgId(), TraceType.Pub).getTraceBeans().get(0).getMsgType().name(),
            "kind of the delayed message");

        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group, null, new AllocateMessageQueueAveragely(), true, null);
        consumer.setNamesrvAddr(c.cluster.namesrv);
        consumer.setInstanceName(Case.freshInstance());
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        Received received = new Received() {
            @Override
            public ConsumeConcurrentlyStatus consumeMessage(List<MessageExt> batch, ConsumeConcurrentlyContext context) {
                super.consumeMessage(batch, context);
                return batch.get(0).getKeys() == null ? ConsumeConcurrentlyStatus.RECONSUME_LATER : ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
            }
        };
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener(received);
        consumer.start();
        c.onClose(consumer::shutdown);
        await("both are consumed", () -> received.count() >= 2);
        await("the call is traced", () -> !records(c, TRACE_TOPIC, key, sent.getMsgId(), TraceType.SubAfter).isEmpty());
        TraceContext before = one(c, TRACE_TOPIC, sent.getMsgId(), TraceType.SubBefore);
        TraceContext after = one(c, TRACE_TOPIC, sent.getMsgId(), TraceType.SubAfter);
        Check.equal(group, before.getGroupName(), "group");
        Check.equal(before.getRequestId(), after.getRequestId(), "request");
        Check.that(after.isSuccess(), "the call went well");
        await("the failed call is traced", () ->
            !records(c, TRACE_TOPIC, sentLater.getMsgId(), sentLater.getMsgId(), TraceType.SubAfter).isEmpty());
        Check.holds("the listener gave it back",
            () -> !records(c, TRACE_TOPIC, sentLater.getMsgId(), sentLater.getMsgId(), TraceType.SubAfter).get(0).isSuccess());
    }

    private static void transaction(Case c) throws Exception {
        String topic = c.freshTopic(1);
        TransactionMQProducer producer = new TransactionMQProducer(null, c.freshName(), null, true, null);
        producer.setNamesrvAddr(c.cluster.namesrv);
        producer.setInstanceName(Case.freshInstance());
        producer.setSendMsgTimeout(10_000);
        producer.setTransactionListener(new TransactionListener() {
            @Override
            public LocalTransactionState executeLocalTransaction(Message message, Object arg) {
                return LocalTransactionState.COMMIT_MESSAGE;
            }

            @Override
            public LocalTransactionState checkLocalTransaction(MessageExt message) {
                return LocalTransactionState.COMMIT_MESSAGE;
            }
        });
        producer.start();
        c.onClose(producer::shutdown);
        SendResult sent = producer.sendMessageInTransaction(new Message(topic, "tag", c.freshName(), "x".getBytes(StandardCharsets.UTF_8)), null);
        TraceContext pub = one(c, TRACE_TOPIC, sent.getMsgId(), TraceType.Pub);
        Check.equal("Trans_Msg_Half", pub.getTraceBeans().get(0).getMsgType().name(), "kind");
        TraceContext end = one(c, TRACE_TOPIC, sent.getMsgId(), TraceType.EndTransaction);
        Check.equal(LocalTransactionState.COMMIT_MESSAGE, end.getTraceBeans().get(0).getTransactionState(), "state");
        Check.that(!end.getTraceBeans().get(0).isFromTransactionCheck(), "nobody asked");
    }

    private static void ownTopic(Case c) throws Exception {
        String topic = c.freshTopic(1);
        String traces = c.freshTopic(2);
        DefaultMQProducer producer = tracedProducer(c, traces);
        SendResult sent = producer.send(new Message(topic, "x".getBytes(StandardCharsets.UTF_8)));
        one(c, traces, sent.getMsgId(), TraceType.Pub);

        DefaultLitePullConsumer consumer = new DefaultLitePullConsumer(c.freshName());
        consumer.setNamesrvAddr(c.cluster.namesrv);
        consumer.setInstanceName(Case.freshInstance());
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setEnableMsgTrace(true);
        consumer.setCustomizedTraceTopic(traces);
        consumer.subscribe(topic, "*");
        consumer.start();
        c.onClose(consumer::shutdown);
        await("the message is polled", () -> !consumer.poll(100).isEmpty());
        Check.that(one(c, traces, sent.getMsgId(), TraceType.SubAfter).isSuccess(), "polls are told as successes");
    }
}
