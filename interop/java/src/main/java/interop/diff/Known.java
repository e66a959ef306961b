package interop.diff;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/** Differences that are meant. Each has a paragraph in docs/compatibility.md. */
final class Known {
    private record Rule(String name, Pattern step, Pattern java, Pattern eruca) {
    }

    private static final List<Rule> RULES = List.of(
        rule("requests that lack fields", "^\\d+ broken", "code (0|1|17|26|29)\\b.*", "code (1|29)\\b.*"),
        rule("locks of nothing", "^\\d+ broken 4[12] ", "code 1", "code 0"),
        rule("negative offsets are not committed", "commit .*commitOffset=-", "code 0", "code 29"),
        rule("offsets are committed for queues that are there", "commit .*queueId=", "code 0", "code 29"),
        rule("an attribute that is not there may be removed", "create topic .*attributes=-", "code 1", "code 0"),
        rule("impossible numbers of topics", "create topic", "code [01]", "code 29"),
        rule("topics whose making was judged otherwise", "^topic .*-made-", "code (0|17)\\b.*", "code (0|17)\\b.*"),
        rule("half messages are not recalled", " transaction .*-odd, ", "code 0 .* recallHandle=.*", "code 0 .*"),
        rule("SQL92 that is not understood is refused", "^\\d+ sql ", "code (0|19|20|21) .*", "code 23"),
        rule("refused pops say nothing else", " pop ", "code (17|23|29) fields .* offsets null.*", "code (17|23|29) fields \\[] .*"),
        rule("names of lite topics", " lite oddly ", "code .*", "code (0|29) .*"),
        rule("a pop of no message, or for less than no time", "-odd ", "code (0|210) .*", "code 29 .*"),
        rule("handles that are none", "^\\d+ ack 3", "code 1", "code 29"),
        rule("a transaction is ended once", "transaction's end again ", "code 0.*", "code (0|1|16|604)\\b.*"),
        rule("a transaction is delivered once, and later where it says so", "^end .*-odd:", "code .*", "code .*"),
        rule("what cannot be stored is told as that", "(send|batch|compressed|transaction|retry|priority|light|inner|lite|oddly|fifo) ", "code 1", "code (1[36]|29) .*"));
    private final List<Rule> rules;
    private final Map<String, Integer> seen = new LinkedHashMap<>();

    Known() {
        this(RULES);
    }

    private Known(List<Rule> rules) {
        this.rules = rules;
    }

    /** No difference is meant. */
    static Known nothing() {
        return new Known(List.of());
    }

    private static Rule rule(String name, String step, String java, String eruca) {
        return new Rule(name, Pattern.compile(step), Pattern.compile(java, Pattern.DOTALL), Pattern.compile(eruca, Pattern.DOTALL));
    }

    boolean explains(String step, String ours, String theirs) {
        for (Rule rule : rules) {
            if (rule.step.matcher(step).find() && rule.java.matcher(theirs).matches() && rule.eruca.matcher(ours).matches()) {
                seen.merge(rule.name, 1, Integer::sum);
                return true;
            }
        }
        return false;
    }

    void print() {
        seen.forEach((name, times) -> System.out.println("explained " + times + " times: " + name));
    }
}
