package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// usage is what the stack has used by a moment, or between two.
type usage struct {
	readUnits, writeUnits float64 // of DynamoDB
	taken, refused        float64 // posts to connections: taken, and answered 429, which may be tried again
	functions             float64 // milliseconds that they worked
	timeouts, errors      float64 // of functions; an error is also a timeout
	connections           float64 // over TCP, new
	messages              float64 // sent to the lanes' queue
	fanouts, fanoutTime   float64 // batches of fan-out, and milliseconds that they took
	pushes                float64 // invocations of the function that pushes to lanes
}

// usage reads the stack's own counts.
func (s *stackProcess) usage(ctx context.Context) (usage, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+"/_localstack/usage", nil)
	if err != nil {
		return usage{}, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return usage{}, err
	}
	defer response.Body.Close()
	var counts counts
	if err := json.NewDecoder(response.Body).Decode(&counts); err != nil {
		return usage{}, fmt.Errorf("read usage: %w", err)
	}
	_, err = io.Copy(io.Discard, response.Body) // or the next call would need a new connection, which counts
	return counts.usage(), err
}

// counts are those of the stack, as far as they are printed.
type counts struct {
	DynamoDB struct {
		Tables map[string]map[string]struct{ ReadCapacityUnits, WriteCapacityUnits float64 }
	}
	APIGateway struct{ Posts map[string]float64 } // by HTTP status
	Lambda     struct {
		Functions map[string]struct{ Invocations, Errors, Timeouts, DurationMS float64 }
	}
	SQS struct {
		Queues map[string]struct{ Sent float64 }
	}
	TCPConnections float64
}

func (c counts) usage() usage {
	u := usage{taken: c.APIGateway.Posts["200"], refused: c.APIGateway.Posts["429"], connections: c.TCPConnections,
		messages: c.SQS.Queues["PushesQueue.fifo"].Sent, pushes: c.Lambda.Functions["Push"].Invocations,
		fanouts: c.Lambda.Functions["Fanout"].Invocations, fanoutTime: c.Lambda.Functions["Fanout"].DurationMS}
	for _, operations := range c.DynamoDB.Tables {
		for _, operation := range operations {
			u.readUnits += operation.ReadCapacityUnits
			u.writeUnits += operation.WriteCapacityUnits
		}
	}
	for _, f := range c.Lambda.Functions {
		u.functions += f.DurationMS
		u.timeouts += f.Timeouts
		u.errors += f.Errors
	}
	return u
}

// times multiplies all counts.
func (u usage) times(n float64) usage {
	return usage{
		readUnits: n * u.readUnits, writeUnits: n * u.writeUnits, taken: n * u.taken, refused: n * u.refused,
		functions: n * u.functions, timeouts: n * u.timeouts, errors: n * u.errors,
		connections: n * u.connections, messages: n * u.messages, fanouts: n * u.fanouts, fanoutTime: n * u.fanoutTime, pushes: n * u.pushes,
	}
}

// without takes another usage off. No count gets below 0.
func (u usage) without(o usage) usage {
	less := func(a, b float64) float64 { return max(0, a-b) }
	return usage{
		readUnits: less(u.readUnits, o.readUnits), writeUnits: less(u.writeUnits, o.writeUnits), taken: less(u.taken, o.taken),
		refused: less(u.refused, o.refused), functions: less(u.functions, o.functions),
		timeouts: less(u.timeouts, o.timeouts), errors: less(u.errors, o.errors), connections: less(u.connections, o.connections),
		messages: less(u.messages, o.messages), fanouts: less(u.fanouts, o.fanouts), fanoutTime: less(u.fanoutTime, o.fanoutTime), pushes: less(u.pushes, o.pushes),
	}
}

func (u usage) String() string {
	return fmt.Sprintf("%.0f read units, %.0f write units, %.0f posts taken and %.0f refused, %.0f ms of functions",
		u.readUnits, u.writeUnits, u.taken, u.refused, u.functions)
}
