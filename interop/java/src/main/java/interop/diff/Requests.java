package interop.diff;

import interop.Case;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.utils.MessageUtil;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageExt;

/** Requests that another client replies to. */
final class Requests {
    static final String TOPIC = "asked";
    private static final int TIMES = 4;
    private static final long PATIENCE_MS = 30_000;

    private Requests() {
    }

    static void run(Side side, String prefix) throws Exception {
        DefaultMQProducer asker = side.c.producer();
        DefaultMQProducer replier = side.c.producer();
        DefaultMQPushConsumer consumer = side.c.pushConsumer(prefix + "replies");
        consumer.subscribe(prefix + TOPIC, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (batch, context) -> {
            for (MessageExt request : batch) {
                try {
                    side.see("request " + new String(request.getBody(), StandardCharsets.UTF_8), without(request));
                    Case.sendOk(replier, MessageUtil.createReplyMessage(request, ("re: " + request.getKeys()).getBytes(StandardCharsets.UTF_8)));
                } catch (Exception e) {
                    side.see("failed reply to " + request.getKeys(), e.toString());
                }
            }
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        for (int i = 0; i < TIMES; i++) {
            Message request = new Message(prefix + TOPIC, "tag", "key" + i, ("body " + i).getBytes(StandardCharsets.UTF_8));
            request.setFlag(i);
            Message reply = asker.request(request, PATIENCE_MS);
            side.see("reply " + i, without(reply));
        }
    }

    /** Without what the clients made by chance: ids, and the queue. */
    private static String without(Message message) {
        Map<String, String> properties = new TreeMap<>(message.getProperties());
        properties.keySet().removeAll(Set.of(MessageConst.PROPERTY_CORRELATION_ID, MessageConst.PROPERTY_MESSAGE_REPLY_TO_CLIENT,
            MessageConst.PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX, MessageConst.PROPERTY_MIN_OFFSET, MessageConst.PROPERTY_MAX_OFFSET,
            "ARRIVE_TIME", "PUSH_REPLY_TIME", "REPLY_MESSAGE_ARRIVE_TIME", MessageConst.PROPERTY_CONSUME_START_TIMESTAMP));
        return message.getTopic() + " flag " + message.getFlag() + " body " + Texts.body(message.getBody()) + " " + properties;
    }
}
