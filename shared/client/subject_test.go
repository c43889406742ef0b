package client_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/client"
	"github.com/watchroute/watchroute/shared/grant"
)

// Subjects of most issuers are no segments of topics as they are.
func ExampleTopicFor() {
	for _, subject := range []string{"anna", "auth0|5f7c8ec7", "bob+tag@example.org"} {
		topic, err := client.TopicFor("users/{sub}/inbox", subject)
		fmt.Println(topic, err)
	}
	// Output:
	// users/anna/inbox <nil>
	// users/auth0:7C5f7c8ec7/inbox <nil>
	// users/bob:2Btag@example.org/inbox <nil>
}

// TestTopicForIsWhatTheGrantAllows holds the client to the one who decides.
func TestTopicForIsWhatTheGrantAllows(t *testing.T) {
	claim := []byte(`{"v":1,"allow":[{"topics":["users/{sub}/**"],"actions":["subscribe"]}]}`)
	for _, subject := range []string{"anna", "auth0|5f7c8ec7", "repo:o/r", "..", "*", "a b", "Zoë", "a:7Cb", "@a", strings.Repeat("x", 244)} {
		g, err := grant.Parse(claim, subject)
		if err != nil {
			t.Fatal(err)
		}
		topic, err := client.TopicFor("users/{sub}/inbox", subject)
		if err != nil {
			t.Errorf("%.20q: %v", subject, err)
		}
		if _, ok := g.Allows(grant.Subscribe, topic); !ok {
			t.Errorf("%.20q may not watch %s", subject, topic)
		}
		pattern, err := client.TopicFor("users/{sub}/*", subject)
		if _, ok := g.Covers(grant.Subscribe, grant.Pattern(pattern)); !ok || err != nil {
			t.Errorf("%.20q may not watch %s, %v", subject, pattern, err)
		}
	}
}

func TestTopicForRefuses(t *testing.T) {
	for _, c := range []struct{ name, subject, want string }{
		{"users/{sub}", "", "subject is empty"},
		{"users/{sub}", "\xff", "subject is not UTF-8"},
		{"users/{sub}", strings.Repeat("я", 42), "topic has 258 bytes, at most 256 are allowed"},
		{"users//{sub}", "anna", "topic has an empty segment"},
		{"users/x{sub}", "anna", "topic has the character '{'"},
	} {
		topic, err := client.TopicFor(c.name, c.subject)
		if err == nil || !strings.Contains(err.Error(), c.want) || topic != events.Topic("") {
			t.Errorf("%s for %.20q is %s, %v, want %s", c.name, c.subject, topic, err, c.want)
		}
	}
}
