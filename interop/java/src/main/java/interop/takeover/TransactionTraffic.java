package interop.takeover;

import interop.Await;
import interop.Case;
import interop.Check;
import interop.Cluster;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Transactions of which some stay open: the next broker has to ask for them. */
final class TransactionTraffic {
    static final String TOPIC = "takeover-transactions";
    private static final String GROUP = "takeover-transacting";
    private static final String OP_TOPIC = "RMQ_SYS_TRANS_OP_HALF_TOPIC";

    private final Case c;

    TransactionTraffic(Case c) {
        this.c = c;
    }

    /** Answers by the key: what is committed and rolled back at once, and what when it is asked for. */
    private static final class Listener implements TransactionListener {
        private final boolean mayAnswer;

        Listener(boolean mayAnswer) {
            this.mayAnswer = mayAnswer;
        }

        @Override
        public LocalTransactionState executeLocalTransaction(Message message, Object arg) {
            if (message.getKeys().startsWith("committed")) {
                return LocalTransactionState.COMMIT_MESSAGE;
            }
            return message.getKeys().startsWith("rolled-back") ? LocalTransactionState.ROLLBACK_MESSAGE : LocalTransactionState.UNKNOW;
        }

        @Override
        public LocalTransactionState checkLocalTransaction(MessageExt message) {
            if (!mayAnswer) {
                return LocalTransactionState.UNKNOW;
            }
            return message.getKeys().startsWith("open-commits") ? LocalTransactionState.COMMIT_MESSAGE : LocalTransactionState.ROLLBACK_MESSAGE;
        }
    }

    private TransactionMQProducer producer(boolean mayAnswer) throws Exception {
        TransactionMQProducer producer = new TransactionMQProducer(GROUP);
        producer.setNamesrvAddr(c.cluster.namesrv);
        producer.setInstanceName(c.freshInstance());
        producer.setSendMsgTimeout(10_000);
        producer.setTransactionListener(new Listener(mayAnswer));
        c.onClose(producer::shutdown);
        producer.start();
        return producer;
    }

    void send(int turn) throws Exception {
        TransactionMQProducer producer = producer(false);
        long before = operations();
        for (String key : List.of("open-commits", "open-rolls-back", "committed", "rolled-back")) {
            for (int i = 0; i < 3; i++) {
                Message message = new Message(TOPIC, "tx", key + "-" + i + "-" + turn, ("body of " + key).getBytes());
                Check.equal(SendStatus.SEND_OK, producer.sendMessageInTransaction(message, null).getSendStatus(), "send of " + key);
            }
        }
        // The client does not wait for an answer to these, so the send says nothing of them.
        List<String> committed = List.of("committed-0-" + turn, "committed-1-" + turn, "committed-2-" + turn);
        Await.until("what is committed is delivered", () -> delivered().keySet().containsAll(committed));
        // A Java broker writes them within 3 s: what it has not written, a kill takes.
        Await.until("the ends are written", () -> operations() > before);
        Map<String, Integer> delivered = delivered();
        committed.forEach(key -> Check.equal(1, delivered.get(key), "times that " + key + " was delivered"));
        producer.shutdown();
    }

    /** What the broker before this one left open is asked for and ended; what it ended stays so. */
    void check(int earlier) throws Exception {
        TransactionMQProducer producer = producer(true);
        // It makes itself known to the broker with a send.
        producer.sendMessageInTransaction(new Message(TOPIC, "tx", "rolled-back-hello-" + earlier, "x".getBytes()), null);
        Await.until("open transactions are ended", Duration.ofSeconds(60), () -> delivered().keySet()
            .containsAll(List.of("open-commits-0-" + earlier, "open-commits-1-" + earlier, "open-commits-2-" + earlier)));
        delivered().forEach((key, times) -> {
            Check.that(key.startsWith("committed") || key.startsWith("open-commits"), key + " was delivered, but rolled back");
            Check.equal(1, times, "times that " + key + " was delivered");
        });
        producer.shutdown();
    }

    private long operations() throws Exception {
        return c.cluster.admin().maxOffset(Cluster.queue(OP_TOPIC, 0));
    }

    private Map<String, Integer> delivered() throws Exception {
        DefaultMQPullConsumer reader = c.pullConsumer("takeover-transactions-reader-" + System.nanoTime());
        MessageQueue queue = Cluster.queue(TOPIC, 0);
        Map<String, Integer> times = new TreeMap<>();
        for (long next = 0, end = reader.maxOffset(queue); next < end;) {
            var result = reader.pull(queue, "*", next, 32);
            if (result.getMsgFoundList() != null) {
                result.getMsgFoundList().forEach(m -> times.merge(m.getKeys(), 1, Integer::sum));
            }
            next = result.getNextBeginOffset();
        }
        reader.shutdown();
        return times;
    }
}
