package stack_test

import (
	"fmt"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
)

// TestRevocationThatNeverExpiresIsNotOver: DynamoDB keeps a row with such an expiresAt, so the
// token stays refused.
func TestRevocationThatNeverExpiresIsNotOver(t *testing.T) {
	s := start(t, tokensOnly)
	for n, expires := range []types.AttributeValue{number(0), number(1), number(-1), number(time.Now().UnixMilli()), text("soon")} {
		subject := fmt.Sprint("mallory", n)
		token := s.token(t, subject, all, nil)
		c := s.connectWith(t, token)
		s.putRow(t, s.Outputs["RevocationsTable"], "subject", subject, "tokenId", "*", map[string]types.AttributeValue{"expiresAt": expires})
		c.ended(events.CodeRevoked)
		if got := s.knock(t, token); got != http.StatusForbidden {
			t.Errorf("revoked until %v: status %d, want 403", expires, got)
		}
	}
}

// TestItemThatNeverExpiresIsInSnapshots, as it is with those who saw it put.
func TestItemThatNeverExpiresIsInSnapshots(t *testing.T) {
	s := start(t, nil)
	live := s.connect(t)
	live.subscribe("mistakes")
	for id, expires := range map[string]types.AttributeValue{"0": number(0), "1": number(1), "-1": number(-1), "text": text("soon")} {
		s.putItem(t, map[string]types.AttributeValue{"topic": text("mistakes"), "id": text(id), "expiresAt": expires})
	}
	for _, c := range live.changes(4) {
		if c.Op != events.Added || c.Data == nil {
			t.Errorf("live watchers are told %+v", c)
		}
	}
	if snapshot := s.connect(t).snapshotOf("mistakes", false); len(snapshot) != 4 {
		t.Errorf("snapshot has %v", snapshot)
	}
}

// snapshotOf subscribes with a snapshot, and gives its items.
func (c *client) snapshotOf(topic string, delta bool) map[string]string {
	c.t.Helper()
	c.send(fmt.Sprintf(`{"action":"subscribe","topic":%q,"snapshot":true,"delta":%t}`, topic, delta))
	items := map[string]string{}
	for {
		switch f := c.frame().(type) {
		case *events.Subscribed:
		case *events.Snapshot:
			for _, item := range f.Items {
				items[item.ID] = string(item.Data)
			}
			if !f.More {
				return items
			}
		default:
			c.t.Fatalf("answer has %+v", f)
		}
	}
}

// keepExpired has items that have expired stay in the table.
func (s *running) keepExpired(t *testing.T) {
	t.Helper()
	if _, err := s.db.UpdateTimeToLive(t.Context(), &dynamodb.UpdateTimeToLiveInput{TableName: aws.String(s.Outputs["EventsTable"]),
		TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String("expiresAt"), Enabled: aws.Bool(false)}}); err != nil {
		t.Fatal(err)
	}
}

// TestRenewedItemReachesThoseWhoWereNotShownIt: it has expired, and DynamoDB has not come to
// delete it. Some hold it, some have only a snapshot without it; the update is a small patch
// to what the former hold.
func TestRenewedItemReachesThoseWhoWereNotShownIt(t *testing.T) {
	s := start(t, nil)
	s.keepExpired(t)
	item := map[string]types.AttributeValue{"topic": text("lease"), "id": text("i"), "name": text("a long name that a patch leaves out"), "n": number(1),
		"expiresAt": number(time.Now().Unix() + 2)}
	live := s.connect(t)
	live.send(`{"action":"subscribe","topic":"lease","delta":true}`)
	live.frame()
	s.putItem(t, item)
	if got := live.changes(1)[0]; got.Op != events.Added {
		t.Fatalf("put is told as %+v", got)
	}
	eventually(t, "the item has expired", func() bool {
		rows, _, err := s.store().Page(t.Context(), "lease", "", 10)
		return err == nil && len(rows) == 1 && rows[0].Void
	})
	late := s.connect(t)
	if shown := late.snapshotOf("lease", true); len(shown) > 0 {
		t.Fatalf("snapshot has %v", shown)
	}
	renewed := maps.Clone(item)
	renewed["n"], renewed["expiresAt"] = number(2), number(time.Now().Unix()+3600)
	s.putItem(t, renewed)
	const want = `{"n":2,"name":"a long name that a patch leaves out"}`
	for who, c := range map[string]*client{"held it": live, "was not shown it": late} {
		if got := c.changes(1)[0]; got.Op != events.Added || string(got.Data) != want || got.Patch != nil {
			t.Errorf("who %s is told %s with %s, patch %s", who, got.Op, got.Data, got.Patch)
		}
	}
	renewed["expiresAt"] = number(time.Now().Unix() - 60)
	s.putItem(t, renewed)
	s.putItem(t, map[string]types.AttributeValue{"topic": text("lease"), "id": text("j"), "expiresAt": number(time.Now().Unix() - 60)})
	for _, c := range []*client{live, late} {
		if got := c.changes(2); got[0].Op != events.Removed || !got[0].Expired || string(got[0].Data) != want || got[1].Op != events.Skipped {
			t.Errorf("what writes leave expired is told as %+v", got)
		}
	}
}
