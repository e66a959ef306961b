package main

import (
	"crypto/rand"
	"time"

	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

var consumeFromScenarios = []scenario{
	{name: "consume-from-in-old-topic", run: consumeFromOldTopic},
}

// consumeFromOldTopic uses the broker that deletes full segments at once, so that the queue does not
// start at 0 any more: only then does a broker leave the choice of the first offset to the client.
func consumeFromOldTopic(c *testCase) error {
	strict := c.onStrict()
	defer strict.close()
	topic := strict.freshTopic(1)
	p := strict.producer(producer.WithCompressMsgBodyOverHowmuch(1 << 30))
	// 1 MiB segments: fill the first, and a third of the second.
	body := make([]byte, 64*1024)
	_, _ = rand.Read(body)
	for i := 0; i < 21; i++ {
		c.sendOk(p, message(topic, "filler", string(body)))
	}
	// The Java broker looks for expired files for the first time after a minute.
	c.until("the first segment is deleted", 150*time.Second, func() bool {
		smallest, err := queueMin(strict.namesrv, topic)
		return err == nil && smallest > 0
	})
	// The client's time format has no fractions of a second.
	second := time.Now().Truncate(time.Second).Add(time.Second)
	c.until("the next second", soon, func() bool { return time.Now().After(second) })
	recent := c.sendSome(p, topic, "recent", 10)

	lastGroup := strict.freshName()
	last := strict.startPush(lastGroup, topic, "*", nil, consumer.WithConsumeFromWhere(consumer.ConsumeFromLastOffset))
	// The start offset is fixed once it is committed.
	strict.awaitCommitted(lastGroup, topic, 1, 31)
	fresh := c.sendSome(p, topic, "fresh", 10)
	byTime := strict.startPush(strict.freshName(), topic, "*", nil,
		consumer.WithConsumeFromWhere(consumer.ConsumeFromTimestamp),
		consumer.WithConsumeTimestamp(second.Format("20060102150405")))
	first := strict.startPush(strict.freshName(), topic, "*", nil)
	c.awaitExactly(fresh, last.received)
	c.awaitExactly(append(append([]string{}, recent...), fresh...), byTime.received)
	c.until("everything from the first offset", soon, func() bool {
		return containsAll(first.received, append(recent, fresh...)) && len(first.received.byKey("filler")) > 0
	})
	return nil
}
