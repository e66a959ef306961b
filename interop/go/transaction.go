package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

var transactionScenarios = []scenario{
	{name: "transaction-commit-and-rollback", run: commitAndRollback},
	{name: "transaction-checked", run: checkedTransaction},
	{name: "transaction-other-producer-is-asked", run: otherProducerIsAsked},
	{name: "transaction-restart-kill", run: transactionRestart, exclusive: true},
}

// transactionListener decides by the first letter of the key, u until it is told otherwise; notes what it was asked.
type transactionListener struct {
	mutex   sync.Mutex
	answers map[string]primitive.LocalTransactionState
	checks  map[string]int
}

func newTransactionListener() *transactionListener {
	return &transactionListener{answers: map[string]primitive.LocalTransactionState{}, checks: map[string]int{}}
}

func (l *transactionListener) ExecuteLocalTransaction(m *primitive.Message) primitive.LocalTransactionState {
	switch {
	case strings.HasPrefix(m.GetKeys(), "c"):
		return primitive.CommitMessageState
	case strings.HasPrefix(m.GetKeys(), "r"):
		return primitive.RollbackMessageState
	}
	return primitive.UnknowState
}

func (l *transactionListener) CheckLocalTransaction(m *primitive.MessageExt) primitive.LocalTransactionState {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.checks[m.GetKeys()]++
	if answer, ok := l.answers[m.GetKeys()]; ok {
		return answer
	}
	// The end of a transaction has no answer, and a kill may take it.
	return l.ExecuteLocalTransaction(&m.Message)
}

func (l *transactionListener) answer(key string, state primitive.LocalTransactionState) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.answers[key] = state
}

func (l *transactionListener) checksOf(key string) int {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.checks[key]
}

func (c *testCase) transactionProducer(group string, l *transactionListener) rocketmq.TransactionProducer {
	p, err := rocketmq.NewTransactionProducer(l,
		producer.WithNsResolver(c.resolver()),
		producer.WithInstanceName(freshInstance()),
		producer.WithGroupName(group),
		producer.WithSendMsgTimeout(10*time.Second))
	must(err)
	must(p.Start())
	c.closers = append(c.closers, func() { _ = p.Shutdown() })
	return p
}

func (c *testCase) sendInTransaction(p rocketmq.TransactionProducer, topic, key string) *primitive.TransactionSendResult {
	var result *primitive.TransactionSendResult
	c.retried("sent "+key, func() (err error) {
		result, err = p.SendMessageInTransaction(context.Background(), message(topic, key, "body of "+key))
		return err
	})
	equal(primitive.SendOK, result.Status, "send status of "+key)
	return result
}

func commitAndRollback(c *testCase) error {
	topic, group := c.freshTopic(4), c.freshName()
	push := c.startPush(c.freshName(), topic, "*", nil)
	p := c.transactionProducer(group, newTransactionListener())
	var committed []string
	ids := map[string]string{}
	for i := 0; i < 10; i++ {
		key := fmt.Sprintf("c%d", i)
		ids[key] = c.sendInTransaction(p, topic, key).MsgID
		c.sendInTransaction(p, topic, fmt.Sprintf("r%d", i))
		committed = append(committed, key)
	}
	c.awaitExactly(committed, push.received)
	for _, m := range push.received.all() {
		equal("body of "+m.GetKeys(), string(m.Body), "body")
		check(killsAreOn || ids[m.GetKeys()] == m.MsgId, "message id of %s: %s", m.GetKeys(), m.MsgId)
		equal(group, m.GetProperty(primitive.PropertyProducerGroup), "producer group")
	}
	return nil
}

func checkedTransaction(c *testCase) error {
	topic := c.freshTopic(2)
	push := c.startPush(c.freshName(), topic, "*", nil)
	l := newTransactionListener()
	p := c.transactionProducer(c.freshName(), l)
	c.sendInTransaction(p, topic, "u-commit")
	c.sendInTransaction(p, topic, "u-rollback")
	c.until("both are asked for twice", soon, func() bool {
		return l.checksOf("u-commit") >= 2 && l.checksOf("u-rollback") >= 2
	})
	equal(0, len(push.received.all()), "messages before the end")
	l.answer("u-rollback", primitive.RollbackMessageState)
	l.answer("u-commit", primitive.CommitMessageState)
	c.awaitExactly([]string{"u-commit"}, push.received)
	return nil
}

func otherProducerIsAsked(c *testCase) error {
	topic, group := c.freshTopic(2), c.freshName()
	push := c.startPush(c.freshName(), topic, "*", nil)
	first := c.transactionProducer(group, newTransactionListener())
	c.sendInTransaction(first, topic, "u0")
	must(first.Shutdown())
	lives := newTransactionListener()
	lives.answer("u0", primitive.CommitMessageState)
	// It makes itself known to the broker with its first heartbeat, a second after it knows a route.
	c.sendInTransaction(c.transactionProducer(group, lives), topic, "c1")
	c.until("both are delivered", 90*time.Second, func() bool { return containsAll(push.received, []string{"u0", "c1"}) })
	c.awaitExactly([]string{"u0", "c1"}, push.received)
	return nil
}

// transactionRestart checks that what is open is asked for after a kill.
func transactionRestart(c *testCase) error {
	topic := c.freshTopic(2)
	push := c.startPush(c.freshName(), topic, "*", nil)
	l := newTransactionListener()
	p := c.transactionProducer(c.freshName(), l)
	for i := 0; i < 3; i++ {
		c.sendInTransaction(p, topic, fmt.Sprintf("c%d", i))
		c.sendInTransaction(p, topic, fmt.Sprintf("u%d", i))
	}
	c.awaitExactly([]string{"c0", "c1", "c2"}, push.received)
	c.until("open ones are asked for", soon, func() bool { return l.checksOf("u2") > 0 })
	c.restartBroker("kill")
	l.answer("u0", primitive.CommitMessageState)
	l.answer("u1", primitive.RollbackMessageState)
	l.answer("u2", primitive.CommitMessageState)
	expected := []string{"c0", "c1", "c2", "u0", "u2"}
	c.until("all are delivered", 120*time.Second, func() bool { return containsAll(push.received, expected) })
	if c.env.offsets != "persisted" {
		// A Java broker forgets what it copied or noted in its last seconds, and delivers twice.
		c.awaitExactly(expected, push.received)
	}
	return nil
}
