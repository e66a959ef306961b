package main

import (
	"context"
	"fmt"
	"time"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/primitive"
)

var restartScenarios = []scenario{
	{name: "restart-broker-clean", run: func(c *testCase) error { return restart(c, "clean") }, exclusive: true},
	{name: "restart-broker-kill", run: func(c *testCase) error { return restart(c, "kill") }, exclusive: true},
}

// restart checks that messages and offsets outlive the broker and that connected clients go on by themselves.
func restart(c *testCase, how string) error {
	topic := c.freshTopic(4)
	group := c.freshName()
	p := c.producer()
	push := c.startPush(group, topic, "*", nil)
	before := c.sendSome(p, topic, "before", 40)
	c.awaitExactly(before, push.received)
	c.awaitCommitted(group, topic, 4, 40)
	c.awaitPersisted(group, topic, 40)

	c.restartBroker(how)
	committed, err := committedSum(c.namesrv, group, topic, 4)
	must(err)
	equal(int64(40), committed, "committed offsets after the restart")
	keys := before
	for i := 0; i < 20; i++ {
		key := fmt.Sprintf("after-%d", i)
		c.sendAgain(p, message(topic, key, "x"))
		keys = append(keys, key)
	}
	// The client tells a restarted broker who it is with its next heartbeat, every 30 s.
	c.until("messages after the restart", 90*time.Second, func() bool { return containsAll(push.received, keys) })
	c.awaitExactly(keys, push.received)
	return nil
}

// sendAgain sends until it succeeds: the client finds the new connection of a restarted broker by itself.
func (c *testCase) sendAgain(p rocketmq.Producer, m *primitive.Message) {
	c.until("sent "+m.GetKeys(), soon, func() bool {
		_, err := p.SendSync(context.Background(), m)
		return err == nil
	})
}
