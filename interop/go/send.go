package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

var sendScenarios = []scenario{
	{name: "send-sync", run: sendSync},
	{name: "send-async", run: sendAsync, panics: true},
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
	result := c.sendOk(c.producer(), m)
	check(result.QueueOffset == 0 || killsAreOn, "the first offset of the queue is %d", result.QueueOffset)
	c.until("the message", soon, func() bool { return containsAll(consumer.received, []string{"schlüssel-钥匙"}) })
	got := oneWith(result.MsgID, consumer.received.all())
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
	var answered sync.WaitGroup
	var failed []string
	var mutex sync.Mutex
	var keys []string
	for i := 0; i < 100; i++ {
		key := fmt.Sprintf("async-%d", i)
		keys = append(keys, key)
		answered.Add(1)
		must(p.SendAsync(context.Background(), func(_ context.Context, result *primitive.SendResult, err error) {
			defer answered.Done()
			if err == nil && result.Status == primitive.SendOK {
				return
			}
			mutex.Lock()
			defer mutex.Unlock()
			failed = append(failed, fmt.Sprintf("%s: %v %v", key, result, err))
		}, message(topic, key, key)))
	}
	answers := make(chan struct{})
	go func() { answered.Wait(); close(answers) }()
	select {
	case <-answers:
	case <-time.After(soon):
		return fmt.Errorf("no answer to an asynchronous send")
	}
	check(len(failed) == 0, "failed: %v", failed)
	c.awaitExactly(keys, consumer.received)
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
		c.retried("sent "+key, func() error { return p.SendOneWay(context.Background(), message(topic, key, key)) })
	}
	if killsAreOn {
		// Nobody says which are lost: they are sent again.
		c.until("all messages", soon, func() bool {
			for _, key := range keys {
				if len(consumer.received.byKey(key)) == 0 {
					_ = p.SendOneWay(context.Background(), message(topic, key, key))
				}
			}
			return c.within(5*time.Second, func() bool { return containsAll(consumer.received, keys) })
		})
	}
	c.awaitExactly(keys, consumer.received)
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
	p := c.producer()
	var result *primitive.SendResult
	c.retried("sent", func() (err error) { result, err = p.SendSync(context.Background(), batch...); return err })
	equal(primitive.SendOK, result.Status, "status")
	c.awaitExactly(keys, consumer.received)
	for i, key := range keys {
		copies := consumer.received.byKey(key)
		at := slices.IndexFunc(copies, func(m *primitive.MessageExt) bool { return m.QueueOffset == result.QueueOffset+int64(i) })
		check(at >= 0, "offsets follow each other, but %s is at %d", key, copies[0].QueueOffset)
		got := copies[at]
		equal(fmt.Sprintf("Körper %d", i), string(got.Body), "body")
		equal(fmt.Sprint(i), got.GetProperty("number"), "property")
	}
	return nil
}

func sendCompressed(c *testCase) error {
	topic := c.freshTopic(2)
	consumer := c.startPush(c.freshName(), topic, "*", nil)
	text := strings.Repeat("all work and no play makes jack a dull boy. 好好学习\n", 3000)
	c.sendOk(c.producer(), message(topic, "text", text))
	c.awaitExactly([]string{"text"}, consumer.received)
	got := consumer.received.all()[0]
	check(bytes.Equal([]byte(text), got.Body), "compressed body is the same")
	check(int(got.StoreSize) < len(text)/10, "stored compressed, but takes %d bytes", got.StoreSize)
	return nil
}

func sendCreatesTopic(c *testCase) error {
	topic := c.freshName()
	p := c.producer()
	c.sendOk(p, message(topic, "first", "x"))
	c.until("route of the new topic", soon, func() bool {
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
	c.sendOk(p, message(topic, "after", "x"))

	strict := c.onStrict()
	defer strict.close()
	_, err = strict.producer(producer.WithRetry(0)).SendSync(context.Background(), message(strict.freshName(), "k", "x"))
	check(err != nil, "a missing topic must be refused where topics are not created")
	return nil
}
