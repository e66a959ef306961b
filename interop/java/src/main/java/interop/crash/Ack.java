package interop.crash;

import java.nio.charset.StandardCharsets;

/** Names every message by writer and sequence number, packed in a long, so that millions fit in memory. */
final class Ack {
    private static final int SEQUENCE_BITS = 40;
    private static final byte[] FILLER = "·".repeat(90).getBytes(StandardCharsets.UTF_8);

    private Ack() {
    }

    /** Never 0, which stands for "nothing acknowledged". */
    static long id(int writer, long sequence) {
        return (writer + 1L) << SEQUENCE_BITS | sequence;
    }

    static int writer(long id) {
        return (int) (id >>> SEQUENCE_BITS) - 1;
    }

    static long sequence(long id) {
        return id & (1L << SEQUENCE_BITS) - 1;
    }

    static String key(long id) {
        return writer(id) + "-" + sequence(id);
    }

    static long parse(String key) {
        int dash = key.indexOf('-');
        return id(Integer.parseInt(key.substring(0, dash)), Long.parseLong(key.substring(dash + 1)));
    }

    /** The key and some bytes more, of a length that differs from message to message. */
    static byte[] body(long id) {
        byte[] key = key(id).getBytes(StandardCharsets.US_ASCII);
        byte[] body = new byte[key.length + (int) (sequence(id) % FILLER.length)];
        System.arraycopy(key, 0, body, 0, key.length);
        System.arraycopy(FILLER, 0, body, key.length, body.length - key.length);
        return body;
    }
}
