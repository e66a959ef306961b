package main

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
)

var requestScenarios = []scenario{
	{name: "request-reply", run: requestReply, panics: true},
	{name: "request-unanswered", run: requestUnanswered, panics: true},
}

// startReplier answers each request with "re: " and its body, and notes what it could not answer.
func (c *testCase) startReplier(topic string, failure *atomic.Value) {
	p := c.producer()
	c.startPush(c.freshName(), topic, "*", func(ctx context.Context, messages []*primitive.MessageExt) consumer.ConsumeResult {
		for _, m := range messages {
			reply, err := consumer.CreateReplyMessage(m, nil)
			if err == nil {
				// The client's own way leaves the body out.
				reply.Body = append([]byte("re: "), m.Body...)
				_, err = p.SendSync(ctx, reply)
			}
			if err != nil {
				failure.Store(err.Error())
			}
		}
		return consumer.ConsumeSuccess
	})
}

func request(p rocketmq.Producer, topic, body string, patience time.Duration) (string, error) {
	reply, err := p.Request(context.Background(), patience, message(topic, "request", body))
	if err != nil {
		return "", err
	}
	return string(reply.Body), nil
}

func requestReply(c *testCase) error {
	topic := c.freshTopic(2)
	var failure atomic.Value
	c.startReplier(topic, &failure)
	asker := c.producer()
	// A broker sends replies to producers that it knows, and this client's first heartbeat may come after its first request.
	c.until("the first reply", soon, func() bool {
		reply, err := request(asker, topic, "hello", 3*time.Second)
		return err == nil && reply == "re: hello"
	})
	failure.Store("")
	// Larger than what this client sends uncompressed.
	for _, body := range []string{"1", "2", "Grüße, 你好 🚀", strings.Repeat("x", 50_000)} {
		reply, err := request(asker, topic, body, soon)
		must(err)
		equal("re: "+body, reply, "reply")
	}
	check(failure.Load().(string) == "", "failure of a reply: %v", failure.Load())
	return nil
}

func requestUnanswered(c *testCase) error {
	topic := c.freshTopic(1)
	reply, err := request(c.producer(), topic, "anyone?", time.Second)
	check(err != nil, "nobody can have answered: %s", reply)
	return nil
}
