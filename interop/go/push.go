package main

import (
	"fmt"

	"github.com/apache/rocketmq-client-go/v2/consumer"
)

var pushScenarios = []scenario{
	{name: "push-clustering", run: pushClustering},
	{name: "push-broadcasting", run: pushBroadcasting},
	{name: "push-tag-filter", run: pushTagFilter},
	{name: "push-consumer-restart", run: pushConsumerRestart},
}

func pushClustering(c *testCase) error {
	topic := c.freshTopic(4)
	push := c.startPush(c.freshName(), topic, "*", nil)
	c.awaitExactly(c.sendSome(c.producer(), topic, "k", 200), push.received)
	for _, m := range push.received.all() {
		equal("body of "+m.GetKeys(), string(m.Body), "body")
	}
	return nil
}

func pushBroadcasting(c *testCase) error {
	topic := c.freshTopic(4)
	group := c.freshName()
	keys := c.sendSome(c.producer(), topic, "k", 30)
	for i := 0; i < 3; i++ {
		push := c.startPush(group, topic, "*", nil, consumer.WithConsumerModel(consumer.BroadCasting))
		c.awaitExactly(keys, push.received)
	}
	return nil
}

func pushTagFilter(c *testCase) error {
	topic := c.freshTopic(4)
	aOrB := c.startPush(c.freshName(), topic, "A || B", nil)
	onlyC := c.startPush(c.freshName(), topic, "C", nil)
	p := c.producer()
	var expectedAB, expectedC []string
	// "Aa" and "BB" have the same Java hash code.
	for i, tag := range []string{"A", "B", "C", "Aa", "BB", "D", "A", "B", "C", "Aa", "BB", "D"} {
		key := fmt.Sprintf("k%d", i)
		c.sendOk(p, message(topic, key, "x").WithTag(tag))
		switch tag {
		case "A", "B":
			expectedAB = append(expectedAB, key)
		case "C":
			expectedC = append(expectedC, key)
		}
	}
	c.awaitExactly(expectedAB, aOrB.received)
	c.awaitExactly(expectedC, onlyC.received)
	return nil
}

func pushConsumerRestart(c *testCase) error {
	topic := c.freshTopic(4)
	group := c.freshName()
	p := c.producer()
	first := c.startPush(group, topic, "*", nil)
	c.awaitExactly(c.sendSome(p, topic, "before", 40), first.received)
	// A client that is shut down right after its listener returned may miss to commit the last ones.
	c.awaitCommitted(group, topic, 4, 40)
	must(first.Shutdown())
	away := c.sendSome(p, topic, "away", 20)
	second := c.startPush(group, topic, "*", nil)
	c.awaitExactly(away, second.received)
	return nil
}
