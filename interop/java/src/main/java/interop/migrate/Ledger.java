package interop.migrate;

import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/** What was acknowledged and what was delivered, by key. */
final class Ledger {
    /** The writer of what no consumer asks for. */
    static final String UNWANTED = "unwanted";

    private final Set<String> acknowledged = new HashSet<>();
    private final Map<String, Integer> delivered = new HashMap<>();
    private final Map<String, Long> counts = new TreeMap<>();
    private final Set<String> violations = new TreeSet<>();
    private final Set<String> early = new TreeSet<>();
    private final Set<String> pulled = new TreeSet<>();
    private long refused;
    private long inOrder = -1;
    private long lastPlain = System.nanoTime();
    private long longestGapMs;

    static String key(String writer, long sequence) {
        return writer + "-" + sequence;
    }

    synchronized void acknowledged(String writer, String key) {
        if (!writer.equals(UNWANTED)) {
            acknowledged.add(key);
        }
        counts.merge(writer, 1L, Long::sum);
        if (writer.startsWith("plain")) {
            long now = System.nanoTime();
            longestGapMs = Math.max(longestGapMs, (now - lastPlain) / 1_000_000);
            lastPlain = now;
        }
    }

    synchronized void refused(String writer) {
        refused++;
    }

    synchronized void delivered(String key) {
        delivered.merge(key, 1, Integer::sum);
    }

    /** Whatever comes for the first time must be newer than all that came before. */
    synchronized void deliveredInOrder(String key) {
        long sequence = Long.parseLong(key.substring(key.lastIndexOf('-') + 1));
        if (delivered.merge(key, 1, Integer::sum) == 1) {
            if (sequence < inOrder) {
                violations.add(sequence + " came after " + inOrder);
            }
            inOrder = Math.max(inOrder, sequence);
        }
    }

    synchronized void isEarly(String key, long ms) {
        if (ms > 0) {
            early.add(key + " by " + ms + " ms");
        }
    }

    synchronized void isPulled(String key) {
        pulled.add(key);
    }

    synchronized Map<String, Long> counts() {
        return new TreeMap<>(counts);
    }

    synchronized long acknowledgedCount() {
        return acknowledged.size();
    }

    synchronized long refusedCount() {
        return refused;
    }

    /** Since the last call. */
    synchronized long longestGapMs() {
        long longest = longestGapMs;
        longestGapMs = 0;
        return longest;
    }

    synchronized Set<String> missing() {
        Set<String> missing = new TreeSet<>(acknowledged);
        missing.removeAll(delivered.keySet());
        return missing;
    }

    private Set<String> unwanted() {
        Set<String> unwanted = new TreeSet<>(delivered.keySet());
        unwanted.removeIf(key -> !key.startsWith(UNWANTED));
        return unwanted;
    }

    /** One line a claim; whether all hold. */
    synchronized boolean report() {
        long again = delivered.values().stream().mapToLong(times -> times - 1).sum();
        System.out.printf("%d messages acknowledged, %d sends refused, %d deliveries more than messages%n",
            acknowledged.size(), refused, again);
        boolean[] claims = {
            claim("every acknowledged message is delivered", missing()),
            claim("messages of one queue come in order", violations),
            claim("no delayed message comes early", early),
            claim("a filter lets nothing through that it should not", unwanted()),
            claim("what is to be popped is not pulled", pulled),
        };
        int good = 0;
        for (boolean holds : claims) {
            good += holds ? 1 : 0;
        }
        System.out.println(good + " passed, " + (claims.length - good) + " failed");
        return good == claims.length;
    }

    private static boolean claim(String claim, Set<String> against) {
        System.out.println((against.isEmpty() ? "ok   " : "FAIL ") + claim);
        against.stream().limit(10).forEach(violation -> System.out.println("     " + violation));
        return against.isEmpty();
    }
}
