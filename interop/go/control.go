package main

import (
	"fmt"
	"strings"

	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
)

// Push consumers that are suspended, and such that share queues in other ways than averagely.
var controlScenarios = []scenario{
	{name: "push-suspend-and-resume", run: suspendAndResume},
	{name: "allocation-by-circle", run: func(c *testCase) error {
		return allocation(c, twice(consumer.AllocateByAveragelyCircle), func(one, two map[int]bool) bool {
			return len(one) == 4 && len(two) == 4 && sameParity(one) && sameParity(two)
		})
	}},
	{name: "allocation-consistent-hash", run: func(c *testCase) error {
		// By chance one of them may have few, or none at all.
		return allocation(c, twice(consumer.AllocateByConsistentHash(32)), func(one, two map[int]bool) bool {
			return len(one)+len(two) == allocatedQueues
		})
	}},
	{name: "allocation-by-configuration", run: func(c *testCase) error {
		return allocation(c, configured, func(one, two map[int]bool) bool {
			return len(one) == 3 && one[0] && one[1] && one[2] && len(two) == 5 && !two[0] && !two[1] && !two[2]
		})
	}},
}

const allocatedQueues = 8

// suspendAndResume: a pull that is under way may bring a few; another group shows that the others could have come.
func suspendAndResume(c *testCase) error {
	topic := c.freshTopic(1)
	p := c.producer()
	push := c.startPush(c.freshName(), topic, "*", nil)
	witness := c.startPush(c.freshName(), topic, "*", nil)
	before := c.sendSome(p, topic, "before", 5)
	c.awaitExactly(before, push.received)
	c.awaitExactly(before, witness.received)
	push.Suspend()
	keys := before
	for i := 0; i < 10; i++ {
		key := fmt.Sprintf("while-%d", i)
		c.sendOk(p, message(topic, key, "x"))
		keys = append(keys, key)
		c.until("the witness has "+key, soon, func() bool { return containsAll(witness.received, keys) })
	}
	equal(0, len(push.received.byKey("while-9")), "messages that a suspended consumer gets")
	push.Resume()
	c.awaitExactly(keys, push.received)
	return nil
}

// strategies makes those of the two members.
type strategies func(topic string) [2]consumer.AllocateStrategy

func twice(strategy consumer.AllocateStrategy) strategies {
	return func(string) [2]consumer.AllocateStrategy { return [2]consumer.AllocateStrategy{strategy, strategy} }
}

// configured gives the first three queues to the one member, the others to the other.
func configured(topic string) [2]consumer.AllocateStrategy {
	var shares [2][]*primitive.MessageQueue
	for id := 0; id < allocatedQueues; id++ {
		member := min(id/3, 1)
		shares[member] = append(shares[member], &primitive.MessageQueue{Topic: topic, BrokerName: "broker-a", QueueId: id})
	}
	// The client asks for its retry topic, too.
	of := func(share []*primitive.MessageQueue) consumer.AllocateStrategy {
		return func(group, id string, all []*primitive.MessageQueue, members []string) []*primitive.MessageQueue {
			if len(all) > 0 && strings.HasPrefix(all[0].Topic, "%RETRY%") {
				return consumer.AllocateByAveragely(group, id, all, members)
			}
			return consumer.AllocateByConfig(share)(group, id, all, members)
		}
	}
	return [2]consumer.AllocateStrategy{of(shares[0]), of(shares[1])}
}

func sameParity(queues map[int]bool) bool {
	parities := map[int]bool{}
	for id := range queues {
		parities[id%2] = true
	}
	return len(parities) == 1
}

// allocation: the library does not tell which queues a consumer has, so rounds of messages show it.
func allocation(c *testCase, strategies strategies, isShared func(one, two map[int]bool) bool) error {
	topic, group := c.freshTopic(allocatedQueues), c.freshName()
	of := strategies(topic)
	one := c.startPush(group, topic, "*", nil, consumer.WithStrategy(of[0]))
	two := c.startPush(group, topic, "*", nil, consumer.WithStrategy(of[1]))
	p := c.producer()
	round := 0
	c.until("the queues are shared", handOver, func() bool {
		one.received.clear()
		two.received.clear()
		round++
		keys := c.sendSome(p, topic, fmt.Sprintf("probe%d", round), 4*allocatedQueues)
		c.until("a probe is received", handOver, func() bool {
			return distinctKeys(one.received, two.received) >= len(keys)
		})
		return isShared(queuesSeen(one.received), queuesSeen(two.received))
	})
	one.received.clear()
	two.received.clear()
	c.awaitAnew(c.sendSome(p, topic, "last", 4*allocatedQueues), one.received, two.received)
	// A broker that was killed does not know its members for a moment, and they share anew.
	check(killsAreOn || isShared(queuesSeen(one.received), queuesSeen(two.received)), "the shares stay")
	return nil
}
