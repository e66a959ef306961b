package main

import (
	"context"
	"strings"
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
	keys := c.sendSome(p, topic, "k", 50)
	group := c.freshName()
	pull := c.pullConsumer(group, topic, "*")
	queue := &primitive.MessageQueue{Topic: topic, BrokerName: "broker-a", QueueId: 0}
	var next int64
	var got []string
	for len(firsts(got)) < 50 {
		var result *primitive.PullResult
		c.retried("pulled", func() (err error) { result, err = pull.PullFrom(context.Background(), queue, next, 16); return err })
		equal(primitive.PullFound, result.Status, "status")
		for _, m := range result.GetMessageExts() {
			equal(next, m.QueueOffset, "offset of "+m.GetKeys())
			got = append(got, m.GetKeys())
			next++
		}
		equal(next, result.NextBeginOffset, "next offset")
	}
	times(50, len(got), "messages")
	equal(strings.Join(keys, " "), strings.Join(firsts(got), " "), "order")
	must(pull.UpdateOffset(queue, 30))
	c.until("30 is committed", soon, func() bool {
		// Without an answer: a kill may take it.
		err := pull.PersistOffset(context.Background(), topic)
		committed, failure := committedSum(c.namesrv, group, topic, 1)
		return err == nil && failure == nil && committed == 30
	})
	return nil
}

func pullPollAndAck(c *testCase) error {
	topic := c.freshTopic(2)
	group := c.freshName()
	keys := c.sendSome(c.producer(), topic, "k", 40)
	pull := c.pullConsumer(group, topic, "*")
	got := &received{}
	c.until("all messages are polled", soon, func() bool {
		request, err := pull.Poll(context.Background(), 200*time.Millisecond)
		if err != nil {
			return false
		}
		got.add(request.GetMsgList())
		pull.ACK(context.Background(), request, consumer.ConsumeSuccess)
		return containsAll(got, keys)
	})
	c.awaitExactly(keys, got)
	c.until("all is committed", soon, func() bool {
		return pull.PersistOffset(context.Background(), topic) == nil && c.hasCommitted(group, topic, 2, 40)
	})
	return nil
}
