package stack_test

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/localstack/stack"
	"github.com/watchroute/watchroute/shared/token/tokentest"
)

// The service must refuse each row of the tables in badtokens_test.go, badissuer_test.go,
// handshakes_test.go, inside_test.go, badtopics_test.go, badframes_test.go and widening_test.go. The
// answer is the documented one, and it tells nothing about what was asked for. masked_test.go has
// requests that are answered, but must not show what is masked. testdata/refusals.txtar has a story
// of each error code.

// TestNoRefusalIsThereTwice: two equal rows test one thing, and their author meant two.
func TestNoRefusalIsThereTwice(t *testing.T) {
	once := func(table string, rows ...string) {
		names := map[string]int{}
		for i, row := range rows {
			if first, twice := names[row]; twice {
				t.Errorf("%s: rows %d and %d are both %.300s", table, first, i, row)
			}
			names[row] = i
		}
	}
	f := newForger(tokentest.Secret([]byte(planted)), nil)
	forgeries := f.forgeries()
	once("tokens", slices.Collect(maps.Values(forgeries))...)
	if want := len(badClaims) + len(badGrants) + len(badRules) + len(badHeaders) + len(badTokens); len(forgeries) != want {
		t.Errorf("%d forgeries have %d names", want, len(forgeries))
	}
	topics := slices.Concat(otherTopics, slices.Collect(maps.Keys(partTopics)), wildTopics, badTopics)
	once("topics", topics...)
	once("subjects", otherSubjects...)
	once("subjects like patterns", subjectsLikePatterns...)
	once("messages inside", everyAction...)
	var handshakes, asked, frames, names, options []string
	for _, row := range badHandshakes {
		handshakes, names = append(handshakes, fmt.Sprintf("%q", []string{row.query, row.authorization, row.protocols})), append(names, row.name)
	}
	for _, row := range requests {
		asked = append(asked, row.action+" "+row.rest)
	}
	for _, row := range badFrames {
		frames, names = append(frames, row.frame), append(names, row.name)
	}
	for _, row := range badMessages {
		names = append(names, row.name)
	}
	for _, row := range badOffers {
		names = append(names, "offer: "+row.name)
	}
	for _, row := range peeks {
		options, names = append(options, row.options), append(names, row.name)
	}
	once("handshakes", handshakes...)
	once("requests", asked...)
	once("frames", frames...)
	once("options", options...)
	once("names", names...)
}

// planted is part of everything that must not be seen.
const planted = "planted5EcReT"

// ofAlice is the claim of the client that is refused.
const ofAlice = `{"v":1,"allow":[
	{"topics":["stocks/*"],"actions":["subscribe","read"]},
	{"topics":["users/{sub}/**"],"actions":["subscribe","read","publish"]},
	{"topics":["news/**"],"actions":["read"]},
	{"topics":["prices/*"],"actions":["subscribe","read"],"filter":{"public":[true]},
	 "mask":{"omit":["secret","pin","deep.secret"],"replace":{"card":"****"}}}]}`

func auth(token string) string {
	return `{"action":"auth","id":"q","token":` + quote(token) + `}`
}

// strict runs the real stack for clients with tokens, in settings of its functions that
// differ from the template's, and keeps the log. MAX_MESSAGE_RATE and MAX_SUBJECT_HOLDS are out of
// the way.
func strict(t *testing.T, change func(resources object)) (*running, *logged) {
	t.Helper()
	log := &logged{}
	return start(t, func(o *stack.Options) {
		o.Anonymous, o.Log, o.Logger = false, log, slog.New(slog.NewTextHandler(log, nil))
		o.Template = edited(t, func(resources object) {
			for _, function := range []string{"Message", "Renew"} {
				environment(resources, function)["MAX_MESSAGE_RATE"] = "100000"
			}
			http := environment(resources, "Http")
			http["STREAM_TIME"], http["MAX_SUBJECT_HOLDS"] = "1s", "80"
			if change != nil {
				change(resources)
			}
		})
	}), log
}

// ownForger signs with the stack's own secret.
func (s *running) ownForger(t *testing.T) forger {
	t.Helper()
	return newForger(tokentest.Secret([]byte(s.secret(t, "TokenSecretArn"))), nil)
}

// plant puts an item that must not be seen, or changes it.
func (s *running) plant(t *testing.T, topic string) {
	t.Helper()
	s.putItem(t, map[string]types.AttributeValue{"topic": text(topic), "id": text(planted), "text": text(fmt.Sprint(planted, time.Now().UnixNano()))})
}

// readNothing wants no read of tables since the last reset. A refusal then takes no longer if
// something is there.
func (s *running) readNothing(t *testing.T, tables ...string) {
	t.Helper()
	for _, table := range tables {
		for operation, c := range s.Usage().DynamoDB.Tables[table] {
			if c.ReadCapacityUnits > 0 {
				t.Errorf("%s of %s was asked for %d times", operation, table, c.Requests)
			}
		}
	}
}

// has wants that many rows of a topic in a table.
func (s *running) has(t *testing.T, table, topic string, want int) {
	t.Helper()
	if got := s.rows(t, table, "topic", topic); got != want {
		t.Errorf("%s has %d rows of %q, want %d", table, got, topic, want)
	}
}
