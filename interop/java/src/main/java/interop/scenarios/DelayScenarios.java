package interop.scenarios;

import interop.Case;
import interop.Check;
import interop.Kills;
import interop.Received;
import interop.Scenario;
import java.util.ArrayList;
import java.util.List;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Messages with a delay level. */
public final class DelayScenarios {
    public static final List<Scenario> LIST = List.of(
        Scenario.of("delay-levels", DelayScenarios::levels, "binary", "kill"));

    /** As {@code messageDelayLevel} in {@code interop/servers} has them, which has none beside one that is almost the same. */
    private static final int[] SECONDS = {1, 4, 1, 2, 5, 1, 6, 2, 6, 2, 7, 3, 7, 3, 8, 4, 8, 1};
    /** Of two messages the one that is due so much earlier comes first. */
    private static final long CLEARLY_EARLIER_MS = 3_000;

    private DelayScenarios() {
    }

    static void levels(Case c) throws Exception {
        String topic = c.freshTopic(2);
        Received received = new Received();
        c.startPush(c.freshName(), topic, "*", received);
        DefaultMQProducer producer = c.producer();
        List<String> keys = new ArrayList<>();
        for (int level = 1; level <= SECONDS.length; level++) {
            Message message = new Message(topic, "", "level-" + level, ("body of " + level).getBytes());
            message.setDelayTimeLevel(level);
            Case.sendOk(producer, message);
            keys.add(message.getKeys());
        }
        received.awaitExactly(keys);
        for (MessageExt message : received.all()) {
            long early = due(message) - message.getStoreTimestamp();
            Check.that(early <= 0, message.getKeys() + " came " + early + " ms before its time");
            Check.equal(message.getKeys().replace("level-", "body of "), new String(message.getBody()), "body");
        }
        if (!Kills.areOn()) {
            checkNoneIsLate(received.all());
        }
    }

    /** Late is what comes behind one that is due much later; a broker that was away delivers all of them at once. */
    private static void checkNoneIsLate(List<MessageExt> all) {
        for (MessageExt one : all) {
            for (MessageExt other : all) {
                boolean isFirst = due(other) - due(one) < CLEARLY_EARLIER_MS || one.getStoreTimestamp() <= other.getStoreTimestamp();
                Check.that(isFirst, one.getKeys() + " came behind " + other.getKeys() + ", which is due "
                    + (due(other) - due(one)) + " ms later");
            }
        }
    }

    private static long due(MessageExt message) {
        int level = Integer.parseInt(message.getKeys().replace("level-", ""));
        return message.getBornTimestamp() + SECONDS[level - 1] * 1_000L;
    }
}
