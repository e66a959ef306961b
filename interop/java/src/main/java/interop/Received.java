package interop;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.common.message.MessageExt;

/** Everything that one consumer was given, in that order. A message is told by its KEYS. */
public class Received implements MessageListenerConcurrently {
    private final List<MessageExt> messages = new ArrayList<>();
    /** With kills they may come again. */
    private final Set<String> cleared = new HashSet<>();

    @Override
    public ConsumeConcurrentlyStatus consumeMessage(List<MessageExt> batch, ConsumeConcurrentlyContext context) {
        add(batch);
        return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    }

    public synchronized void add(Collection<MessageExt> batch) {
        messages.addAll(batch);
    }

    public synchronized List<MessageExt> all() {
        return new ArrayList<>(messages);
    }

    public synchronized void clear() {
        messages.forEach(m -> cleared.add(m.getKeys()));
        messages.clear();
    }

    public int count() {
        return all().size();
    }

    public Set<String> keys() {
        Set<String> keys = new HashSet<>();
        all().forEach(m -> keys.add(m.getKeys()));
        return keys;
    }

    public MessageExt byKey(String key) {
        return all().stream().filter(m -> key.equals(m.getKeys())).findFirst()
            .orElseThrow(() -> new AssertionError("message " + key + " was not received"));
    }

    public List<MessageExt> allByKey(String key) {
        return all().stream().filter(m -> key.equals(m.getKeys())).toList();
    }

    public void awaitExactly(Collection<String> expected) {
        awaitExactly(expected, this);
    }

    /** Waits until the receivers together have all of these, then checks that there is nothing else and nothing twice. */
    public static void awaitExactly(Collection<String> expected, Received... receivers) {
        awaitExactly(Await.SOON, expected, receivers);
    }

    public static void awaitExactly(Duration bound, Collection<String> expected, Received... receivers) {
        try {
            Await.until("all messages are received", bound, () -> timesByKey(receivers).keySet().containsAll(expected));
        } catch (AssertionError e) {
            Set<String> missing = new HashSet<>(expected);
            missing.removeAll(timesByKey(receivers).keySet());
            throw new AssertionError(missing.size() + " of " + expected.size() + " messages missing, e.g. "
                + missing.stream().limit(5).toList(), e);
        }
        Map<String, Integer> times = timesByKey(receivers);
        times.keySet().removeIf(key -> Kills.areOn()
            ? expected.contains(key) || wasCleared(key, receivers) : expected.contains(key) && times.get(key) == 1);
        Check.that(times.isEmpty(), "received more than once, or without being expected: " + times);
    }

    private static boolean wasCleared(String key, Received... receivers) {
        return Arrays.stream(receivers).anyMatch(receiver -> {
            synchronized (receiver) {
                return receiver.cleared.contains(key);
            }
        });
    }

    private static Map<String, Integer> timesByKey(Received... receivers) {
        Map<String, Integer> times = new HashMap<>();
        for (Received receiver : receivers) {
            receiver.all().forEach(m -> times.merge(m.getKeys(), 1, Integer::sum));
        }
        return times;
    }
}
