package interop.scenarios;

import interop.Await;
import interop.Case;
import interop.Check;
import interop.Kills;
import interop.Received;
import interop.Scenario;
import java.time.Duration;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageQueue;

/** Several consumers of a group share the queues of a topic, also when one joins or leaves. */
public final class SharingScenarios {
    /** Clients rebalance every 20 s by themselves; sooner than that needs the broker's notice. */
    private static final Duration BY_NOTICE = Duration.ofSeconds(15);

    public static final List<Scenario> LIST = List.of(
        Scenario.of("sharing-join-and-leave", SharingScenarios::joinAndLeave, "binary", "kill-all"),
        Scenario.of("sharing-more-members-than-queues", SharingScenarios::moreMembersThanQueues, "kill-all"));

    private SharingScenarios() {
    }

    static void joinAndLeave(Case c) throws Exception {
        String topic = c.freshTopic(8);
        String group = c.freshName();
        DefaultMQProducer producer = c.producer();
        Received first = new Received();
        Received second = new Received();
        DefaultMQPushConsumer one = c.startPush(group, topic, "*", first);
        first.awaitExactly(Case.sendSome(producer, topic, "alone", 64));
        // A queue that changes hands goes on from what was committed.
        c.cluster.awaitCommitted(group, topic, 64);
        first.clear();

        DefaultMQPushConsumer two = c.startPush(group, topic, "*", second);
        Await.until("4 queues each", BY_NOTICE,
            () -> Case.queuesOf(one, topic).size() == 4 && Case.queuesOf(two, topic).size() == 4);
        Check.gives(8, "queues covered", () -> {
            Set<MessageQueue> all = new HashSet<>(Case.queuesOf(one, topic));
            all.addAll(Case.queuesOf(two, topic));
            return all.size();
        });
        Received.awaitExactly(Case.sendSome(producer, topic, "both", 64), first, second);
        // After a kill the broker knows the one member sooner than the other.
        Check.that(first.count() > 0 && second.count() > 0 || Kills.areOn(), "both have a share");
        c.cluster.awaitCommitted(group, topic, 128);
        first.clear();
        second.clear();

        two.shutdown();
        Await.until("8 queues for the one who stays", BY_NOTICE, () -> Case.queuesOf(one, topic).size() == 8);
        List<String> rest = Case.sendSome(producer, topic, "rest", 64);
        Received.awaitExactly(rest, first, second);
        Check.that(Collections.disjoint(second.keys(), rest), "no messages after leaving");
    }

    static void moreMembersThanQueues(Case c) throws Exception {
        String topic = c.freshTopic(2);
        String group = c.freshName();
        Received[] members = {new Received(), new Received(), new Received()};
        DefaultMQPushConsumer[] consumers = new DefaultMQPushConsumer[3];
        for (int i = 0; i < 3; i++) {
            consumers[i] = c.startPush(group, topic, "*", members[i]);
        }
        Await.until("each queue has one owner", () -> {
            int owned = 0;
            Set<MessageQueue> distinct = new HashSet<>();
            for (DefaultMQPushConsumer consumer : consumers) {
                owned += Case.queuesOf(consumer, topic).size();
                distinct.addAll(Case.queuesOf(consumer, topic));
            }
            return owned == 2 && distinct.size() == 2;
        });
        List<String> keys = Case.sendSome(c.producer(), topic, "k", 40);
        Received.awaitExactly(keys, members);
    }
}
