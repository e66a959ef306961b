package main

import (
	"hash/fnv"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"
)

// With -kills each scenario has its broker killed (-9) and started again in its midst: at one of the moments that it passes on its way,
// which are its calls (retried) and the looks of until. The seed says at which. What is checked is weaker then where a kill may change
// it: a message may come twice, also as it was sent again; what has no answer may be lost, and is sent again. Nothing that was
// acknowledged is lost, early, or passed over.

const (
	// Scenarios pass more; where one ends before its moment, it runs again with an earlier one.
	firstMoments = 60
	// Each scenario waits for the kills of others, too.
	sideBySideKilled = 10
	// Brokers are killed again and again: nothing is due sooner.
	soonWithKills = 150 * time.Second
)

// kill is when one run of a scenario has its broker killed.
type kill struct {
	at     int64
	passed atomic.Int64
}

var (
	killing sync.Mutex
	// killsAreOn: see above.
	killsAreOn bool
)

// moment is one at which the broker may be killed.
func (c *testCase) moment() {
	if c.kill == nil || c.kill.passed.Add(1) != c.kill.at {
		return
	}
	killing.Lock()
	defer killing.Unlock()
	c.restartBroker("kill")
}

// runKilled runs a scenario with a kill in its midst.
func runKilled(env *environment, s scenario) error {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(s.name))
	random := rand.New(rand.NewPCG(uint64(env.kills), hash.Sum64()))
	for moments := int64(firstMoments); ; {
		c := newCase(env, s.name)
		c.kill = &kill{at: 1 + random.Int64N(moments)}
		err := runCase(c, s)
		passed := c.kill.passed.Load()
		if err != nil || passed >= c.kill.at {
			return err
		}
		check(passed > 0, "%s has no moment to be killed at", s.name)
		moments = passed
	}
}

// retried is a call that may fail while the broker is away, and is made again then.
func (c *testCase) retried(what string, call func() error) {
	c.moment()
	if !killsAreOn {
		must(call())
		return
	}
	var err error
	check(c.within(soonWithKills, func() bool { err = call(); return err == nil }), "%s: %v", what, err)
}

// times: so often, or more often where kills let things be done twice.
func times(expected, actual int, what string) {
	check(actual == expected || killsAreOn && actual > expected, "%s: expected %d times, got %d", what, expected, actual)
}

// oneWith is the message that has this id, or, without kills, the only one.
func oneWith(id string, messages []*primitive.MessageExt) *primitive.MessageExt {
	at := slices.IndexFunc(messages, func(m *primitive.MessageExt) bool { return m.MsgId == id })
	check(at >= 0, "no message with id %s among %d", id, len(messages))
	times(1, len(messages), "message with id "+id)
	return messages[at]
}

// firsts leaves out what comes again.
func firsts(all []string) []string {
	var result []string
	for _, one := range all {
		if !slices.Contains(result, one) {
			result = append(result, one)
		}
	}
	return result
}

// restartBroker stops the broker with SIGTERM ("clean") or SIGKILL ("kill") and starts it again.
func (c *testCase) restartBroker(how string) {
	command := exec.Command(c.env.servers, "restart-broker", c.dir, how)
	command.Stderr = os.Stderr
	must(command.Run())
}
