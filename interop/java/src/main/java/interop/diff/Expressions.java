package interop.diff;

import java.util.List;
import java.util.Random;

/** Random SQL92 conditions, most of them right. */
final class Expressions {
    private static final List<String> NAMES = List.of("number", "TAGS", "KEYS", "missing", "long", "WAIT");
    private static final List<String> VALUES = List.of("1", "50", "-3", "2.5", "99999999999", "'red'", "'k1'", "'it''s'",
        "TRUE", "'50'", "''");
    private static final List<String> BROKEN = List.of("", "number >", "a = = b", "'open", "number IN ()", "NOT", "(1",
        "number BETWEEN 1", "a LIKE 'b%'", "1 + 1 = 2", "number > 5 extra", "5", "TRUE", "a", "x IS 5", "\u0001",
        "number > 0.0", "99999999999999999999 > number", "a NOT = b");

    private Expressions() {
    }

    static String random(Random random) {
        return random.nextInt(10) == 0 ? oneOf(random, BROKEN) : condition(random, 3);
    }

    private static String condition(Random random, int depth) {
        switch (random.nextInt(depth > 0 ? 12 : 8)) {
            case 0:
                return name(random) + " IS " + (random.nextBoolean() ? "NOT " : "") + "NULL";
            case 1:
                return name(random) + not(random) + " BETWEEN " + random.nextInt(50) + " AND " + random.nextInt(100);
            case 2:
                return name(random) + not(random) + " IN ('red', 'k" + random.nextInt(20) + "')";
            case 3:
                return name(random) + not(random) + oneOf(random, List.of(" CONTAINS", " STARTSWITH", " ENDSWITH")) + " 'e'";
            case 8:
                return "(" + condition(random, depth - 1) + ")";
            case 9:
                return "NOT " + condition(random, depth - 1);
            case 10:
                return condition(random, depth - 1) + " AND " + condition(random, depth - 1);
            case 11:
                return condition(random, depth - 1) + " OR " + condition(random, depth - 1);
            default:
                return operand(random) + " " + oneOf(random, List.of("=", "<>", ">", ">=", "<", "<=")) + " " + operand(random);
        }
    }

    private static String operand(Random random) {
        return random.nextInt(3) > 0 ? name(random) : oneOf(random, VALUES);
    }

    private static String name(Random random) {
        return random.nextInt(3) > 0 ? "number" : oneOf(random, NAMES);
    }

    private static String not(Random random) {
        return random.nextInt(3) == 0 ? " NOT" : "";
    }

    private static <T> T oneOf(Random random, List<T> choices) {
        return choices.get(random.nextInt(choices.size()));
    }
}
