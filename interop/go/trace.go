package main

import (
	"context"
	"strings"
	"time"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

var traceScenarios = []scenario{
	{name: "trace-of-producer-and-consumer", run: traceBoth},
}

const traceTopic = "RMQ_SYS_TRACE_TOPIC"

func (c *testCase) traceConfig() *primitive.TraceConfig {
	return &primitive.TraceConfig{TraceTopic: traceTopic, GroupName: c.freshName(), Access: primitive.Local, NamesrvAddrs: []string{c.namesrv}}
}

func traceBoth(c *testCase) error {
	topic, group := c.freshTopic(1), c.freshName()
	push := c.startPush(group, topic, "*", nil, consumer.WithTrace(c.traceConfig()))
	sender := c.freshName()
	p := c.producer(producer.WithGroupName(sender), producer.WithTrace(c.traceConfig()))
	reader := c.pullConsumer(c.freshName(), traceTopic, "*")
	bound := soon
	if killsAreOn {
		// A trace that the killed broker did not take is lost: then those of another message.
		bound = 10 * time.Second
	}
	var result *primitive.SendResult
	var found map[string][]string
	c.until("the three traces", soon, func() bool {
		result, found = c.sendOk(p, message(topic, "traced", "body").WithTag("tag")), map[string][]string{}
		c.awaitExactly([]string{"traced"}, push.received)
		return c.within(bound, func() bool {
			readTraces(reader, result.MsgID, found)
			return len(found) == 3
		})
	})
	// By place: the formats of the Java client.
	sent := found["Pub"]
	equal(sender, sent[3], "producer group")
	equal(topic, sent[4], "topic")
	equal("tag", sent[6], "tag")
	equal("traced", sent[7], "key")
	equal("4", sent[9], "length of the body")
	equal(result.OffsetMsgID, sent[12], "message id of the broker")
	equal("true", sent[13], "success")
	equal(group, found["SubBefore"][3], "consumer group")
	equal("traced", found["SubBefore"][7], "key that was consumed")
	equal(found["SubBefore"][4], found["SubAfter"][1], "request id")
	equal("true", found["SubAfter"][4], "success of the consumer")
	return nil
}

// readTraces adds the fields of all traces of the message, by their kind.
func readTraces(reader rocketmq.PullConsumer, id string, found map[string][]string) {
	queue := &primitive.MessageQueue{Topic: traceTopic, BrokerName: "broker-a", QueueId: 0}
	for next := int64(0); ; {
		result, err := reader.PullFrom(context.Background(), queue, next, 32)
		if err != nil || result.Status != primitive.PullFound {
			return
		}
		for _, m := range result.GetMessageExts() {
			for _, trace := range strings.Split(string(m.Body), "\x02") {
				if fields := strings.Split(trace, "\x01"); strings.Contains(trace, id) {
					found[fields[0]] = fields
				}
			}
		}
		next = result.NextBeginOffset
	}
}
