package interop.crash;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** What the broker acknowledged and delivered, per queue, and every claim that was found broken. */
final class History {
    /** The claims that are checked, in the order of the report. */
    enum Claim {
        ACKNOWLEDGED_IS_READABLE("every acknowledged message is readable at its offset"),
        OFFSET_GIVEN_ONCE("no queue offset is given to two messages"),
        QUEUES_WITHOUT_GAPS("queues have neither gaps nor foreign or damaged messages"),
        ORDER_HOLDS("messages of one writer keep their order in a queue"),
        OFFSETS_NEVER_MOVE_BACK("no committed consumer offset moves back"),
        ACKNOWLEDGED_IS_CONSUMED("the push consumer is given every acknowledged message"),
        FLUSHED_STAYS("a power cut takes nothing that had been flushed"),
        DELAYED_IS_DELIVERED("every acknowledged delayed message is delivered"),
        TOPICS_STAY("topics are as they were acknowledged: created, deleted");

        final String text;

        Claim(String text) {
            this.text = text;
        }
    }

    private static final int EXAMPLES = 5;

    private static final class Queue {
        /** Index: queue offset; value: id of the acknowledged message, or 0. */
        private long[] acknowledged = new long[1 << 12];
        private int end;
        private final BitSet consumed = new BitSet();
    }

    private final Queue[] queues;
    private final Map<Claim, List<String>> broken = new LinkedHashMap<>();
    private final Set<Claim> unchecked = EnumSet.noneOf(Claim.class);
    private long acknowledgedCount;
    private long redelivered;

    History(int queueCount) {
        queues = new Queue[queueCount];
        Arrays.setAll(queues, i -> new Queue());
    }

    synchronized void violation(Claim claim, String what) {
        broken.computeIfAbsent(claim, c -> new ArrayList<>()).add(what);
    }

    void acknowledged(int queueId, long offset, long id) {
        Queue queue = queues[queueId];
        long other;
        synchronized (queue) {
            int index = Math.toIntExact(offset);
            if (index >= queue.acknowledged.length) {
                queue.acknowledged = Arrays.copyOf(queue.acknowledged, Math.max(index + 1, queue.acknowledged.length * 2));
            }
            other = queue.acknowledged[index];
            queue.acknowledged[index] = id;
            queue.end = Math.max(queue.end, index + 1);
        }
        if (other != 0) {
            violation(Claim.OFFSET_GIVEN_ONCE, "queue " + queueId + " offset " + offset + ": " + Ack.key(other) + " and " + Ack.key(id));
        }
        synchronized (this) {
            acknowledgedCount++;
        }
    }

    /** The queue ends at {@code end} after a power cut: what was acknowledged behind it is lost. @return how many */
    long cutOff(int queueId, long end) {
        Queue queue = queues[queueId];
        long lost = 0;
        synchronized (queue) {
            for (int offset = Math.toIntExact(end); offset < queue.end; offset++) {
                lost += queue.acknowledged[offset] != 0 ? 1 : 0;
                queue.acknowledged[offset] = 0;
            }
            queue.end = Math.min(queue.end, Math.toIntExact(end));
        }
        return lost;
    }

    void consumed(int queueId, long offset) {
        Queue queue = queues[queueId];
        boolean again;
        synchronized (queue) {
            again = queue.consumed.get(Math.toIntExact(offset));
            queue.consumed.set(Math.toIntExact(offset));
        }
        if (again) {
            synchronized (this) {
                redelivered++;
            }
        }
    }

    /** One past the largest acknowledged offset. */
    long acknowledgedEnd(int queueId) {
        synchronized (queues[queueId]) {
            return queues[queueId].end;
        }
    }

    /** Id of the message acknowledged at this offset, or 0. */
    long acknowledgedAt(int queueId, long offset) {
        Queue queue = queues[queueId];
        synchronized (queue) {
            return offset < queue.end ? queue.acknowledged[(int) offset] : 0;
        }
    }

    /** How many acknowledged messages the push consumer has not been given yet. */
    long notConsumed() {
        long missing = 0;
        for (Queue queue : queues) {
            synchronized (queue) {
                for (int offset = 0; offset < queue.end; offset++) {
                    if (queue.acknowledged[offset] != 0 && !queue.consumed.get(offset)) {
                        missing++;
                    }
                }
            }
        }
        return missing;
    }

    synchronized long acknowledgedCount() {
        return acknowledgedCount;
    }

    synchronized long redelivered() {
        return redelivered;
    }

    /** This run cannot tell whether these hold. */
    synchronized void leaveUnchecked(Claim... claims) {
        unchecked.addAll(List.of(claims));
    }

    /** Prints one line per claim that was checked and the count line. @return whether all hold */
    synchronized boolean report() {
        Set<Claim> checked = EnumSet.complementOf(EnumSet.copyOf(unchecked));
        for (Claim claim : checked) {
            List<String> cases = broken.getOrDefault(claim, List.of());
            System.out.println((cases.isEmpty() ? "ok   " : "FAIL ") + claim.text
                + (cases.isEmpty() ? "" : ": " + cases.size() + " cases"));
            cases.stream().limit(EXAMPLES).forEach(text -> System.out.println("     " + text));
        }
        System.out.println((checked.size() - broken.size()) + " passed, " + broken.size() + " failed");
        return broken.isEmpty();
    }
}
