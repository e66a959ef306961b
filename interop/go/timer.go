package main

import (
	"fmt"
	"strconv"
	"time"
)

// The client has no method for times of delivery; brokers look at the property.
var timerScenarios = []scenario{
	{name: "timer-properties", run: timerProperties},
	{name: "timer-delay-level", run: timerDelayLevel},
}

func timerProperties(c *testCase) error {
	topic := c.freshTopic(2)
	push := c.startPush(c.freshName(), topic, "*", nil)
	p := c.producer()
	due := map[string]int64{}
	now := time.Now().UnixMilli()
	send := func(key, property string, value, at int64) {
		m := message(topic, key, "timed")
		m.WithProperty(property, strconv.FormatInt(value, 10))
		c.sendOk(p, m)
		due[key] = at
	}
	for i := int64(0); i < 10; i++ {
		at := now + 2_000 + i*150
		if i == 0 {
			// Whole seconds are where slots meet.
			at = at / 1_000 * 1_000
		}
		send(fmt.Sprintf("at-%d", i), "TIMER_DELIVER_MS", at, at)
	}
	send("ms", "TIMER_DELAY_MS", 1_500, now+1_500)
	send("sec", "TIMER_DELAY_SEC", 2, now+2_000)
	var keys []string
	for key := range due {
		keys = append(keys, key)
	}
	c.awaitExactly(keys, push.received)
	for _, m := range push.received.all() {
		early := due[m.GetKeys()] - m.StoreTimestamp
		check(early <= 0, "%s was delivered %d ms before its time", m.GetKeys(), early)
		// What is sent again after a kill may be due by then, and does not wait.
		real := m.GetProperty("REAL_TOPIC")
		check(real == topic || killsAreOn && real == "", "REAL_TOPIC, which the broker leaves in, is %q", real)
	}
	return nil
}

func timerDelayLevel(c *testCase) error {
	topic := c.freshTopic(1)
	push := c.startPush(c.freshName(), topic, "*", nil)
	m := message(topic, "level", "timed")
	m.WithDelayTimeLevel(5)
	before := time.Now().UnixMilli()
	c.sendOk(c.producer(), m)
	c.awaitExactly([]string{"level"}, push.received)
	waited := push.received.all()[0].StoreTimestamp - before
	// The fifth of `messageDelayLevel` in interop/servers; those beside it are far shorter.
	check(waited >= 5_000, "it was delivered after %d ms already", waited)
	return nil
}
