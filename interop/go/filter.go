package main

import (
	"fmt"
	"strconv"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
)

// The pull consumer of this client gets nothing by SQL92, from the Java broker neither.
var filterScenarios = []scenario{
	{name: "filter-sql-push", run: filterSQLPush},
}

func bySQL(expression string) consumer.MessageSelector {
	return consumer.MessageSelector{Type: consumer.SQL92, Expression: expression}
}

// sendNumbered sends messages with the property n = from … to-1, and returns the keys of those that are wanted.
func (c *testCase) sendNumbered(p rocketmq.Producer, topic string, from, to int, wanted func(n int) bool) []string {
	var keys []string
	for n := from; n < to; n++ {
		key := fmt.Sprintf("k%d", n)
		m := message(topic, key, "x")
		m.WithProperty("n", strconv.Itoa(n))
		m.WithProperty("rest", fmt.Sprintf("r%d", n%3))
		c.sendOk(p, m)
		if wanted(n) {
			keys = append(keys, key)
		}
	}
	return keys
}

func filterSQLPush(c *testCase) error {
	topic := c.freshTopic(4)
	wanted := func(n int) bool { return n > 5 && n%3 != 2 }
	p := c.producer()
	keys := c.sendNumbered(p, topic, 0, 30, wanted)
	push := c.startSelecting(c.freshName(), topic, bySQL("n > 5 AND rest IN ('r0', 'r1')"), nil)
	c.awaitExactly(keys, push.received)
	c.awaitExactly(append(keys, c.sendNumbered(p, topic, 30, 60, wanted)...), push.received)
	return nil
}
