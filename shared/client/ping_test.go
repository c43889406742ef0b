package client_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/client"
)

// gaps gives the times between what came at some times.
func gaps(times []time.Time) (gaps []time.Duration) {
	for i := 1; i < len(times); i++ {
		gaps = append(gaps, times[i].Sub(times[i-1]))
	}
	return gaps
}

// within reports whether a time is an interval of which up to a tenth is taken off.
func within(gap, interval time.Duration) bool { return gap >= interval*9/10 && gap <= interval }

// TestFailedPingsComeNoFasterThanGoodOnes, whatever they fail with.
func TestFailedPingsComeNoFasterThanGoodOnes(t *testing.T) {
	for name, failure := range map[string]func(t *testing.T) func(answer *[]byte, in string){
		"too many requests": func(t *testing.T) func(*[]byte, string) {
			return answering(t, events.ActionPing, events.CodeTooManyRequests)
		},
		"unavailable": func(t *testing.T) func(*[]byte, string) {
			return answering(t, events.ActionPing, events.CodeUnavailable)
		},
		"API Gateway's own error": func(*testing.T) func(*[]byte, string) {
			return func(answer *[]byte, in string) {
				if strings.Contains(in, `"ping"`) {
					time.Sleep(time.Millisecond) // so that it comes after the ping
					*answer = []byte(`{"message": "Internal server error", "connectionId":"c", "requestId":"r"}`)
				}
			}
		},
		"no answer": func(*testing.T) func(*[]byte, string) {
			return func(answer *[]byte, in string) {
				if strings.Contains(in, `"ping"`) {
					*answer = nil
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *service) {
				s.alter = failure(t)
				c := s.dial(t, client.Options{})
				w := follow(t, c, topic, client.WatchOptions{}, nil)
				for n := range 24 * 10 { // so that the connection is seen to be alive
					s.put(topic, fmt.Sprint(n), `{}`)
					settle(6 * time.Second)
				}
				pings := s.sentAt(t, events.ActionPing)
				for _, gap := range gaps(pings) {
					if !within(gap, 2*time.Minute) {
						t.Errorf("a ping %v after the one before", gap)
					}
				}
				if len(pings) < 11 || c.Stats().Connections != 1 {
					t.Errorf("%d pings in 24 minutes, stats %+v", len(pings), c.Stats())
				}
				w.saw(t, 1, 240)
			})
		})
	}
}

// TestPingsBecomeRare while nothing is missing, also if nothing is watched, but never so
// rare that API Gateway would cut the connection.
func TestPingsBecomeRare(t *testing.T) {
	for name, begin := range map[string]func(t *testing.T, c *client.Client){
		"nothing is watched":   func(*testing.T, *client.Client) {},
		"a topic is watched":   func(t *testing.T, c *client.Client) { follow(t, c, topic, client.WatchOptions{}, nil) },
		"a pattern is watched": func(t *testing.T, c *client.Client) { gather(t, c, client.WatchOptions{}) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *service) {
				s.put(topic, "i", `{}`)
				begin(t, s.dial(t, client.Options{}))
				settle(100 * time.Minute)
				want := []time.Duration{2, 3, 4.5 * 60, 6.75 * 60, 8, 8, 8}
				for i, gap := range gaps(s.sentAt(t, events.ActionPing)) {
					interval := want[min(i, len(want)-1)]
					if interval *= time.Second; interval < time.Minute {
						interval *= 60
					}
					if !within(gap, interval) {
						t.Errorf("gap %d is %v, want %v", i, gap, interval)
					}
				}
				if pings := len(s.sent(t, events.ActionPing)); pings < 13 || pings > 17 {
					t.Errorf("%d pings", pings)
				}
				if closed := s.gateway.Usage().Connections.Closed; len(closed) != 0 {
					t.Errorf("connections closed: %v", closed)
				}
			})
		})
	}
}

