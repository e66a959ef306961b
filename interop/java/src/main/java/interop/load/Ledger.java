package interop.load;

import interop.load.Entry.Kind;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * What was sent, acknowledged and delivered: lines that are appended to a file, in the order in which it was seen, and read by
 * {@link Checker} afterwards. Only what has to be known meanwhile is in memory.
 */
public final class Ledger implements AutoCloseable {
    private final BufferedWriter file;
    /** By group, what is acknowledged and has not been delivered to it. */
    private final Map<String, Set<String>> missing = new HashMap<>();
    private final Map<String, Set<String>> delivered = new HashMap<>();
    private final Map<String, String> topics = new HashMap<>();
    private final Map<String, Long> counts = new TreeMap<>();
    private long refused;
    private long lastPlain = System.nanoTime();
    private long longestGapMs;

    public Ledger(Path path) throws IOException {
        file = Files.newBufferedWriter(path, StandardOpenOption.CREATE_NEW);
    }

    static String key(String writer, long sequence) {
        return writer + "-" + sequence;
    }

    static String writer(String key) {
        return key.substring(0, key.lastIndexOf('-'));
    }

    static long sequence(String key) {
        return Long.parseLong(key.substring(key.lastIndexOf('-') + 1));
    }

    private void append(Kind kind, String key, String group, String topic, Place place, long number) {
        try {
            file.write(new Entry(System.currentTimeMillis(), kind, key, group, topic, place, number).toString());
            file.newLine();
        } catch (IOException e) {
            throw new UncheckedIOException("the ledger cannot be written: no claim can be checked", e);
        }
    }

    synchronized void subscribed(String group, String topic) {
        topics.put(group, topic);
        missing.put(group, new HashSet<>());
        delivered.put(group, new HashSet<>());
        append(Kind.SUBSCRIBED, null, group, topic, null, 0);
    }

    synchronized void sent(String key, String topic, long notBefore) {
        append(Kind.SENT, key, null, topic, null, notBefore);
    }

    synchronized void acknowledged(String key, String topic, Place place) {
        append(Kind.ACKNOWLEDGED, key, null, topic, place, 0);
        topics.forEach((group, of) -> {
            if (of.equals(topic) && !delivered.get(group).contains(key)) {
                missing.get(group).add(key);
            }
        });
        counts.merge(writer(key), 1L, Long::sum);
        if (place != null) {
            counts.merge("at " + place.broker(), 1L, Long::sum);
        }
        if (key.startsWith("plain")) {
            long now = System.nanoTime();
            longestGapMs = Math.max(longestGapMs, (now - lastPlain) / 1_000_000);
            lastPlain = now;
        }
    }

    synchronized void refused(String key, String topic) {
        append(Kind.REFUSED, key, null, topic, null, 0);
        refused++;
    }

    synchronized void rolledBack(String key, String topic) {
        append(Kind.ROLLED_BACK, key, null, topic, null, 0);
        counts.merge(writer(key), 1L, Long::sum);
    }

    synchronized void delivered(String group, String key, String topic, Place place, int reconsumed) {
        append(Kind.DELIVERED, key, group, topic, place, reconsumed);
        missing.get(group).remove(key);
        delivered.get(group).add(key);
    }

    synchronized void sentBack(String group, String key, String topic, Place place, int reconsumed) {
        append(Kind.SENT_BACK, key, group, topic, place, reconsumed);
    }

    synchronized void committed(String group, Place queue, long offset) {
        append(Kind.COMMITTED, null, group, queue.topic(), queue.first(), offset);
    }

    synchronized void found(String key, Place place) {
        append(Kind.FOUND, key, null, place.topic(), place, 0);
    }

    synchronized void read(Place begin, long end) {
        append(Kind.READ, null, null, begin.topic(), begin, end);
    }

    /** Faults explain repeated deliveries, and nothing else. */
    public synchronized void fault(String what) {
        append(Kind.FAULT, what.replaceAll("\\s", " "), null, null, null, 0);
    }

    /** Acknowledged sends by writer, and by broker ({@code at broker-a}). */
    public synchronized Map<String, Long> counts() {
        return new TreeMap<>(counts);
    }

    public synchronized long refusedCount() {
        return refused;
    }

    /** Between two acknowledged plain messages, since the last call. */
    public synchronized long longestGapMs() {
        long longest = Math.max(longestGapMs, (System.nanoTime() - lastPlain) / 1_000_000);
        longestGapMs = 0;
        return longest;
    }

    /** What was acknowledged until now and is still to be delivered to some group. */
    public synchronized Set<String> missing() {
        Set<String> all = new HashSet<>();
        missing.forEach((group, keys) -> keys.forEach(key -> all.add(group + ": " + key)));
        return all;
    }

    @Override
    public synchronized void close() throws IOException {
        file.close();
    }

    /** Reads ledgers one after the other. */
    static void read(Checker checker, Path... paths) throws IOException {
        for (Path path : paths) {
            try (Stream<String> lines = Files.lines(path)) {
                lines.map(Entry::parse).forEach(checker::add);
            }
        }
    }
}
