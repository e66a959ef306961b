package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
)

// The first two delays are short: levels 3 and 4 of the server under test.
var retryScenarios = []scenario{
	{name: "retry-then-success", run: retryThenSuccess},
	{name: "retry-then-dlq", run: retryThenDeadLetter},
}

// failing refuses messages whose key starts with "bad" until they came back so many times.
func failing(times int32) listener {
	return func(_ context.Context, messages []*primitive.MessageExt) consumer.ConsumeResult {
		if strings.HasPrefix(messages[0].GetKeys(), "bad") && messages[0].ReconsumeTimes < times {
			return consumer.ConsumeRetryLater
		}
		return consumer.ConsumeSuccess
	}
}

func retryThenSuccess(c *testCase) error {
	topic := c.freshTopic(2)
	push := c.startPush(c.freshName(), topic, "*", failing(2), consumer.WithMaxReconsumeTimes(5))
	p := c.producer()
	c.sendOk(p, message(topic, "bad", "x"))
	c.sendSome(p, topic, "good", 5)
	attempts := func() []string {
		var seen []string
		for _, attempt := range push.received.byKey("bad") {
			seen = append(seen, fmt.Sprintf("%d of %s", attempt.ReconsumeTimes, attempt.Topic))
		}
		return seen
	}
	last := "2 of " + topic
	c.until("third attempt", soon, func() bool { return slices.Contains(attempts(), last) })
	times(3, len(attempts()), "attempts")
	expected := []string{"0 of " + topic, "1 of " + topic, last}
	if killsAreOn {
		// A message whose send-back failed is given again by the client itself, which counts that in what it gave before.
		check(!slices.ContainsFunc(attempts(), func(one string) bool { return !slices.Contains(expected, one) }), "attempts: %v", attempts())
		return nil
	}
	equal(fmt.Sprint(expected), fmt.Sprint(attempts()), "times and topics that the listener sees")
	return nil
}

func retryThenDeadLetter(c *testCase) error {
	topic := c.freshTopic(2)
	group := c.freshName()
	push := c.startPush(group, topic, "*", failing(math.MaxInt32), consumer.WithMaxReconsumeTimes(2))
	m := message(topic, "bad", "Körper")
	m.WithProperty("mine", "kept")
	c.sendOk(c.producer(), m)
	letter := c.deadLetter(group)
	times(3, len(push.received.byKey("bad")), "attempts")
	equal("bad", letter.GetKeys(), "key")
	equal("Körper", string(letter.Body), "body")
	equal("kept", letter.GetProperty("mine"), "property")
	return nil
}

// deadLetter waits for a message in %DLQ%group.
func (c *testCase) deadLetter(group string) *primitive.MessageExt {
	dead := "%DLQ%" + group
	c.until("route of "+dead, soon, func() bool {
		_, err := brokerOf(c.namesrv, dead)
		return err == nil
	})
	reader := c.pullConsumer(c.freshName(), dead, "*")
	queue := &primitive.MessageQueue{Topic: dead, BrokerName: "broker-a", QueueId: 0}
	got := &received{}
	c.until("the dead letter", soon, func() bool {
		result, err := reader.PullFrom(context.Background(), queue, 0, 32)
		if err == nil && result.Status == primitive.PullFound {
			got.add(result.GetMessageExts())
		}
		return len(got.all()) > 0
	})
	return got.all()[0]
}
