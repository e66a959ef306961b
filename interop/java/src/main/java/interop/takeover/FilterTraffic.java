package interop.takeover;

import interop.Await;
import interop.Case;
import interop.Check;
import interop.Cluster;
import interop.Received;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;

/** A group that filters by SQL92, which each broker keeps in {@code consumerFilter.json} for the next one. */
final class FilterTraffic {
    static final String TOPIC = "takeover-filtered";
    private static final String GROUP = "takeover-filtering";
    private static final String CONDITION = "number >= 5 AND kind IN ('x', 'y')";
    private static final int MESSAGES = 10;

    private final Case c;

    FilterTraffic(Case c) {
        this.c = c;
    }

    /** The group comes back, is given what it asks for, and its filter has the age that the first broker noted. */
    void run(int turn) throws Exception {
        Path file = Path.of(System.getProperty("interop.main.dir"), "store/config/consumerFilter.json");
        String known = turn == 0 ? null : bornTime(file);
        Check.that(turn == 0 || known != null, "the filter of the broker before is in " + file);
        Received received = new Received();
        DefaultMQPushConsumer consumer = c.pushConsumer(GROUP);
        consumer.subscribe(TOPIC, MessageSelector.bySql(CONDITION));
        consumer.registerMessageListener(received);
        consumer.start();
        DefaultMQProducer producer = c.producer();
        for (int i = 0; i < MESSAGES; i++) {
            Message message = new Message(TOPIC, "", "filtered-" + i + "-" + turn, "filtered".getBytes());
            message.putUserProperty("number", String.valueOf(i));
            message.putUserProperty("kind", i % 2 == 0 ? "x" : "z");
            producer.send(message, Cluster.queue(TOPIC, 0));
        }
        List<String> expected = List.of("filtered-6-" + turn, "filtered-8-" + turn);
        Await.until("what the group asks for has come", () -> received.keys().containsAll(expected));
        Check.that(received.keys().stream().allMatch(key -> key.startsWith("filtered-6-") || key.startsWith("filtered-8-")),
            "and nothing else: " + received.keys());
        Await.until("the filter is on the disk", Duration.ofSeconds(60), () -> bornTime(file) != null);
        if (known != null) {
            Check.equal(known, bornTime(file), "since when the filter is known");
        }
        consumer.shutdown();
    }

    /** Since when the group's condition is known, as the file says. */
    private static String bornTime(Path file) throws Exception {
        if (!Files.exists(file)) {
            return null;
        }
        String text = Files.readString(file);
        // No other group filters.
        Matcher born = Pattern.compile("\"bornTime\"\\s*:\\s*(\\d+)").matcher(text);
        boolean hasCondition = text.contains(CONDITION) && text.contains(GROUP);
        return hasCondition && born.find() ? born.group(1) : null;
    }
}
