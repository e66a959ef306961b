package interop.load;

/**
 * One line of the ledger: milliseconds since 1970, kind, key, group, topic, place, number; separated by tabs, {@code -} where there is
 * none. A key is {@code writer-sequence}; the writer's name begins with the kind of its messages, see {@link Load}.
 */
record Entry(long ms, Kind kind, String key, String group, String topic, Place place, long number) {
    enum Kind {
        /** The group has to be given everything of the topic from now on. */
        SUBSCRIBED,
        /** Before each attempt. number: not to be delivered before, or 0. */
        SENT,
        /** place: as the broker said, where it said it of the message's own topic. */
        ACKNOWLEDGED,
        /** Whether the message is stored is not known. */
        REFUSED,
        /** The producer decided against the transaction. */
        ROLLED_BACK,
        /** number: reconsumeTimes. */
        DELIVERED,
        /** Delivered, and sent back to come again. */
        SENT_BACK,
        /** The committed offset, as the master told. place: of the queue; number: the offset. */
        COMMITTED,
        /** Somebody reset the group's offsets. */
        RESET,
        /**
         * A member of the group committed less than was committed. place: of the queue and what it committed; number: what was. In a ledger of
         * its own, which is read before: when it was is not known.
         */
        SET_BACK,
        /** The queue was read from place to number (exclusive), see FOUND. */
        READ,
        /** What is there. */
        FOUND,
        /** key: what was done to the cluster. */
        FAULT
    }

    static Entry parse(String line) {
        String[] parts = line.split("\t");
        if (parts.length != 7) {
            throw new IllegalArgumentException("7 fields expected: " + line);
        }
        return new Entry(Long.parseLong(parts[0]), Kind.valueOf(parts[1]), orNull(parts[2]), orNull(parts[3]), orNull(parts[4]),
            parts[5].equals("-") ? null : Place.parse(parts[5]), Long.parseLong(parts[6]));
    }

    private static String orNull(String text) {
        return text.equals("-") ? null : text;
    }

    private static String orDash(Object value) {
        return value == null ? "-" : value.toString();
    }

    @Override
    public String toString() {
        return ms + "\t" + kind + "\t" + orDash(key) + "\t" + orDash(group) + "\t" + orDash(topic) + "\t" + orDash(place) + "\t" + number;
    }
}
