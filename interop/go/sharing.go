package main

import (
	"fmt"
)

var sharingScenarios = []scenario{
	{name: "sharing-join-and-leave", run: sharingJoinAndLeave},
}

// The library does not tell which queues a consumer has, so a round of messages shows it.
func sharingJoinAndLeave(c *testCase) error {
	topic := c.freshTopic(8)
	group := c.freshName()
	p := c.producer()
	one := c.startPush(group, topic, "*", nil)
	c.awaitExactly(c.sendSome(p, topic, "alone", 64), one.received)
	// A queue that changes hands goes on from what was committed; the client commits after 10 s.
	c.awaitCommitted(group, topic, 8, 64)

	two := c.startPush(group, topic, "*", nil)
	round := 0
	c.until("both have four queues", handOver, func() bool {
		one.received.clear()
		two.received.clear()
		round++
		keys := c.sendSome(p, topic, fmt.Sprintf("probe%d", round), 32)
		c.until("a probe is received", soon, func() bool {
			return distinctKeys(one.received, two.received) >= len(keys)
		})
		return len(queuesSeen(one.received)) == 4 && len(queuesSeen(two.received)) == 4
	})
	one.received.clear()
	two.received.clear()
	c.awaitAnew(c.sendSome(p, topic, "both", 64), one.received, two.received)
	// After a kill, also another scenario's, the broker knows the one member sooner than the other.
	check(killsAreOn || len(one.received.all()) > 0 && len(two.received.all()) > 0, "both have a share")

	must(two.Shutdown())
	one.received.clear()
	keys := c.sendSome(p, topic, "rest", 64)
	c.until("the one who stays gets all", soon, func() bool { return containsAll(one.received, keys) })
	return nil
}

func distinctKeys(receivers ...*received) int {
	keys := map[string]bool{}
	for _, r := range receivers {
		for _, m := range r.all() {
			keys[m.GetKeys()] = true
		}
	}
	return len(keys)
}

// queuesSeen are those that messages came from.
func queuesSeen(r *received) map[int]bool {
	queues := map[int]bool{}
	for _, m := range r.all() {
		queues[m.Queue.QueueId] = true
	}
	return queues
}

func containsAll(r *received, keys []string) bool {
	for _, key := range keys {
		if len(r.byKey(key)) == 0 {
			return false
		}
	}
	return true
}
