package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

// handOver: a queue that changes hands is tried again at the client's next rebalance (20 s), twice in the worst case.
const handOver = 90 * time.Second

var orderlyScenarios = []scenario{
	{name: "orderly-two-consumers", run: orderlyTwoConsumers},
	{name: "orderly-suspend", run: orderlySuspend},
	{name: "orderly-dlq", run: orderlyDeadLetter},
	{name: "orderly-restart-kill", run: orderlyRestart, exclusive: true},
}

// orderLog notes what all members saw per queue, and when two work on one queue at a time.
type orderLog struct {
	mutex     sync.Mutex
	perQueue  map[int][]int64
	working   map[int]string
	violation string
}

func (l *orderLog) member(name string) listener {
	return func(_ context.Context, messages []*primitive.MessageExt) consumer.ConsumeResult {
		queue := messages[0].Queue.QueueId
		l.mutex.Lock()
		if other, busy := l.working[queue]; busy && other != name {
			l.violation = fmt.Sprintf("queue %d consumed by %s and %s at a time", queue, other, name)
		}
		l.working[queue] = name
		for _, m := range messages {
			l.perQueue[queue] = append(l.perQueue[queue], m.QueueOffset)
		}
		l.mutex.Unlock()
		// The other member gets the chance to break in.
		time.Sleep(time.Millisecond)
		l.mutex.Lock()
		delete(l.working, queue)
		l.mutex.Unlock()
		return consumer.ConsumeSuccess
	}
}

func (l *orderLog) distinct() int {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	count := 0
	for _, offsets := range l.perQueue {
		seen := map[int64]bool{}
		for _, offset := range offsets {
			seen[offset] = true
		}
		count += len(seen)
	}
	return count
}

// check allows repeats, when a queue changes hands, but nothing may be passed over.
func (l *orderLog) check() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	// Locks are in the broker's memory: after a kill another member may have the queue while the first believes that it has it.
	if !killsAreOn {
		equal("", l.violation, "exclusive queues")
	}
	for queue, offsets := range l.perQueue {
		var next int64
		for _, offset := range offsets {
			check(offset <= next, "queue %d: offset %d came before %d", queue, offset, next)
			if offset == next {
				next++
			}
		}
	}
}

func orderlyTwoConsumers(c *testCase) error {
	topic := c.freshTopic(4)
	group := c.freshName()
	log := &orderLog{perQueue: map[int][]int64{}, working: map[int]string{}}
	p := c.producer(producer.WithQueueSelector(producer.NewHashQueueSelector()))
	c.startPush(group, topic, "*", log.member("one"), consumer.WithConsumerOrder(true))
	c.sendSharded(p, topic, 0, 60)
	c.until("first 60", handOver, func() bool { return log.distinct() >= 60 })
	two := c.startPush(group, topic, "*", log.member("two"), consumer.WithConsumerOrder(true))
	c.until("the second has a share", handOver, func() bool {
		c.sendSharded(p, topic, 0, 4)
		return len(two.received.all()) > 0
	})
	must(two.Shutdown())
	before := log.distinct()
	c.sendSharded(p, topic, 0, 20)
	c.until("all, after one left", handOver, func() bool { return log.distinct() >= before+20 })
	log.check()
	return nil
}

func (c *testCase) sendSharded(p rocketmq.Producer, topic string, from, to int) {
	for i := from; i < to; i++ {
		c.sendOk(p, sharded(topic, i))
	}
}

func sharded(topic string, i int) *primitive.Message {
	return message(topic, fmt.Sprintf("k%d", i), "x").WithShardingKey(fmt.Sprintf("order-%d", i%8))
}

// attempts notes keys and how often they had come back, as the client counts on in the message itself.
type attempts struct {
	mutex sync.Mutex
	seen  []string
}

func (a *attempts) all() []string {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	return slices.Clone(a.seen)
}

// suspending suspends the queue at messages with this key until they came back so many times.
func (a *attempts) suspending(key string, times int32) listener {
	return func(ctx context.Context, messages []*primitive.MessageExt) consumer.ConsumeResult {
		m := messages[0]
		a.mutex.Lock()
		a.seen = append(a.seen, fmt.Sprintf("%s/%d", m.GetKeys(), m.ReconsumeTimes))
		a.mutex.Unlock()
		if m.GetKeys() == key && m.ReconsumeTimes < times {
			if orderly, ok := primitive.GetOrderlyCtx(ctx); ok {
				orderly.SuspendCurrentQueueTimeMillis = 100
			}
			return consumer.SuspendCurrentQueueAMoment
		}
		return consumer.ConsumeSuccess
	}
}

func orderlySuspend(c *testCase) error {
	topic := c.freshTopic(1)
	seen := &attempts{}
	c.startPush(c.freshName(), topic, "*", seen.suspending("k2", 2), consumer.WithConsumerOrder(true))
	c.sendSharded(c.producer(), topic, 0, 5)
	c.until("the last message", handOver, func() bool { return slices.Contains(seen.all(), "k4/0") })
	attempts := seen.all()
	if killsAreOn {
		attempts = firsts(attempts)
	}
	equal("k0/0 k1/0 k2/0 k2/1 k2/2 k3/0 k4/0", strings.Join(attempts, " "), "order of attempts")
	return nil
}

func orderlyDeadLetter(c *testCase) error {
	topic, group := c.freshTopic(1), c.freshName()
	seen := &attempts{}
	c.startPush(group, topic, "*", seen.suspending("k1", math.MaxInt32), consumer.WithConsumerOrder(true),
		consumer.WithMaxReconsumeTimes(1))
	c.sendSharded(c.producer(), topic, 0, 3)
	equal("k1", c.deadLetter(group).GetKeys(), "key of the dead letter")
	c.until("the message behind it", handOver, func() bool { return slices.Contains(seen.all(), "k2/0") })
	return nil
}

// orderlyRestart: the order holds over a kill of the broker, which forgets who had locked the queues.
func orderlyRestart(c *testCase) error {
	topic := c.freshTopic(4)
	log := &orderLog{perQueue: map[int][]int64{}, working: map[int]string{}}
	p := c.producer(producer.WithQueueSelector(producer.NewHashQueueSelector()))
	c.startPush(c.freshName(), topic, "*", log.member("one"), consumer.WithConsumerOrder(true))
	c.sendSharded(p, topic, 0, 60)
	c.until("some", handOver, func() bool { return log.distinct() > 0 })
	c.restartBroker("kill")
	for i := 60; i < 100; i++ {
		c.sendAgain(p, sharded(topic, i))
	}
	// A send whose answer was lost is made again. The client tells who it is with its next heartbeat, every 30 s.
	c.until("all", 2*handOver, func() bool { return log.distinct() >= 100 })
	log.check()
	return nil
}
