package interop;

import java.util.Set;

/**
 * One independent check with real clients.
 *
 * @param name unique, used for its topics and groups as well
 * @param tags {@code basic}: also run against {@code eruca up}; {@code binary}: also run with the
 *     ROCKETMQ header encoding; {@code exclusive}: disturbs others (restarts the broker, changes what it does); {@code kill},
 *     {@code kill-all}: also run with a kill in its midst, the first always, the second by hand
 */
public record Scenario(String name, Set<String> tags, Body body) {
    /** What a scenario does; it fails by throwing. */
    public interface Body {
        void run(Case c) throws Exception;
    }

    public static Scenario of(String name, Body body, String... tags) {
        return new Scenario(name, Set.of(tags), body);
    }
}
