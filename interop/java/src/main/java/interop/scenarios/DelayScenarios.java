package interop.scenarios;

import interop.Case;
import interop.Check;
import interop.Received;
import interop.Scenario;
import java.util.ArrayList;
import java.util.List;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Messages with a delay level, which is a second for each. */
public final class DelayScenarios {
    public static final List<Scenario> LIST = List.of(
        Scenario.of("delay-levels", DelayScenarios::levels, "binary", "kill"));

    private static final int LEVELS = 18;
    private static final long DELAY_MS = 1_000;

    private DelayScenarios() {
    }

    static void levels(Case c) throws Exception {
        String topic = c.freshTopic(2);
        Received received = new Received();
        c.startPush(c.freshName(), topic, "*", received);
        DefaultMQProducer producer = c.producer();
        List<String> keys = new ArrayList<>();
        for (int level = 1; level <= LEVELS; level++) {
            Message message = new Message(topic, "", "level-" + level, ("body of " + level).getBytes());
            message.setDelayTimeLevel(level);
            Case.sendOk(producer, message);
            keys.add(message.getKeys());
        }
        received.awaitExactly(keys);
        for (MessageExt message : received.all()) {
            long delay = message.getStoreTimestamp() - message.getBornTimestamp();
            Check.that(delay >= DELAY_MS, message.getKeys() + " came after " + delay + " ms");
            Check.equal(message.getKeys().replace("level-", "body of "), new String(message.getBody()), "body");
        }
    }
}
