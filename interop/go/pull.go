package main

import (
	"context"
	"fmt"
	"time"

	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
)

var pullScenarios = []scenario{
	{name: "pull-from-offsets", run: pullFromOffsets},
	{name: "pull-poll-and-ack", run: pullPollAndAck},
}

func pullFromOffsets(c *testCase) error {
	topic := c.freshTopic(1)
	p := c.producer()
	keys := sendSome(p, topic, "k", 50)
	group := c.freshName()
	pull := c.pullConsumer(group, topic, "*")
	queue := &primitive.MessageQueue{Topic: topic, BrokerName: "broker-a", QueueId: 0}
	var next int64
	for next < 50 {
		result, err := pull.PullFrom(context.Background(), queue, next, 16)
		must(err)
		equal(primitive.PullFound, result.Status, "status")
		for _, m := range result.GetMessageExts() {
			equal(keys[next], m.GetKeys(), fmt.Sprintf("message at %d", next))
			next++
		}
		equal(next, result.NextBeginOffset, "next offset")
	}
	must(pull.UpdateOffset(queue, 30))
	must(pull.PersistOffset(context.Background(), topic))
	c.awaitCommitted(group, topic, 1, 30)
	return nil
}

func pullPollAndAck(c *testCase) error {
	topic := c.freshTopic(2)
	group := c.freshName()
	keys := sendSome(c.producer(), topic, "k", 40)
	pull := c.pullConsumer(group, topic, "*")
	got := &received{}
	until("all messages are polled", soon, func() bool {
		request, err := pull.Poll(context.Background(), 200*time.Millisecond)
		if err != nil {
			return false
		}
		got.add(request.GetMsgList())
		pull.ACK(context.Background(), request, consumer.ConsumeSuccess)
		return len(got.all()) >= len(keys)
	})
	awaitExactly(keys, got)
	must(pull.PersistOffset(context.Background(), topic))
	c.awaitCommitted(group, topic, 2, 40)
	return nil
}