// TestPingsComeSoonerAgain when something was missing.
func TestPingsComeSoonerAgain(t *testing.T) {
	for name, disturb := range map[string]func(s *service){
		"nothing happens": func(*service) {},
		"the last change is lost": func(s *service) {
			s.number(topic, events.Added, "lost", `{}`)
		},
		"a change on the way is lost": func(s *service) {
			s.number(topic, events.Added, "lost", `{}`)
			s.put(topic, "next", `{}`)
		},
		"the connection is lost": func(s *service) { s.cut() },
		"the subscription is lost": func(s *service) {
			s.set(func() {
				for _, topics := range s.connections {
					clear(topics)
				}
			})
		},
		"a new topic's only change is lost": func(s *service) {
			s.number("bonds/new", events.Added, "lost", `{}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *service) {
				c := s.dial(t, client.Options{})
				follow(t, c, topic, client.WatchOptions{}, nil)
				follow(t, c, "bonds/*", client.WatchOptions{}, nil)
				settle(time.Hour)
				before := len(s.sent(t, events.ActionPing))
				disturb(s)
				settle(14 * time.Minute)
				pings := s.sentAt(t, events.ActionPing)
				if last := pings[before-1].Sub(pings[before-2]); !within(last, 8*time.Minute) {
					t.Errorf("before, a ping came %v after the one before", last)
				}
				after := gaps(pings[before-1:])
				soon := slices.ContainsFunc(after, func(gap time.Duration) bool { return within(gap, 2*time.Minute) })
				if soon == (name == "nothing happens") {
					t.Errorf("after it, pings came %v after each other", after)
				}
			})
		})
	}
}

// TestLostLastChangeIsFoundInTime, which is the longest interval.
func TestLostLastChangeIsFoundInTime(t *testing.T) {
	for name, c := range map[string]struct {
		o       client.Options
		longest time.Duration
	}{
		"by default":             {client.Options{}, 8 * time.Minute},
		"as long as is wanted":   {client.Options{MaxPingInterval: 3 * time.Minute}, 3 * time.Minute},
		"four times the first":   {client.Options{PingInterval: 10 * time.Second}, 40 * time.Second},
		"no shorter than it was": {client.Options{PingInterval: 5 * time.Minute, MaxPingInterval: time.Minute}, 5 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *service) {
				w := follow(t, s.dial(t, c.o), topic, client.WatchOptions{}, nil)
				settle(time.Hour)
				times := gaps(s.sentAt(t, events.ActionPing))
				if last := times[len(times)-1]; !within(last, c.longest) {
					t.Errorf("a ping %v after the one before, want %v", last, c.longest)
				}
				s.number(topic, events.Added, "lost", `{}`)
				settle(c.longest)
				w.saw(t, 1, 1)
			})
		})
	}
}

// TestTokenIsRenewedThoughPingsAreRare, as only an answer warns that it expires.
func TestTokenIsRenewedThoughPingsAreRare(t *testing.T) {
	for _, life := range []time.Duration{23 * time.Minute, 31 * time.Minute} {
		t.Run(fmt.Sprint(life), func(t *testing.T) {
			bubble(t, func(t *testing.T, s *service) {
				c := s.dial(t, client.Options{Token: s.issue(watching(t), life)})
				follow(t, c, topic, client.WatchOptions{}, nil)
				settle(100 * time.Minute)
				lives := int(100 * time.Minute / life)
				if st, shown := c.Stats(), s.tokensShown(); st.Connections != 1 || len(shown) <= lives || len(shown) > lives+2 {
					t.Errorf("shown %v, stats %+v", shown, st)
				}
			})
		})
	}
}

// TestMissingIsAskedForLaterEachTime as long as nothing of it comes, and at once again when
// something has.
func TestMissingIsAskedForLaterEachTime(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		w := follow(t, s.dial(t, client.Options{}), topic, client.WatchOptions{}, nil)
		losing := func(seqs ...string) {
			s.set(func() {
				s.lose = func(frame string) bool {
					return slices.ContainsFunc(seqs, func(seq string) bool { return strings.Contains(frame, `"seq":`+seq+`,`) })
				}
			})
		}
		large := `{"text":"` + strings.Repeat("x", events.MeteredBytes) + `"}`
		losing("2", "4")
		s.put(topic, "1", `{}`)
		s.number(topic, events.Added, "2", large) // in a frame of its own
		s.put(topic, "3", `{}`)
		s.number(topic, events.Added, "4", large)
		s.put(topic, "5", `{}`)
		settle(10 * time.Minute)
		asked := len(s.sent(t, events.ActionPing))
		if asked < 15 || asked > 60 {
			t.Errorf("asked %d times in 10 minutes", asked)
		}
		w.saw(t, 1, 1)
		losing("4")
		for range 310 {
			if settle(100 * time.Millisecond); len(w.seqs) == 3 {
				break
			}
		}
		w.saw(t, 1, 3)
		asked = len(s.sent(t, events.ActionPing))
		settle(5 * time.Second)
		if again := len(s.sent(t, events.ActionPing)) - asked; again < 2 || again > 8 {
			t.Errorf("asked %d times in 5 seconds for what is missing since then", again)
		}
	})
}

// slowly has each answer to a ping take a while, and one frame of changes come before it.
func (s *service) slowly(also func()) {
	s.set(func() {
		s.brings = 1
		s.alter = func(_ *[]byte, in string) {
			if strings.Contains(in, `"ping"`) {
				time.Sleep(10 * time.Millisecond)
				also()
			}
		}
	})
}

// TestRestIsAskedForAtOnce if an answer has brought a part of what is missing.
func TestRestIsAskedForAtOnce(t *testing.T) {
	for name, each := range map[string]time.Duration{"quick consumer": 0, "slow consumer": 100 * time.Microsecond} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *service) {
				w := follow(t, s.dial(t, client.Options{Buffer: 300}), topic, client.WatchOptions{}, func() { time.Sleep(each) })
				const changes = 1_500
				for n := range changes - 1 {
					s.number(topic, events.Added, fmt.Sprint(n), `{"text":"`+strings.Repeat("x", 200)+`"}`)
				}
				s.slowly(func() {})
				s.put(topic, "last", `{}`) // it shows that the others are missing
				settle(2 * time.Second)
				w.saw(t, 1, changes)
				if asked := len(s.sent(t, events.ActionPing)); asked < 10 || asked > 30 {
					t.Errorf("asked %d times", asked)
				}
			})
		})
	}
}

// TestTopicThatAnAnswerDoesNotReach is asked for without the topic before it, of which
// more is missing than ever comes, also if both are due together, as the client is paced.
func TestTopicThatAnAnswerDoesNotReach(t *testing.T) {
	for name, others := range map[string]int{"unpaced": 0, "paced": 3} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *service) {
				c := s.dial(t, client.Options{MaxBackoff: time.Second})
				first, second := follow(t, c, "a", client.WatchOptions{}, nil), follow(t, c, "b", client.WatchOptions{}, nil)
				more := func() {
					for n := range 70 {
						s.number("a", events.Added, fmt.Sprint(n), `{"text":"`+strings.Repeat("x", 300)+`"}`)
					}
				}
				for range 10 {
					more()
				}
				s.number("b", events.Added, "1", `{}`)
				s.number("b", events.Added, "2", `{}`)
				s.put("a", "last", `{}`)
				s.put("b", "last", `{}`)
				s.slowly(more)
				alter := s.alter
				s.set(func() {
					s.alter = func(answer *[]byte, in string) {
						if alter(answer, in); strings.Contains(in, `"c/`) {
							answering(t, events.ActionSubscribe, events.CodeTooManyRequests)(answer, in)
						}
					}
				})
				for n := range others {
					follow(t, c, events.Topic(fmt.Sprint("c/", n)), client.WatchOptions{}, nil)
				}
				settle(time.Duration(1+2*others) * 1550 * time.Millisecond) // HoleTime twice, the first back-off, two answers
				second.saw(t, 1, 3)
				if len(first.seqs) < 140 {
					t.Errorf("a shows %d changes", len(first.seqs))
				}
				s.set(func() { s.alter = nil })
			})
		})
	}
}

