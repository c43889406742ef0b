package fault

import (
	"encoding/json"
	"strings"
)

// standing names how far a destination has come in a topic. It is a row of the table of destinations,
// and a message of the queue of deliveries names it.
type standing struct{ destination, topic string }

// standingIn gives the standing that the body of a queue's message names; ok is false for another
// message.
func standingIn(body string) (s standing, ok bool) {
	var ref struct{ Destination, Topic string }
	if json.Unmarshal([]byte(body), &ref) != nil || ref.Destination == "" {
		return standing{}, false
	}
	return standing{ref.Destination, ref.Topic}, true
}

// stepOf is what an UpdateItem does with a standing.
type stepOf int

const (
	nothing stepOf = iota
	begins         // a delivery takes the mark away and has the next generation
	goesOn         // a delivery writes, if nobody has begun since
	marks          // somebody says that a message is waiting
)

// stepIn reads an UpdateItem; the step is nothing for one that is not of a delivery.
func stepIn(body []byte) (standing, stepOf) {
	var request struct {
		Key                                   struct{ Destination, Topic struct{ S string } }
		UpdateExpression, ConditionExpression string
	}
	_ = json.Unmarshal(body, &request) // the operation refuses what cannot be read
	s := standing{request.Key.Destination.S, request.Key.Topic.S}
	switch {
	case s.destination == "":
		return s, nothing
	case strings.Contains(request.UpdateExpression, "REMOVE #waiting ADD #generation"):
		return s, begins
	case strings.HasPrefix(request.ConditionExpression, "#generation = "):
		return s, goesOn
	case strings.HasPrefix(request.ConditionExpression, "attribute_not_exists(#waiting)"):
		return s, marks
	}
	return s, nothing
}

// step carries out a write of a delivery, or of who wakes one.
func (f *Faults) step(c *Caller, of standing, step stepOf, operation func() (any, error)) (any, error) {
	f.seen.stepping(c.Process, of, step)
	result, err := operation()
	if err == nil {
		f.seen.stepped(c.Process, of, step)
	}
	return result, err
}

// stepping takes in that a process is about to update a standing.
func (s *seen) stepping(process string, of standing, step stepOf) {
	if step != goesOn {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if latest := s.begun[of]; latest != "" && latest != process {
		s.countLocked(OvertakenDelivery)
	}
}

// stepped takes in that it has.
func (s *seen) stepped(process string, of standing, step stepOf) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch step {
	case begins:
		if s.begun == nil {
			s.begun = map[standing]string{}
		}
		s.begun[of] = process
	case marks:
		if s.begun[of] != process && s.delivers(of) {
			s.countLocked(WokenMeanwhile)
		}
	}
}

// delivers reports whether a process is at work on a standing. The lock is held.
func (s *seen) delivers(of standing) bool {
	for _, b := range s.running {
		if b.standings[of] && b.Runs() {
			return true
		}
	}
	return false
}
