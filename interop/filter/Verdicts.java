import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import org.apache.rocketmq.filter.FilterFactory;
import org.apache.rocketmq.filter.expression.EvaluationContext;
import org.apache.rocketmq.filter.expression.Expression;

/**
 * What RocketMQ's own filter says of random expressions and messages, one a line: verdict, properties, expression,
 * separated by tabs. Verdicts: R the expression is refused, T true, F false, N null, E error.
 *
 * <pre>java -cp 'jars of the broker' Verdicts.java SEED COUNT</pre>
 */
public final class Verdicts {
    private static final String[] NAMES = {"a", "b", "c", "A", "_d", "$e1", "TAGS", "missing"};
    private static final String[] VALUES = {
        "5", "6", "-5", "+5", "0", "-0", "5.5", "5.0", "-0.0", "0.0", "1e1", " 7 ", "7f", ".5", "5.", "NaN", "Infinity",
        "-Infinity", "inf", "nan", "2147483647", "2147483648", "-2147483649", "9223372036854775807",
        "9223372036854775808", "1e400", "x", "y", "xyz", "it's", "true", "TRUE", "False", "über", "5x", "007", "--5",
        "1_0", "0d", "1e", " ", "x y"
    };
    private static final String[] NUMBERS = {
        "0", "5", "6", "5l", "7L", "10", "2147483647", "2147483648", "9223372036854775807", "9223372036854775808", "5.5",
        "5.", ".5", "0.5", "5.0", "1e1", "5E-1", "1e400", "0.0", "1e-400", "4.9e-324", "00.5", "007", "5lx", "0l", "5e"
    };
    private static final String[] RELATIONS = {"=", "<>", ">", ">=", "<", "<="};
    private static final String[] SEARCHES = {"CONTAINS", "STARTSWITH", "ENDSWITH"};
    private static final String[] BLANKS = {" ", " ", " ", " ", "  ", "\t", "\n", "\r\n", "\f", " /* or */ ", " -- and\n"};
    private static final String[] SCRAPS = {
        "NOT", "AND", "OR", "BETWEEN", "IN", "IS", "NULL", "TRUE", "(", ")", ",", "+", "-", "=", "<>", "<", "'x'", "'", "5",
        "a", ";", "!", "*", "==", "CONTAINS", "--", "/*", "5.5", "."
    };

    private final Random random;

    private Verdicts(long seed) {
        random = new Random(seed);
    }