// longTopics are so long, and so many, that no frame holds the cursors of all.
func longTopics() (all []events.Topic) {
	for n := range events.MaxCursors {
		name := fmt.Sprintf("stocks/%03d", n)
		all = append(all, events.Topic(name+strings.Repeat("x", events.MaxTopicBytes-len(name))))
	}
	return all
}

// TestPingsAreCutByBytes: of 500 long topics, all stay subscribed, and what is lost of any of
// them is found.
func TestPingsAreCutByBytes(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		c := s.dial(t, client.Options{})
		w := gather(t, c, client.WatchOptions{})
		for _, topic := range longTopics() {
			s.put(topic, "i", `{}`)
		}
		for _, topic := range longTopics() {
			s.number(topic, events.Added, "lost", `{}`)
		}
		settle(2*time.Minute + time.Second)
		for _, topic := range longTopics() {
			if got := fmt.Sprint(w.seqs[topic]); got != "[1 2]" {
				t.Errorf("%.12s shows %s", topic, got)
			}
		}
		settle(20 * time.Minute)
		pings := s.sent(t, events.ActionPing)
		for _, r := range pings {
			frame, err := json.Marshal(r)
			if err != nil || len(frame) > events.MaxFrameBytes/2+1000 {
				t.Errorf("ping of %d bytes, %v", len(frame), err)
			}
		}
		if st := c.Stats(); st.Connections != 1 || len(s.sent(t, events.ActionSubscribe)) != 1 || len(pings) > 40 {
			t.Errorf("stats %+v, %d subscribes, %d pings", st, len(s.sent(t, events.ActionSubscribe)), len(pings))
		}
	})
}

// TestTopicLeftOutOfAPongForSize is not taken for one that is not subscribed: it is asked
// for again.
func TestTopicLeftOutOfAPongForSize(t *testing.T) {
	for name, left := range map[string]events.Topic{"topic": "bonds", "topic of the pattern": "stocks/a", "pattern": all} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *service) {
				c := s.dial(t, client.Options{})
				s.put("stocks/a", "1", `{}`)
				bonds, w := follow(t, c, "bonds", client.WatchOptions{}, nil), gather(t, c, client.WatchOptions{})
				s.number("stocks/a", events.Added, "lost", `{}`)
				s.number("bonds", events.Added, "lost", `{}`)
				s.set(func() {
					s.alter = func(answer *[]byte, _ string) {
						frame, err := events.Decode(*answer)
						pong, ok := frame.(*events.Pong)
						if err != nil || !ok || len(pong.Cursors) < 2 {
							return
						}
						delete(pong.Cursors, left)
						pong.More = true
						*answer, _ = events.Encode(pong) // it has no raw JSON
					}
				})
				settle(2*time.Minute + 5*time.Second)
				expect(t, "pattern", w.told(), "a [2]")
				bonds.saw(t, 1, 1)
				settle(20 * time.Minute)
				again := 0
				for _, r := range s.sent(t, events.ActionPing) {
					if _, asked := r.Cursors[string(left)]; asked && len(r.Cursors) == 1 {
						again++
					}
				}
				if subscribes := len(s.sent(t, events.ActionSubscribe)); subscribes != 2 || again < 4 || again > 12 {
					t.Errorf("%d subscribes, asked for %s alone %d times", subscribes, left, again)
				}
			})
		})
	}
}
