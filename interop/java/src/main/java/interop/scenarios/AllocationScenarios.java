package interop.scenarios;

import interop.Await;
import interop.Case;
import interop.Check;
import interop.Cluster;
import interop.Received;
import interop.Scenario;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.rocketmq.client.consumer.AllocateMessageQueueStrategy;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMachineRoomNearby;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueAveragely;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueAveragelyByCircle;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueByConfig;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueConsistentHash;
import org.apache.rocketmq.common.message.MessageQueue;

/** Members of a group share the queues in other ways than averagely; clients reckon by the members that the broker tells. */
public final class AllocationScenarios {
    private static final int QUEUES = 8;

    public static final List<Scenario> LIST = List.of(
        Scenario.of("allocation-by-circle", AllocationScenarios::byCircle, "kill"),
        Scenario.of("allocation-consistent-hash", AllocationScenarios::consistentHash, "kill-all"),
        Scenario.of("allocation-by-configuration", AllocationScenarios::byConfiguration, "kill-all"),
        Scenario.of("allocation-machine-room", AllocationScenarios::machineRoom, "kill-all"));

    private AllocationScenarios() {
    }

    /** A group of two on a topic of its own. */
    private static final class Two {
        final String topic;
        final DefaultMQPushConsumer[] members;
        final Received[] received = {new Received(), new Received()};

        Two(Case c) throws Exception {
            topic = c.freshTopic(QUEUES);
            String group = c.freshName();
            members = new DefaultMQPushConsumer[] {c.pushConsumer(group), c.pushConsumer(group)};
        }

        void start(AllocateMessageQueueStrategy first, AllocateMessageQueueStrategy second) throws Exception {
            AllocateMessageQueueStrategy[] strategies = {first, second};
            for (int i = 0; i < 2; i++) {
                members[i].setAllocateMessageQueueStrategy(strategies[i]);
                members[i].subscribe(topic, "*");
                members[i].registerMessageListener(received[i]);
                members[i].start();
            }
        }

        Set<Integer> queuesOf(int member) {
            return Case.queuesOf(members[member], topic).stream().map(MessageQueue::getQueueId)
                .collect(Collectors.toCollection(TreeSet::new));
        }

        void awaitShares(Set<Integer> first, Set<Integer> second) {
            Await.until(first + " and " + second, () -> queuesOf(0).equals(first) && queuesOf(1).equals(second));
        }

        /** Each member is given what lies in its queues. */
        void checkMessages(Case c) throws Exception {
            List<String> keys = Case.sendSome(c.producer(), topic, "k", 5 * QUEUES);
            Received.awaitExactly(keys, received);
        }
    }

    private static Set<Integer> everySecond(int from) {
        return IntStream.range(0, QUEUES).filter(id -> id % 2 == from).boxed().collect(Collectors.toCollection(TreeSet::new));
    }

    static void byCircle(Case c) throws Exception {
        Two two = new Two(c);
        two.start(new AllocateMessageQueueAveragelyByCircle(), new AllocateMessageQueueAveragelyByCircle());
        // Members have their turns by their ids.
        int first = two.members[0].buildMQClientId().compareTo(two.members[1].buildMQClientId()) < 0 ? 0 : 1;
        two.awaitShares(everySecond(first), everySecond(1 - first));
        two.checkMessages(c);
    }

    static void consistentHash(Case c) throws Exception {
        Two two = new Two(c);
        two.start(new AllocateMessageQueueConsistentHash(), new AllocateMessageQueueConsistentHash());
        Await.until("each queue has one owner", () -> {
            Set<Integer> all = two.queuesOf(0);
            int sum = all.size() + two.queuesOf(1).size();
            all.addAll(two.queuesOf(1));
            return sum == QUEUES && all.size() == QUEUES;
        });
        two.checkMessages(c);
    }

    static void byConfiguration(Case c) throws Exception {
        Two two = new Two(c);
        two.start(configured(two.topic, 0, 3), configured(two.topic, 3, QUEUES));
        two.awaitShares(Set.of(0, 1, 2), Set.of(3, 4, 5, 6, 7));
        two.checkMessages(c);
        Check.that(two.received[0].all().stream().allMatch(message -> message.getQueueId() < 3), "the first one's share");
    }

    private static AllocateMessageQueueStrategy configured(String topic, int from, int to) {
        AllocateMessageQueueByConfig strategy = new AllocateMessageQueueByConfig();
        strategy.setMessageQueueList(IntStream.range(from, to).mapToObj(id -> Cluster.queue(topic, id)).toList());
        return strategy;
    }

    /** Queues are where they are by their numbers, the members one in each room; who is left over has all. */
    static void machineRoom(Case c) throws Exception {
        Two two = new Two(c);
        String firstId = two.members[0].buildMQClientId();
        AllocateMachineRoomNearby.MachineRoomResolver rooms = new AllocateMachineRoomNearby.MachineRoomResolver() {
            @Override
            public String brokerDeployIn(MessageQueue queue) {
                return "room-" + queue.getQueueId() % 2;
            }

            @Override
            public String consumerDeployIn(String clientId) {
                return clientId.equals(firstId) ? "room-0" : "room-1";
            }
        };
        two.start(new AllocateMachineRoomNearby(new AllocateMessageQueueAveragely(), rooms),
            new AllocateMachineRoomNearby(new AllocateMessageQueueAveragely(), rooms));
        two.awaitShares(everySecond(0), everySecond(1));
        two.checkMessages(c);
        two.members[1].shutdown();
        Await.until("all queues for the one who stays", () -> two.queuesOf(0).size() == QUEUES);
    }
}
