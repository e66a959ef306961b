package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync/atomic"
	"time"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/admin"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

// environment is what the runner was told about the servers.
type environment struct {
	namesrv, strict, servers, dir, strictDir, offsets string
	// kills is the seed of the kills, 0 without.
	kills int64
}

// testCase owns fresh names, and clients that are shut down at its end.
type testCase struct {
	env     *environment
	namesrv string
	// dir is that of the server pair.
	dir     string
	name    string
	kill    *kill
	closers []func()
}

var (
	runID     = strconv.FormatInt(time.Now().UnixMilli(), 36)
	instances atomic.Int64
	names     atomic.Int64
)

func newCase(env *environment, name string) *testCase {
	return &testCase{env: env, namesrv: env.namesrv, dir: env.dir, name: name}
}

// onStrict is the same scenario on the other pair.
func (c *testCase) onStrict() *testCase {
	return &testCase{env: c.env, namesrv: c.env.strict, dir: c.env.strictDir, name: c.name, kill: c.kill}
}

func (c *testCase) close() {
	for i := len(c.closers) - 1; i >= 0; i-- {
		c.closers[i]()
	}
}

// freshName is a topic or group that nobody else uses.
func (c *testCase) freshName() string {
	return fmt.Sprintf("go-%s-%s-%d", c.name, runID, names.Add(1))
}

func freshInstance() string {
	return fmt.Sprintf("go-%d-%s", instances.Add(1), runID)
}

func (c *testCase) resolver() primitive.NsResolver {
	return primitive.NewPassthroughResolver([]string{c.namesrv})
}

// freshTopic creates a topic on the broker and waits until clients can find it.
func (c *testCase) freshTopic(queues int) string {
	topic := c.freshName()
	c.retried("topic", func() error { return createTopic(c.namesrv, topic, queues) })
	c.until("route of "+topic, soon, func() bool {
		_, err := brokerOf(c.namesrv, topic)
		return err == nil
	})
	return topic
}

func createTopic(namesrv, topic string, queues int) error {
	// TBW102 or, where topics are not created by themselves, the self test topic: every broker has it.
	broker, err := brokerOf(namesrv, "SELF_TEST_TOPIC")
	if err != nil {
		return err
	}
	client, err := admin.NewAdmin(admin.WithResolver(primitive.NewPassthroughResolver([]string{namesrv})))
	if err != nil {
		return err
	}
	// The admin client is shared by the library per process and must stay open.
	return client.CreateTopic(context.Background(), admin.WithTopicCreate(topic), admin.WithBrokerAddrCreate(broker),
		admin.WithReadQueueNums(queues), admin.WithWriteQueueNums(queues))
}

func (c *testCase) producer(options ...producer.Option) rocketmq.Producer {
	all := append([]producer.Option{
		producer.WithNsResolver(c.resolver()),
		producer.WithInstanceName(freshInstance()),
		producer.WithGroupName(c.freshName()),
		// A first send to a cold, busy Java broker can take longer than the default of 3 s.
		producer.WithSendMsgTimeout(10 * time.Second),
	}, options...)
	p, err := rocketmq.NewProducer(all...)
	must(err)
	must(p.Start())
	c.closers = append(c.closers, func() { _ = p.Shutdown() })
	return p
}

// listener is what the application does with a batch; nil means success.
type listener func(ctx context.Context, messages []*primitive.MessageExt) consumer.ConsumeResult

type pushConsumer struct {
	rocketmq.PushConsumer
	received *received
}

// startPush starts a push consumer which notes what it gets before it asks the listener.
func (c *testCase) startPush(group, topic, tags string, listen listener, options ...consumer.Option) *pushConsumer {
	return c.startSelecting(group, topic, consumer.MessageSelector{Type: consumer.TAG, Expression: tags}, listen, options...)
}

