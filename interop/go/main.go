// Drives rocketmq-client-go through the core scenarios of the interop suite.
//
//	go-interop -namesrv HOST:PORT -strict HOST:PORT -servers PATH -dir DIR [NAME-PREFIX...]
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2/rlog"
)

// scenario is one independent check; it fails by returning an error or by panicking.
type scenario struct {
	name string
	run  func(c *testCase) error
	// exclusive scenarios restart the broker and run alone, at the end.
	exclusive bool
	// panics: the library does, in a goroutine of its own and so with the whole program, where the broker dies while it waits for
	// the answer to an asynchronous send (2.1.2: defaultProducer.sendAsync goes on after an error).
	panics bool
}

const (
	sideBySide    = 5
	scenarioBound = 300 * time.Second
	// So many may be played once more, alone, and count by that: clients give up after their own seconds, which a
	// machine that stands still for a moment uses up. More than that is no accident.
	secondTries = 3
	// What one kill of many loses may be there the next time: a scenario with a kill, at the same moment, has to pass each time.
	triesKilled = 3
)

func scenarios() []scenario {
	var all []scenario
	for _, list := range [][]scenario{
		orderlyScenarios, consumeFromScenarios, sharingScenarios, controlScenarios, retryScenarios, timerScenarios,
		requestScenarios, traceScenarios,
		sendScenarios, pushScenarios, filterScenarios, pullScenarios, transactionScenarios, restartScenarios,
	} {
		all = append(all, list...)
	}
	return all
}

func main() {
	env := &environment{}
	flag.StringVar(&env.namesrv, "namesrv", "", "name server of the cluster under test")
	flag.StringVar(&env.strict, "strict", "", "name server of the pair that creates no topics and forgets old messages")
	flag.StringVar(&env.servers, "servers", "", "path of interop/servers, to restart the broker")
	flag.StringVar(&env.dir, "dir", "", "directory of the server pair")
	flag.StringVar(&env.strictDir, "strict-dir", "", "directory of the strict pair")
	flag.Int64Var(&env.kills, "kills", 0, "seed: each scenario has its broker killed in its midst (0: none has)")
	flag.StringVar(&env.offsets, "offsets", "acknowledged", "acknowledged | persisted: what the broker promises to keep")
	flag.Parse()
	killsAreOn = env.kills != 0
	rlog.SetLogLevel("fatal")

	var shared, exclusive []scenario
	for _, s := range scenarios() {
		switch {
		case !wanted(s.name, flag.Args()):
		case (s.exclusive || s.panics) && killsAreOn:
			// It restarts the broker itself, or cannot bear it.
		case s.exclusive:
			exclusive = append(exclusive, s)
		default:
			shared = append(shared, s)
		}
	}
	atOnce := sideBySide
	if killsAreOn {
		atOnce = sideBySideKilled
	}
	failed := append(runAll(env, shared, atOnce), runAll(env, exclusive, 1)...)
	if len(failed) <= secondTries {
		var again []scenario
		for _, s := range append(shared, exclusive...) {
			if slices.Contains(failed, s.name) {
				again = append(again, s)
			}
		}
		failed = nil
		tries := 1
		if killsAreOn {
			tries = triesKilled
		}
		for ; tries > 0; tries-- {
			for _, s := range again {
				fmt.Println("once more, alone:", s.name)
			}
			failed = append(failed, runAll(env, again, 1)...)
		}
		slices.Sort(failed)
		failed = slices.Compact(failed)
	}
	for _, name := range failed {
		fmt.Println("FAILED", name)
	}
	total := len(shared) + len(exclusive)
	fmt.Printf("%d passed, %d failed\n", total-len(failed), len(failed))
	if len(failed) > 0 || total == 0 {
		os.Exit(1)
	}
}

func wanted(name string, prefixes []string) bool {
	for _, prefix := range prefixes {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return len(prefixes) == 0
}

// runAll runs a few scenarios side by side (they mostly wait) and returns the names of those that failed.
func runAll(env *environment, list []scenario, atOnce int) []string {
	var (
		failed []string
		mutex  sync.Mutex
		group  sync.WaitGroup
		slots  = make(chan struct{}, atOnce)
	)
	for _, s := range list {
		slots <- struct{}{}
		group.Add(1)
		go func() {
			defer func() { <-slots; group.Done() }()
			start := time.Now()
			err := runBounded(env, s)
			mutex.Lock()
			defer mutex.Unlock()
			if err == nil {
				fmt.Printf("ok   %-40s %6d ms\n", s.name, time.Since(start).Milliseconds())
				return
			}
			fmt.Printf("FAIL %-40s %6d ms\n     %v\n", s.name, time.Since(start).Milliseconds(), err)
			failed = append(failed, s.name)
		}()
	}
	group.Wait()
	return failed
}

// runBounded gives up on a scenario whose client never returns.
func runBounded(env *environment, s scenario) error {
	bound := scenarioBound
	if killsAreOn {
		bound *= 2
	}
	done := make(chan error, 1)
	go func() {
		if killsAreOn {
			done <- runKilled(env, s)
		} else {
			done <- runCase(newCase(env, s.name), s)
		}
	}()
	select {
	case err := <-done:
		return err
	case <-time.After(bound):
		return fmt.Errorf("no end after %v", bound)
	}
}

// runCase turns a panic, which is how checks fail, into an error.
func runCase(c *testCase, s scenario) (err error) {
	defer c.close()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			if c.kill != nil {
				err = fmt.Errorf("killed at moment %d of %d: %w", c.kill.at, c.kill.passed.Load(), err)
			}
		}
	}()
	return s.run(c)
}
