package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

var sendScenarios = []scenario{
	{name: "send-sync", run: sendSync},
	{name: "send-async", run: sendAsync},
	{name: "send-oneway", run: sendOneway},
	{name: "send-batch", run: sendBatch},
	{name: "send-compressed", run: sendCompressed},
	{name: "send-creates-topic", run: sendCreatesTopic},
	{name: "send-errors", run: sendErrors},
}

func sendSync(c *testCase) error {
	topic := c.freshTopic(4)
	consumer := c.startPush(c.freshName(), topic, "*", nil)
	m := message(topic, "schlüssel-钥匙", "Grüße, 你好 🚀").WithTag("TagÄ")
	m.WithProperty("plain", "value with = and , and ; and \"quotes\"")
	m.WithProperty("ünïcödé", "значение 🌱")
	result := sendOk(c.producer(), m)
	equal(int64(0), result.QueueOffset, "first offset of the queue")
	awaitExactly([]string{"schlüssel-钥匙"}, consumer.received)
	got := consumer.received.all()[0]
	equal("Grüße, 你好 🚀", string(got.Body), "body")
	equal("TagÄ", got.GetTags(), "tag")
	equal("value with = and , and ; and \"quotes\"", got.GetProperty("plain"), "property")
	equal("значение 🌱", got.GetProperty("ünïcödé"), "unicode property")
	equal(result.MsgID, got.MsgId, "message id")
	equal(result.MessageQueue.QueueId, got.Queue.QueueId, "queue")
	equal(int32(0), got.ReconsumeTimes, "reconsume times")
	return nil
}

func sendAsync(c *testCase) error {
	topic := c.freshTopic(4)
	consumer := c.startPush(c.freshName(), topic, "*", nil)
	p := c.producer()
	results := make(chan error, 100)
	var keys []string
	for i := 0; i < 100; i++ {
		key := fmt.Sprintf("async-%d", i)
		keys = append(keys, key)
		must(p.SendAsync(context.Background(), func(_ context.Context, result *primitive.SendResult, err error) {
			if err == nil && result.Status != primitive.SendOK {
				err = fmt.Errorf("status %v", result.Status)
			}
			results <- err
		}, message(topic, key, key)))
	}
	for range keys {
		select {
		case err := <-results:
			must(err)
		case <-time.After(soon):
			return fmt.Errorf("no answer to an asynchronous send")
		}
	}
	awaitExactly(keys, consumer.received)
	return nil
}

func sendOneway(c *testCase) error {
	topic := c.freshTopic(4)
	consumer := c.startPush(c.freshName(), topic, "*", nil)
	p := c.producer()
	var keys []string
	for i := 0; i < 50; i++ {
		key := fmt.Sprintf("oneway-%d", i)
		keys = append(keys, key)
		must(p.SendOneWay(context.Background(), message(topic, key, key)))
	}
	awaitExactly(keys, consumer.received)
	return nil
}

func sendBatch(c *testCase) error {
	topic := c.freshTopic(4)
	consumer := c.startPush(c.freshName(), topic, "*", nil)
	var batch []*primitive.Message
	var keys []string
	for i := 0; i < 40; i++ {
		key := fmt.Sprintf("batch-%d", i)
		m := message(topic, key, fmt.Sprintf("Körper %d", i)).WithTag("tag")
		m.WithProperty("number", fmt.Sprint(i))
		batch = append(batch, m)
		keys = append(keys, key)
	}
	result, err := c.producer().SendSync(context.Background(), batch...)
	must(err)
	equal(primitive.SendOK, result.Status, "status")
	awaitExactly(keys, consumer.received)
	for i, key := range keys {
		got := consumer.received.byKey(key)[0]
		equal(fmt.Sprintf("Körper %d", i), string(got.Body), "body")
		equal(fmt.Sprint(i), got.GetProperty("number"), "property")
		equal(result.QueueOffset+int64(i), got.QueueOffset, "offsets follow each other")
	}
	return nil
}

func sendCompressed(c *testCase) error {
	topic := c.freshTopic(2)
	consumer := c.startPush(c.freshName(), topic, "*", nil)
	text := strings.Repeat("all work and no play makes jack a dull boy. 好好学习\n", 3000)
	sendOk(c.producer(), message(topic, "text", text))
	awaitExactly([]string{"text"}, consumer.received)
	got := consumer.received.all()[0]
	check(bytes.Equal([]byte(text), got.Body), "compressed body is the same")
	check(int(got.StoreSize) < len(text)/10, "stored compressed, but takes %d bytes", got.StoreSize)
	return nil
}

func sendCreatesTopic(c *testCase) error {
	topic := c.freshName()
	p := c.producer()
	sendOk(p, message(topic, "first", "x"))
	until("route of the new topic", soon, func() bool {
		_, err := brokerOf(c.namesrv, topic)
		return err == nil
	})
	return nil
}

func sendErrors(c *testCase) error {
	topic := c.freshTopic(1)
	p := c.producer(producer.WithRetry(0), producer.WithCompressMsgBodyOverHowmuch(1<<30))
	_, err := p.SendSync(context.Background(), message(topic, "large", strings.Repeat("x", 5<<20)))
	check(err != nil, "a message of 5 MiB must be refused")
	sendOk(p, message(topic, "after", "x"))

	strict := newCase(c.env, c.name)
	strict.namesrv = c.env.strict
	defer strict.close()
	_, err = strict.producer(producer.WithRetry(0)).SendSync(context.Background(), message(strict.freshName(), "k", "x"))
	check(err != nil, "a missing topic must be refused where topics are not created")
	return nil
}
