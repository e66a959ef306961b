package main

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"
)

// soon bounds anything that should happen at once: long enough for a loaded 2-core machine,
// and for a client which asks the name server every 30 s only.
const soon = 90 * time.Second

// Checks panic; the runner turns that into a failed scenario.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

func check(condition bool, format string, arguments ...any) {
	if !condition {
		panic(fmt.Sprintf(format, arguments...))
	}
}

func equal[T comparable](expected, actual T, what string) {
	check(expected == actual, "%s: expected %v, got %v", what, expected, actual)
}

// until waits for a condition, never for time.
func (c *testCase) until(what string, bound time.Duration, condition func() bool) {
	if killsAreOn {
		bound = max(bound, soonWithKills)
	}
	check(c.within(bound, condition), "not within %v: %s", bound, what)
}

// within says whether the condition comes true in this time.
func (c *testCase) within(bound time.Duration, condition func() bool) bool {
	deadline := time.Now().Add(bound)
	for {
		c.moment()
		if condition() {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// received collects what one consumer was given, in that order. A message is told by its keys.
type received struct {
	mutex    sync.Mutex
	messages []*primitive.MessageExt
}

func (r *received) add(messages []*primitive.MessageExt) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.messages = append(r.messages, messages...)
}

func (r *received) all() []*primitive.MessageExt {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return append([]*primitive.MessageExt(nil), r.messages...)
}

func (r *received) clear() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.messages = nil
}

func (r *received) byKey(key string) []*primitive.MessageExt {
	var found []*primitive.MessageExt
	for _, m := range r.all() {
		if m.GetKeys() == key {
			found = append(found, m)
		}
	}
	return found
}

// awaitExactly waits until the receivers together have all of these, and checks that there is
// nothing else and nothing twice.
func (c *testCase) awaitExactly(expected []string, receivers ...*received) {
	c.awaitAll(expected, receivers...)
	counts := countsOf(receivers)
	for _, key := range expected {
		if counts[key] == 1 || killsAreOn {
			delete(counts, key)
		}
	}
	var surplus []string
	for key, n := range counts {
		surplus = append(surplus, fmt.Sprintf("%s ×%d", key, n))
	}
	sort.Strings(surplus)
	check(len(surplus) == 0, "received more than once, or without being expected: %s", strings.Join(surplus, ", "))
}

// awaitAnew is awaitExactly for receivers that were cleared: with kills, what they were given before may come again.
func (c *testCase) awaitAnew(expected []string, receivers ...*received) {
	if killsAreOn {
		c.awaitAll(expected, receivers...)
	} else {
		c.awaitExactly(expected, receivers...)
	}
}

func (c *testCase) awaitAll(expected []string, receivers ...*received) {
	c.until(fmt.Sprintf("all %d messages are received", len(expected)), soon, func() bool {
		counts := countsOf(receivers)
		return !slices.ContainsFunc(expected, func(key string) bool { return counts[key] == 0 })
	})
}

// countsOf says how often each key was received.
func countsOf(receivers []*received) map[string]int {
	counts := map[string]int{}
	for _, r := range receivers {
		for _, m := range r.all() {
			counts[m.GetKeys()]++
		}
	}
	return counts
}
