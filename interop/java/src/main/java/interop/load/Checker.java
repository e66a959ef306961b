package interop.load;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Reads a history ({@link Ledger}) and says what it contradicts. It knows nothing of the system but what the lines say. */
public final class Checker {
    public enum Claim {
        DELIVERED("every acknowledged message is delivered to each group"),
        SENT("nothing is delivered that was not sent, or that was rolled back"),
        ORDER("messages of an ordered writer come in order within their queue"),
        ONE_A_PLACE("no queue offset names two messages"),
        STAYS("acknowledged messages are where the broker said"),
        REPEATS("nothing is there or comes more often than attempts and faults explain"),
        OFFSETS("no committed offset moves back"),
        EARLY("no delayed message comes early");

        final String text;

        Claim(String text) {
            this.text = text;
        }
    }

    private static final int EXAMPLES = 5;

    /** What is known of one key. */
    private static final class Message {
        private int attempts;
        private long notBefore = Long.MAX_VALUE;
        private boolean isAcknowledged;
        private boolean isRolledBack;
        private String topic;
        private final List<Place> acknowledgedAt = new ArrayList<>(1);
        private final List<Place> places = new ArrayList<>(1);
        private final Set<String> deliveredTo = new HashSet<>(2);
    }

    private record Delivery(String group, Place place) {
    }

    private record Order(String group, String writer, Place queue) {
    }

    private final Map<Claim, List<String>> broken = new EnumMap<>(Claim.class);
    private final Map<String, Message> messages = new HashMap<>();
    private final Map<Place, String> names = new HashMap<>();
    private final Map<String, String> groups = new HashMap<>();
    private final Map<Delivery, Integer> deliveries = new HashMap<>();
    /** Two messages are delivered from there: neither came twice. */
    private final Set<Place> ambiguous = new HashSet<>();
    private final Map<Order, Long> newest = new HashMap<>();
    private final Map<Delivery, Long> committed = new HashMap<>();
    private final Map<Delivery, List<Entry>> setBack = new HashMap<>();
    private final Map<Place, Long> readFrom = new HashMap<>();
    private final Set<Place> found = new HashSet<>();
    private int faults;
    private long repeated;
    private long attempts;

    /** Of the lines of these files. */
    public static Checker of(Path... ledgers) throws IOException {
        Checker checker = new Checker();
        Ledger.read(checker, ledgers);
        return checker;
    }

    void add(Entry entry) {
        switch (entry.kind()) {
            case SUBSCRIBED -> groups.put(entry.group(), entry.topic());
            case SENT -> sent(entry);
            case ACKNOWLEDGED -> acknowledged(entry);
            case REFUSED -> { }
            case ROLLED_BACK -> message(entry.key()).isRolledBack = true;
            case DELIVERED -> delivered(entry);
            case SENT_BACK -> noteDelivery(entry);
            case COMMITTED -> committed(entry);
            case RESET -> committed.keySet().removeIf(at -> at.group().equals(entry.group()));
            case SET_BACK -> setBack.computeIfAbsent(new Delivery(entry.group(), entry.place().first()), queue -> new ArrayList<>()).add(entry);
            case READ -> readFrom.put(entry.place().first(), entry.place().offset());
            case FOUND -> {
                found.add(entry.place());
                at(entry.key(), entry.place());
            }
            case FAULT -> faults++;
        }
    }

    private Message message(String key) {
        return messages.computeIfAbsent(key, k -> new Message());
    }

    private void violation(Claim claim, String what) {
        broken.computeIfAbsent(claim, c -> new ArrayList<>()).add(what);
    }

    private void sent(Entry entry) {
        Message message = message(entry.key());
        message.attempts++;
        attempts++;
        // The first attempt may be the one that comes.
        message.notBefore = Math.min(message.notBefore, entry.number());
    }

    private void acknowledged(Entry entry) {
        Message message = message(entry.key());
        message.isAcknowledged = true;
        message.topic = entry.topic();
        if (entry.place() != null) {
            message.acknowledgedAt.add(entry.place());
            at(entry.key(), entry.place());
        }
    }

    private void at(String key, Place place) {
        String other = names.putIfAbsent(place, key);
        if (other == null) {
            message(key).places.add(place);
        } else if (!other.equals(key)) {
            violation(Claim.ONE_A_PLACE, place + ": " + other + " and " + key);
            ambiguous.add(place);
        }
    }

    private void delivered(Entry entry) {
        noteDelivery(entry);
        message(entry.key()).deliveredTo.add(entry.group());
    }

    private void noteDelivery(Entry entry) {
        Message message = message(entry.key());
        if (message.attempts == 0) {
            violation(Claim.SENT, entry.key() + " was delivered to " + entry.group() + " and never sent");
        } else if (entry.ms() < message.notBefore) {
            violation(Claim.EARLY, entry.key() + " came " + (message.notBefore - entry.ms()) + " ms early");
        }
        if (entry.place() == null) {
            return;
        }
        at(entry.key(), entry.place());
        int times = deliveries.merge(new Delivery(entry.group(), entry.place()), 1, Integer::sum);
        repeated += times > 1 ? 1 : 0;
        if (entry.key().startsWith(Load.ORDERED) && times == 1) {
            inOrder(entry, message);
        }
    }

