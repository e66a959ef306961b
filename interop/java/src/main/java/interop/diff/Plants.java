package interop.diff;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.remoting.RPCHook;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;

/**
 * Changes one answer of each kind on its way from the broker to the client, to a number that occurs nowhere else: to prove that the
 * comparison sees it.
 */
final class Plants implements RPCHook {
    private static final int FIRST = 9_000_001;
    /** Where the flag is in a record. */
    private static final int FLAG_AT = 16;
    /** Requests that messages answer; those of clients that consume are among them. */
    private static final Set<Integer> BRING_MESSAGES = Set.of(11, 12, 361, 200050, 200070);
    /** Fields of which nothing depends that is done next. */
    private static final List<String> HARMLESS = List.of("queueId", "offset");
    /** Without changes of at least these kinds nothing is proved: requests that the workload makes, and groups that consume. */
    private static final List<String> NEEDED = List.of("11 a", "12 a", "14 a", "15 a", "29 a", "30 a", "31 a", "36 g", "37 producers", "41 ", "42 ",
        "310 a", "310 late", "310 priority", "310 fifo", "310 light", "310 lite", "310 many", "310 popped", "320 a", "320 inner", "351 a", "352 g",
        "361 reader", "370 b", "200050 g-pop", "200050 inorder", "200050 conditions", "200050 popping", "200051 a", "200070 of-many",
        "200070 of-many-all", "11 push-all", "11 push-red", "11 push-failing", "11 push-ordered", "11 broadcast", "11 broadcast-red", "361 pull-red",
        "361 pull-sql", "361 pull-assigned", "11 replies");

    private final String prefix;
    private final Set<Integer> compared = ConcurrentHashMap.newKeySet();
    private final Set<Integer> needed = ConcurrentHashMap.newKeySet();
    private final Map<String, Integer> planted = new TreeMap<>();

    Plants(String prefix) {
        this.prefix = prefix;
    }

    /** A request of the workload's own, whose answer is looked at as a whole. */
    void isCompared(RemotingCommand request) {
        compared.add(request.getOpaque());
    }

    /** A request whose answer is not looked at, but needed. */
    void isNeeded(RemotingCommand request) {
        needed.add(request.getOpaque());
    }

    @Override
    public void doBeforeRequest(String remote, RemotingCommand request) {
    }

    @Override
    public synchronized void doAfterResponse(String remote, RemotingCommand request, RemotingCommand answer) {
        if (needed.remove(request.getOpaque())) {
            return;
        }
        boolean isOurs = compared.remove(request.getOpaque());
        boolean brings = BRING_MESSAGES.contains(request.getCode());
        String kind = kind(request);
        if (answer == null || kind.endsWith("odd") || planted.containsKey(kind) || !(isOurs || brings)
            || brings && (answer.getCode() != 0 || answer.getBody() == null)) {
            return;
        }
        int number = FIRST + planted.size();
        if (brings) {
            ByteBuffer.wrap(answer.getBody()).putInt(FLAG_AT, number);
        } else {
            Map<String, String> fields = answer.getExtFields() == null ? Map.of() : answer.getExtFields();
            HARMLESS.stream().filter(fields::containsKey).findFirst()
                .ifPresentOrElse(field -> fields.put(field, String.valueOf(number)), () -> answer.setCode(number));
        }
        planted.put(kind, number);
    }

    /** The code, and what is asked for: the group that consumes, else topic or group. */
    private String kind(RemotingCommand request) {
        Map<String, String> fields = request.getExtFields() == null ? Map.of() : new HashMap<>(request.getExtFields());
        String topic = fields.getOrDefault("topic", fields.getOrDefault("b", fields.getOrDefault("group", fields.getOrDefault("producerGroup", ""))));
        String group = fields.getOrDefault("consumerGroup", topic);
        boolean isByTopic = !BRING_MESSAGES.contains(request.getCode()) || group.equals(prefix + "g") || group.equals(prefix + "h");
        return request.getCode() + " " + (isByTopic && !topic.isEmpty() ? topic : group).replace(prefix, "");
    }

    /** What speaks against the comparison: changes that it did not see, kinds that were not changed, differences that are no changes. */
    List<String> unseen(List<String> differences) {
        List<String> wrong = new ArrayList<>();
        planted.forEach((kind, number) -> {
            if (differences.stream().noneMatch(difference -> difference.contains(String.valueOf(number)))) {
                wrong.add("NOT SEEN " + kind + ": the change to " + number);
            }
        });
        TreeSet<String> missing = new TreeSet<>(NEEDED);
        missing.removeAll(planted.keySet());
        missing.forEach(kind -> wrong.add("NOT CHANGED " + kind + ": there was no such answer"));
        differences.stream().filter(difference -> planted.values().stream().noneMatch(number -> difference.contains(String.valueOf(number))))
            .forEach(difference -> wrong.add("NO CHANGE, but " + difference));
        System.out.println(planted.size() + " kinds of answers changed: " + planted.keySet());
        return wrong;
    }
}
