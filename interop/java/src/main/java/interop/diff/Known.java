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
        rule("requests that lack fields", "^\\d+ broken", "code (0|1|26|29)\\b.*", "code (1|29)\\b.*"),
        rule("negative offsets are not committed", "commit .*commitOffset=-", "code 0", "code 29"),
        rule("offsets are committed for queues that are there", "commit .*queueId=", "code 0", "code 29"),
        rule("an attribute that is not there may be removed", "create topic .*attributes=-", "code 1", "code 0"),
        rule("impossible numbers of topics", "create topic", "code [01]", "code 29"),
        rule("what cannot be stored is told as that", "(send|batch) ", "code 1", "code 1[36] .*"));
    private final Map<String, Integer> seen = new LinkedHashMap<>();

    private static Rule rule(String name, String step, String java, String eruca) {
        return new Rule(name, Pattern.compile(step), Pattern.compile(java, Pattern.DOTALL), Pattern.compile(eruca, Pattern.DOTALL));
    }

    boolean explains(String step, String ours, String theirs) {
        for (Rule rule : RULES) {
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