// startSelecting is startPush with any kind of selector.
func (c *testCase) startSelecting(
	group, topic string, selector consumer.MessageSelector, listen listener, options ...consumer.Option,
) *pushConsumer {
	all := append([]consumer.Option{
		consumer.WithNsResolver(c.resolver()),
		consumer.WithGroupName(group),
		consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset),
	}, options...)
	result := &pushConsumer{received: &received{}}
	c.retried("started", func() error {
		// A consumer that did not start cannot be started again.
		p, err := rocketmq.NewPushConsumer(append(all, consumer.WithInstance(freshInstance()))...)
		must(err)
		must(p.Subscribe(topic, selector,
			func(ctx context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
				result.received.add(messages)
				if listen != nil {
					return listen(ctx, messages), nil
				}
				return consumer.ConsumeSuccess, nil
			}))
		result.PushConsumer = p
		return p.Start()
	})
	c.closers = append(c.closers, func() { _ = result.Shutdown() })
	return result
}

func (c *testCase) pullConsumer(group, topic, tags string) rocketmq.PullConsumer {
	var started rocketmq.PullConsumer
	c.retried("started", func() error {
		p, err := rocketmq.NewPullConsumer(
			consumer.WithNsResolver(c.resolver()),
			consumer.WithInstance(freshInstance()),
			consumer.WithGroupName(group),
			consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset))
		must(err)
		must(p.Subscribe(topic, consumer.MessageSelector{Type: consumer.TAG, Expression: tags}))
		started = p
		return p.Start()
	})
	c.closers = append(c.closers, func() { _ = started.Shutdown() })
	return started
}

// sendSome sends small messages with keys PREFIX-0, PREFIX-1, … and returns the keys.
func (c *testCase) sendSome(p rocketmq.Producer, topic, prefix string, count int) []string {
	var keys []string
	for i := 0; i < count; i++ {
		key := fmt.Sprintf("%s-%d", prefix, i)
		c.sendOk(p, message(topic, key, "body of "+key))
		keys = append(keys, key)
	}
	return keys
}

func message(topic, key, body string) *primitive.Message {
	return primitive.NewMessage(topic, []byte(body)).WithKeys([]string{key})
}

func (c *testCase) sendOk(p rocketmq.Producer, m *primitive.Message) *primitive.SendResult {
	var result *primitive.SendResult
	c.retried("sent "+m.GetKeys(), func() (err error) {
		result, err = p.SendSync(context.Background(), m)
		return err
	})
	equal(primitive.SendOK, result.Status, "send status")
	return result
}

// awaitCommitted waits until the broker knows that the group has consumed so many messages; with kills all that there are, as some
// may have been sent again.
func (c *testCase) awaitCommitted(group, topic string, queues int, sum int64) {
	c.until(fmt.Sprintf("%s has committed %d", group, sum), soon, func() bool { return c.hasCommitted(group, topic, queues, sum) })
}

func (c *testCase) hasCommitted(group, topic string, queues int, sum int64) bool {
	committed, err := committedSum(c.namesrv, group, topic, queues)
	if err != nil || !killsAreOn {
		return err == nil && committed == sum
	}
	stored, err := maxSum(c.namesrv, topic, queues)
	return err == nil && committed >= sum && committed == stored
}

// awaitPersisted gives a broker that persists offsets only now and then the time to do so before a kill.
func (c *testCase) awaitPersisted(group, topic string, sum int64) {
	if c.env.offsets != "persisted" {
		return
	}
	entry := regexp.MustCompile(regexp.QuoteMeta(`"`+topic+"@"+group+`"`) + `\s*:\s*\{([^}]*)\}`)
	pair := regexp.MustCompile(`"?\d+"?\s*:\s*(\d+)`)
	c.until("offsets on disk", soon, func() bool {
		json, err := os.ReadFile(filepath.Join(c.dir, "store/config/consumerOffset.json"))
		if err != nil {
			return false
		}
		found := entry.FindSubmatch(json)
		if found == nil {
			return false
		}
		var persisted int64
		for _, match := range pair.FindAllSubmatch(found[1], -1) {
			offset, _ := strconv.ParseInt(string(match[1]), 10, 64)
			persisted += offset
		}
		return persisted == sum
	})
}