    public static void main(String[] arguments) {
        Verdicts verdicts = new Verdicts(Long.parseLong(arguments[0]));
        int count = Integer.parseInt(arguments[1]);
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < count; i++) {
            String expression = verdicts.expression();
            for (int message = 0; message < 3; message++) {
                Map<String, String> properties = verdicts.properties();
                char verdict = verdict(expression, properties);
                StringBuilder encoded = new StringBuilder();
                properties.forEach((name, value) -> encoded.append(name).append('\1').append(value).append('\2'));
                out.append(verdict).append('\t').append(escape(encoded.toString()));
                out.append('\t').append(escape(expression)).append('\n');
                if (verdict == 'R') {
                    break;
                }
            }
        }
        System.out.print(out);
    }

    private static char verdict(String text, Map<String, String> properties) {
        Expression expression;
        try {
            expression = FilterFactory.INSTANCE.get("SQL92").compile(text);
        } catch (Exception refused) {
            return 'R';
        }
        try {
            Object value = expression.evaluate(new Context(properties));
            return value == null ? 'N' : (Boolean) value ? 'T' : 'F';
        } catch (Exception incomparable) {
            return 'E';
        }
    }

    private Map<String, String> properties() {
        Map<String, String> properties = new HashMap<>();
        for (int i = random.nextInt(6); i > 0; i--) {
            properties.put(NAMES[random.nextInt(NAMES.length - 1)], one(VALUES));
        }
        return properties;
    }

    private String expression() {
        String expression = condition(random.nextInt(4));
        // One in six is spoiled, mostly beyond what is allowed.
        if (random.nextInt(6) == 0) {
            int at = random.nextInt(expression.length() + 1);
            expression = expression.substring(0, at) + " " + one(SCRAPS) + " " + expression.substring(at);
        }
        if (random.nextInt(20) == 0) {
            expression = expression.substring(0, random.nextInt(expression.length() + 1));
        }
        return expression;
    }

    private String condition(int depth) {
        if (depth > 0) {
            switch (random.nextInt(9)) {
                case 0, 1: return join(condition(depth - 1), word("AND"), condition(depth - 1));
                case 2, 3: return join(condition(depth - 1), word("OR"), condition(depth - 1));
                case 4: return join(word("NOT"), condition(depth - 1));
                case 5: return "(" + condition(depth - 1) + ")";
                case 6: return join(word("NOT"), "(" + condition(depth - 1) + ")");
                case 7: return join("(" + condition(depth - 1) + ")", one(RELATIONS), operand());
                default: return join(operand(), one(RELATIONS), "(" + condition(depth - 1) + ")");
            }
        }
        switch (random.nextInt(14)) {
            case 0, 1, 2, 3, 4: return join(operand(), one(RELATIONS), operand());
            case 5, 6: return join(operand(), not(), word("BETWEEN"), operand(), word("AND"), operand());
            case 7, 8: return join(random.nextInt(4) == 0 ? operand() : name(), not(), word("IN"), texts());
            case 9, 10: return join(operand(), not(), word(one(SEARCHES)), random.nextInt(9) == 0 ? operand() : text());
            case 11: return join(operand(), word("IS"), not(), word("NULL"));
            case 12: return operand();
            default: return join(operand(), one(RELATIONS), operand(), one(RELATIONS), operand());
        }
    }

    private String operand() {
        switch (random.nextInt(16)) {
            case 0, 1, 2, 3, 4, 5: return name();
            case 6, 7, 8: return one(NUMBERS);
            case 9, 10: return text();
            case 11: return word(random.nextBoolean() ? "TRUE" : random.nextBoolean() ? "FALSE" : "NULL");
            case 12: return "-" + one(NUMBERS);
            case 13: return join("-", operand());
            case 14: return "(" + operand() + ")";
            default: return "+" + operand();
        }
    }

    private String texts() {
        StringBuilder texts = new StringBuilder("(").append(text());
        for (int i = random.nextInt(random.nextInt(4) == 0 ? 12 : 3); i > 0; i--) {
            texts.append(random.nextBoolean() ? "," : " , ").append(text());
        }
        return texts.append(')').toString();
    }

    private String text() {
        return random.nextInt(12) == 0 ? "''" : "'" + one(VALUES).replace("'", "''") + "'";
    }

    private String name() {
        return one(NAMES);
    }

    private String not() {
        return random.nextInt(3) == 0 ? word("NOT") : "";
    }

    private String word(String word) {
        int kind = random.nextInt(6);
        return kind == 0 ? word.toLowerCase() : kind == 1 ? word.charAt(0) + word.substring(1).toLowerCase() : word;
    }

    private String join(String... parts) {
        StringBuilder joined = new StringBuilder();
        for (String part : parts) {
            if (!part.isEmpty()) {
                joined.append(joined.length() == 0 ? "" : one(BLANKS)).append(part);
            }
        }
        return joined.toString();
    }

    private String one(String[] choices) {
        return choices[random.nextInt(choices.length)];
    }

    /** So that a case is a line of ASCII. */
    private static String escape(String text) {
        StringBuilder escaped = new StringBuilder();
        for (char c : text.toCharArray()) {
            if (c < ' ' || c > '~' || c == '\\') {
                escaped.append(String.format("\\u%04x", (int) c));
            } else {
                escaped.append(c);
            }
        }
        return escaped.toString();
    }

    private record Context(Map<String, String> properties) implements EvaluationContext {
        @Override
        public Object get(String name) {
            return properties.get(name);
        }

        @Override
        public Map<String, Object> keyValues() {
            return new HashMap<>(properties);
        }
    }
}
