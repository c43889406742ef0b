package fault

import (
	"encoding/json"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/apigateway"
)

// longestOvertaking is the most that Overtake lets a message wait.
const longestOvertaking = 300 * time.Millisecond

// Receiving is API Gateway's Receiving: DropSocket.
func (f *Faults) Receiving() apigateway.Fate {
	if f.Hit(DropSocket) {
		return apigateway.Cut
	}
	return apigateway.Arrives
}

// Sending is API Gateway's Sending: LoseFrame and DropSocket.
func (f *Faults) Sending() apigateway.Fate {
	switch {
	case f.Hit(LoseFrame):
		return apigateway.Lost
	case f.Hit(DropSocket):
		return apigateway.Cut
	}
	return apigateway.Arrives
}

// NoDisconnect is API Gateway's NoDisconnect: the fault of that name.
func (f *Faults) NoDisconnect() bool { return f.Hit(NoDisconnect) }

// Passing is API Gateway's Passing: Overtake.
func (f *Faults) Passing(connection, body string) apigateway.Passage {
	var request struct{ Topic string }
	_ = json.Unmarshal([]byte(body), &request) // what is no request has no topic
	r := route{connection, request.Topic}
	p := &passage{f: f, route: r, number: f.seen.arrived(r)}
	if f.Hit(Overtake) {
		p.wait = f.Duration(Overtake, 0, longestOvertaking)
	}
	return p
}

// passage is a message on its way to its function.
type passage struct {
	f      *Faults
	route  route
	number int // among those of its route
	wait   time.Duration
}

// Wait lets the message wait for its turn.
func (p *passage) Wait() {
	time.Sleep(p.wait)
	p.f.seen.passed(p.route, p.number)
}

// Ended takes in that the function has answered.
func (p *passage) Ended() { p.f.seen.ended(p.route, p.number) }

// route is what messages have in common that must keep their order.
type route struct{ connection, topic string }

// messages are those of a route that are under way.
type messages struct {
	open    int // how many
	arrived int // there were, counted from the first of those that are under way
	ended   int // the number of the latest that has ended
}

func (s *seen) arrived(r route) (number int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.messages == nil {
		s.messages = map[route]*messages{}
	}
	m := s.messages[r]
	if m == nil {
		m = &messages{}
		s.messages[r] = m
	}
	m.open++
	m.arrived++
	return m.arrived
}

func (s *seen) passed(r route, number int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.topic != "" && s.messages[r].ended > number {
		s.countLocked(Overtaken)
	}
}

func (s *seen) ended(r route, number int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.messages[r]
	m.ended = max(m.ended, number)
	if m.open--; m.open == 0 {
		delete(s.messages, r)
	}
}
