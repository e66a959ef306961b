package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"time"
)

// The Go library offers no way to ask for a route's broker or a committed offset,
// so these few questions are asked by hand: 4 bytes length, 4 bytes header length, JSON, body.

const (
	queryConsumerOffset = 14
	maxOffset           = 30
	minOffset           = 31
	routeByTopic        = 105
	timeout             = 5 * time.Second
	languageGo          = "GO"
)

type header struct {
	Code      int               `json:"code"`
	Language  string            `json:"language"`
	Version   int               `json:"version"`
	Opaque    int               `json:"opaque"`
	Flag      int               `json:"flag"`
	Remark    string            `json:"remark"`
	ExtFields map[string]string `json:"extFields"`
}

func ask(address string, code int, fields map[string]string) (header, []byte, error) {
	var reply header
	connection, err := net.DialTimeout("tcp", address, timeout)
	if err != nil {
		return reply, nil, err
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(timeout))
	encoded, err := json.Marshal(header{Code: code, Language: languageGo, Version: 317, Opaque: 1, ExtFields: fields})
	if err != nil {
		return reply, nil, err
	}
	frame := binary.BigEndian.AppendUint32(nil, uint32(4+len(encoded)))
	frame = binary.BigEndian.AppendUint32(frame, uint32(len(encoded)))
	if _, err = connection.Write(append(frame, encoded...)); err != nil {
		return reply, nil, err
	}
	var lengths [8]byte
	if _, err = io.ReadFull(connection, lengths[:]); err != nil {
		return reply, nil, err
	}
	total := binary.BigEndian.Uint32(lengths[:4])
	headerLength := binary.BigEndian.Uint32(lengths[4:]) & 0xFFFFFF
	if total > 1<<24 || headerLength > total-4 {
		return reply, nil, fmt.Errorf("reply of %d bytes with a header of %d", total, headerLength)
	}
	rest := make([]byte, total-4)
	if _, err = io.ReadFull(connection, rest); err != nil {
		return reply, nil, err
	}
	err = json.Unmarshal(rest[:headerLength], &reply)
	return reply, rest[headerLength:], err
}

var masterAddress = regexp.MustCompile(`"brokerAddrs"\s*:\s*\{\s*"?0"?\s*:\s*"([^"]+)"`)

// brokerOf returns the address of the master that has the topic.
func brokerOf(namesrv, topic string) (string, error) {
	reply, body, err := ask(namesrv, routeByTopic, map[string]string{"topic": topic})
	if err != nil {
		return "", err
	}
	// The map's integer key stands without quotes, which Go's JSON reader does not accept.
	found := masterAddress.FindSubmatch(body)
	if reply.Code != 0 || found == nil {
		return "", fmt.Errorf("no route of %s: code %d %s", topic, reply.Code, reply.Remark)
	}
	return string(found[1]), nil
}

// maxSum adds up how many messages the queues of the topic were given.
func maxSum(namesrv, topic string, queues int) (int64, error) {
	broker, err := brokerOf(namesrv, topic)
	if err != nil {
		return 0, err
	}
	var sum int64
	for queue := 0; queue < queues; queue++ {
		offset, err := queueOffset(broker, maxOffset, topic, queue)
		if err != nil {
			return 0, err
		}
		sum += offset
	}
	return sum, nil
}

// committedSum adds up the group's committed offsets; queues without one count as 0.
func committedSum(namesrv, group, topic string, queues int) (int64, error) {
	broker, err := brokerOf(namesrv, topic)
	if err != nil {
		return 0, err
	}
	var sum int64
	for queue := 0; queue < queues; queue++ {
		reply, _, err := ask(broker, queryConsumerOffset, map[string]string{
			"consumerGroup": group, "topic": topic, "queueId": strconv.Itoa(queue), "setZeroIfNotFound": "false",
		})
		if err != nil {
			return 0, err
		}
		if reply.Code != 0 {
			continue
		}
		offset, err := strconv.ParseInt(reply.ExtFields["offset"], 10, 64)
		if err != nil {
			return 0, err
		}
		sum += offset
	}
	return sum, nil
}

// queueMin returns the smallest offset that queue 0 of the topic still has.
func queueMin(namesrv, topic string) (int64, error) {
	broker, err := brokerOf(namesrv, topic)
	if err != nil {
		return 0, err
	}
	return queueOffset(broker, minOffset, topic, 0)
}

func queueOffset(broker string, code int, topic string, queue int) (int64, error) {
	reply, _, err := ask(broker, code, map[string]string{"topic": topic, "queueId": strconv.Itoa(queue)})
	if err != nil {
		return 0, err
	}
	if reply.Code != 0 {
		return 0, errors.New(reply.Remark)
	}
	return strconv.ParseInt(reply.ExtFields["offset"], 10, 64)
}
