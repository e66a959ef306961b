package interop.diff;

import java.util.List;
import java.util.Map;
import java.util.Random;

/** Messages that a client sends to the retry topic of its group, as it does where a send-back fails, and in order. */
final class Retries {
    private Retries() {
    }

    /** Groups that nobody made; sends do, each one's own way. */
    static List<String> groups(String prefix) {
        return List.of(prefix + "fresh-0", prefix + "fresh-1");
    }

    static Workload.Step step(String number, Random random, String prefix, List<String> groups, Map<String, String> fields, byte[] body) {
        int which = random.nextInt(4);
        String group = which < 2 ? groups.get(which) : groups(prefix).get(which - 2);
        fields.put("b", "%RETRY%" + group);
        fields.put("e", "0");
        fields.put("j", String.valueOf(List.of(0, 1, 2, 3, 17).get(random.nextInt(5))));
        if (random.nextInt(3) > 0) {
            fields.put("l", String.valueOf(List.of(16, 2, 0, -1).get(random.nextInt(4))));
        }
        fields.merge("i", "RETRY_TOPIC\u0001" + prefix + "a\u0002DELAY\u0001" + random.nextInt(4) + "\u0002", String::concat);
        return side -> side.see(number + " retry " + Texts.visible(fields.toString()), Texts.answer(side.ask(310, fields, body))
            // When delayed ones come in, and so what is before this one, is a matter of time.
            .replaceFirst("queueOffset=\\d+", "queueOffset=…"));
    }
}