    /** A key that came before may come again at any moment (it was sent twice); one that is new must be the newest. */
    private void inOrder(Entry entry, Message message) {
        boolean cameBefore = message.places.stream()
            .anyMatch(place -> !place.equals(entry.place()) && place.first().equals(entry.place().first())
                && deliveries.containsKey(new Delivery(entry.group(), place)));
        long sequence = Ledger.sequence(entry.key());
        Order order = new Order(entry.group(), Ledger.writer(entry.key()), entry.place().first());
        long before = newest.merge(order, sequence, Math::max);
        if (!cameBefore && before > sequence) {
            violation(Claim.ORDER, entry.key() + " came to " + entry.group() + " from " + entry.place() + " after " + before);
        }
    }

    private void committed(Entry entry) {
        Delivery queue = new Delivery(entry.group(), entry.place());
        Long before = committed.put(queue, entry.number());
        if (before != null && entry.number() < before && setBack.getOrDefault(queue, List.of()).stream()
            .noneMatch(back -> back.place().offset() <= entry.number() && before <= back.number())) {
            violation(Claim.OFFSETS, entry.group() + " in " + entry.place().first() + ": " + entry.number() + " after " + before);
        }
    }

    /** What can be said only when all is over. */
    private void conclude() {
        deliveries.forEach((delivery, times) -> {
            if (times > 1 + faults && !ambiguous.contains(delivery.place())) {
                violation(Claim.REPEATS, names.get(delivery.place()) + " came " + times + " times from " + delivery.place() + " to "
                    + delivery.group() + ", with " + faults + " faults");
            }
        });
        messages.forEach((key, message) -> {
            if (message.isRolledBack && !message.deliveredTo.isEmpty()) {
                violation(Claim.SENT, key + " was rolled back, and came to " + message.deliveredTo);
            }
            // How often a delayed message or a transaction comes to its topic is not in the producer's hand alone.
            boolean isDirect = key.startsWith(Load.PLAIN) || key.startsWith(Load.ORDERED);
            if (message.places.size() > message.attempts + (isDirect ? 0 : faults) && message.attempts > 0) {
                violation(Claim.REPEATS, key + " is at " + message.places + " after " + message.attempts + " attempts");
            }
            if (message.isAcknowledged) {
                concludeAcknowledged(key, message);
            }
        });
    }

    private void concludeAcknowledged(String key, Message message) {
        groups.forEach((group, topic) -> {
            if (topic.equals(message.topic) && !message.deliveredTo.contains(group)) {
                violation(Claim.DELIVERED, key + " did not come to " + group + "; it is at " + message.places);
            }
        });
        for (Place place : message.acknowledgedAt) {
            Long begin = readFrom.get(place.first());
            if (begin != null && place.offset() >= begin && !(found.contains(place) && key.equals(names.get(place)))) {
                violation(Claim.STAYS, key + " is not at " + place + ", which holds "
                    + (found.contains(place) ? names.get(place) : "nothing") + "; it is at " + message.places);
            }
            if (begin == null && !groups.isEmpty() && message.places.stream().anyMatch(this::wasDelivered)
                && !wasDelivered(place)) {
                violation(Claim.STAYS, key + " was acknowledged at " + place + " and came only from " + message.places);
            }
        }
    }

    private boolean wasDelivered(Place place) {
        return groups.keySet().stream().anyMatch(group -> deliveries.containsKey(new Delivery(group, place)));
    }

    /** Ends the history. @return the claims that do not hold, with what contradicts them */
    Map<Claim, List<String>> findings() {
        conclude();
        return broken;
    }

    /** Prints one line a claim and the figures. @return how many claims do not hold */
    public int report(Set<Claim> unchecked) {
        Map<Claim, List<String>> findings = findings();
        long acknowledged = messages.values().stream().filter(message -> message.isAcknowledged).count();
        long places = messages.values().stream().mapToLong(message -> Math.max(message.places.size() - 1, 0)).sum();
        System.out.printf("%d messages acknowledged of %d attempts, %d stored more than once, %d deliveries repeated, %d faults%n",
            acknowledged, attempts, places, repeated, faults);
        int failed = 0;
        for (Claim claim : EnumSet.complementOf(unchecked.isEmpty() ? EnumSet.noneOf(Claim.class) : EnumSet.copyOf(unchecked))) {
            List<String> cases = findings.getOrDefault(claim, List.of());
            failed += cases.isEmpty() ? 0 : 1;
            System.out.println((cases.isEmpty() ? "ok   " : "FAIL ") + claim.text + (cases.isEmpty() ? "" : ": " + cases.size() + " cases"));
            cases.stream().limit(EXAMPLES).forEach(text -> System.out.println("     " + text));
        }
        return failed;
    }
}
