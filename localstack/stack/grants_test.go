package stack_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/coder/websocket"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/eventbridge"
	"github.com/watchroute/watchroute/localstack/aws/iam"
	"github.com/watchroute/watchroute/localstack/stack"
	"github.com/watchroute/watchroute/shared/delivery"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/token"
	"github.com/watchroute/watchroute/shared/watch"
)

// TestNoGrantIsMissingOrSuperfluous does everything that the service does, and
// compares what the functions used with what their roles grant.
func TestNoGrantIsMissingOrSuperfluous(t *testing.T) {
	clock := eventbridge.NewHand(time.Now())
	s := start(t, func(o *stack.Options) {
		o.Clock = clock
		o.Template = edited(t, func(resources object) {
			environment(resources, "Connect")["MAX_CONNECTIONS"] = "1"
			environment(resources, "Message")["MAX_SNAPSHOT_ITEMS"] = "2"
			environment(resources, "Http")["MAX_SNAPSHOT_ITEMS"] = "2"
			environment(resources, "Http")["STREAM_TIME"] = "3s"
			environment(resources, "Fanout")["SHARD_SIZE"] = "1"
			environment(resources, "Push")["SHARD_SIZE"] = "1"
			environment(resources, "Message")["SHARD_SIZE"] = "5"
			environment(resources, "Fanout")["MAX_BATCH_POSTS"] = "5"
		})
	})
	s.ResetUsage() // of what starting the mapping checked
	s.useEverything(t, clock)
	if n := s.Usage().IAM.Denied; n != 0 {
		t.Errorf("%d calls were denied: %+v", n, s.Usage().IAM)
	}
	// Lambda uses the rest itself, for polling, logs and what fails.
	want := []string{
		"Authorizer logs:CreateLogStream", "Authorizer logs:PutLogEvents",
		"Connect logs:CreateLogStream", "Connect logs:PutLogEvents",
		"Deliver dynamodb:UpdateItem", // on the allowance, of who reads much
		"Deliver logs:CreateLogStream", "Deliver logs:PutLogEvents",
		"Deliver sqs:DeleteMessage", "Deliver sqs:GetQueueAttributes", "Deliver sqs:ReceiveMessage",
		"Disconnect logs:CreateLogStream", "Disconnect logs:PutLogEvents",
		"Fanout dynamodb:DescribeStream", "Fanout dynamodb:GetRecords", "Fanout dynamodb:GetShardIterator", "Fanout dynamodb:ListStreams",
		"Fanout logs:CreateLogStream", "Fanout logs:PutLogEvents", "Fanout sqs:SendMessage",
		"Http logs:CreateLogStream", "Http logs:PutLogEvents",
		"Message logs:CreateLogStream", "Message logs:PutLogEvents",
		"Push logs:CreateLogStream", "Push logs:PutLogEvents", "Push sqs:DeleteMessage", "Push sqs:GetQueueAttributes", "Push sqs:ReceiveMessage",
		"Push sqs:SendMessage", // what it has no time for
		"Renew logs:CreateLogStream", "Renew logs:PutLogEvents",
		"Revoke dynamodb:DescribeStream", "Revoke dynamodb:GetRecords", "Revoke dynamodb:GetShardIterator", "Revoke dynamodb:ListStreams",
		"Revoke logs:CreateLogStream", "Revoke logs:PutLogEvents", "Revoke sqs:SendMessage",
		"Salvage logs:CreateLogStream", "Salvage logs:PutLogEvents",
		"Salvage sqs:DeleteMessage", "Salvage sqs:GetQueueAttributes", "Salvage sqs:ReceiveMessage",
	}
	if got := unused(s.Usage().IAM); !slices.Equal(got, want) {
		t.Errorf("unused grants:\n got %q\nwant %q", got, want)
	}
}

// used reports whether calls needed every grant of an action that a function has.
func used(u iam.Usage, function, action string) bool {
	return !slices.Contains(unused(iam.Usage{Functions: map[string]iam.SessionUsage{function: u.Functions[function]}}), function+" "+action)
}

// unused lists the grants that no call needed.
func unused(u iam.Usage) []string {
	var names []string
	for function, of := range u.Functions {
		for _, g := range of.Grants {
			if g.Used == 0 {
				names = append(names, function+" "+g.Action)
			}
		}
	}
	slices.Sort(names)
	return names
}

// useEverything lets each function do each thing that it can do.
func (s *running) useEverything(t *testing.T, clock *eventbridge.Hand) {
	t.Helper()
	watcher, publisher := s.connect(t), s.connect(t)
	watcher.subscribe("a")
	publisher.send(`{"action":"publish","topic":"a","item":{"id":"i","data":{"text":"` + strings.Repeat("x", 1000) + `"}}}`)
	publisher.frame()
	watcher.changes(1)
	publisher.send(`{"action":"subscribe","topic":"a","snapshot":true}`) // in two frames, of which one is posted
	publisher.frame()
	publisher.frame()
	s.turnPage(t, publisher)
	publisher.send(`{"action":"publish","topic":"a","op":"remove","item":{"id":"i"}}`)
	watcher.changes(1)
	s.catchUp(t)
	s.lookBack(t, watcher)
	s.meetGone(t, watcher)
	s.announce(t)
	s.useTokens(t)
	s.usePresence(t)
	s.useDestinations(t, clock)
	s.useLanes(t)
	s.useHTTP(t)
	s.put(t, "bad//topic", "i", "1")
	eventually(t, "a message in the failure queue", func() bool { return s.Usage().SQS.Queues["FailureQueue"].Sent == 1 })
	s.salvageOne(t, "Events", "a")
	s.salvageOne(t, "Revocations", "alice")
	watcher.send(`{"action":"unsubscribe","topic":"a"}`)
	watcher.frame()
	watcher.subscribe("b")
	if err := watcher.conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the subscription gone", func() bool { return s.rows(t, "Subscriptions", "topic", "b#0") == 0 })
}

// turnPage has a place in a snapshot sealed.
func (s *running) turnPage(t *testing.T, c *client) {
	t.Helper()
	for n := range 3 {
		s.put(t, "pages", fmt.Sprint(n), "1")
	}
	c.send(`{"action":"snapshot","topic":"pages"}`)
	if page, ok := c.frame().(*events.Snapshot); !ok || page.Next == "" {
		t.Errorf("page %+v", page)
	}
}

// catchUp resumes, and asks by a ping for what is missing.
func (s *running) catchUp(t *testing.T) {
	t.Helper()
	c := s.connect(t)
	for _, frame := range []string{
		`{"action":"subscribe","topic":"a","after":":0"}`,
		`{"action":"ping","cursors":{"a":":0"}}`,
	} {
		c.send(frame)
		c.changesAmid(t, 2)
	}
}

// changesAmid gives the next n changes, among frames of other kinds.
func (c *client) changesAmid(t *testing.T, n int) {
	t.Helper()
	for n > 0 {
		if frame, ok := c.frame().(*events.Changes); ok {
			n -= len(frame.Changes)
		}
	}
}

// lookBack moves the topic's head past all writes, so that the next one has to be
// looked for in the log, like one that is delivered again.
func (s *running) lookBack(t *testing.T, watcher *client) {
	t.Helper()
	_, err := s.db.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
		TableName: aws.String("Changes"), UpdateExpression: aws.String("SET #position = :far"),
		Key: map[string]types.AttributeValue{
			"topic": &types.AttributeValueMemberS{Value: "a"}, "seq": &types.AttributeValueMemberN{Value: "0"},
		},
		ExpressionAttributeNames:  map[string]string{"#position": "position"},
		ExpressionAttributeValues: map[string]types.AttributeValue{":far": &types.AttributeValueMemberS{Value: strings.Repeat("9", 40)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.put(t, "a", "late", "1")
	watcher.changes(1)
}

// announce makes a topic's first change, with which fan-out lists it for patterns.
func (s *running) announce(t *testing.T) {
	t.Helper()
	s.put(t, "above/below", "i", "1")
	eventually(t, "the topic listed", func() bool { return s.rows(t, "Changes", "topic", "above/**") == 1 })
}

// meetGone subscribes a connection that does not exist, and waits until fan-out has
// forgotten it.
func (s *running) meetGone(t *testing.T, watcher *client) {
	t.Helper()
	s.subscribeGone(t, "a")
	before := s.rows(t, "Subscriptions", "topic", "a#0")
	s.put(t, "a", "other", "1")
	watcher.changes(1)
	eventually(t, "the gone client forgotten", func() bool { return s.rows(t, "Subscriptions", "topic", "a#0") == before-1 })
}

// subscribeGone subscribes a connection that does not exist.
func (s *running) subscribeGone(t *testing.T, topic string) {
	t.Helper()
	s.putRow(t, "Subscriptions", "topic", topic+"#0", "connectionId", "AAAAAAAAAAAAAAA=", map[string]types.AttributeValue{
		"subject": text("grace"), "expiresAt": number(99999999999), "presence": text("Grace"), "lease": number(99999999999), "order": number(1),
	})
	s.stand(t, "grace", topic)
}

// stand has the item of a member stand for two subscriptions of connections that do not exist. When one of
// them is forgotten, the other one stays.
func (s *running) stand(t *testing.T, member, topic string) {
	t.Helper()
	s.putRow(t, "Events", "topic", "@presence/"+topic, "id", member, map[string]types.AttributeValue{
		"name": text("N"), "since": text("2026-11-26T10:00:00.000Z"), "until": text("2026-11-26T10:10:00.000Z"), "expiresAt": number(time.Now().Unix() + 600),
		"watchroute": &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{
			"AAAAAAAAAAAAAAA= 1": number(99999999999), "BAAAAAAAAAAAAAA= 1": number(99999999999),
		}},
	})
}

// presentRow is the row of a connection that does not exist, and is present in a topic.
func presentRow(topic string) map[string]types.AttributeValue {
	sum := sha256.Sum256([]byte(topic))
	return map[string]types.AttributeValue{
		"connectedAt": number(time.Now().UnixMilli()), "expiresAt": number(99999999999),
		"watches": &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{topic: number(1)}},
		"present": &types.AttributeValueMemberSS{Value: []string{base64.RawURLEncoding.EncodeToString(sum[:9])}},
	}
}

// joining is the claim of a token that allows to be present, too.
const joining = `{"v":1,"allow":[{"topics":["**"],"actions":["subscribe","read","publish","join"]}]}`

// usePresence lets somebody join and disconnect, who is there by another connection as well.
func (s *running) usePresence(t *testing.T) {
	t.Helper()
	s.stand(t, "gail", "b")
	gail := s.connectWith(t, s.token(t, "gail", joining, nil))
	gail.join("b")
	if err := gail.conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Fatal(err)
	}
	eventually(t, "gail forgotten", func() bool { return s.rows(t, "Connections", "subject", "gail") == 0 })
}

// useDestinations lets one topic be delivered, with its items after a reset and after it was gone, and
// another that will have lanes. It removes a destination, and has deliver find one that is not there.
// The sweep looks for what is due in the meantime, and removes what is not declared any more.
func (s *running) useDestinations(t *testing.T, clock *eventbridge.Hand) {
	t.Helper()
	hook, token := newHook(t), s.token(t, "hank", delivering, nil)
	d := s.destination(t, token, "hooked", hook.URL)
	s.destination(t, token, "crowd", hook.URL)
	s.put(t, "hooked", "i", "1")
	eventually(t, "a delivery", func() bool { return len(hook.got("hooked")) == 1 })
	hook.answer(http.StatusGone) // of which deliver tells operators
	s.put(t, "hooked", "i", "2")
	eventually(t, "a destination that is gone", func() bool {
		shown := events.Destination{}
		s.destinations(t, token, http.MethodGet, "/"+d.ID, nil, &shown)
		return shown.Disabled != ""
	})
	hook.answer(0)
	if status := s.destinations(t, token, http.MethodPost, "/"+d.ID+"/enable", nil, nil); status != http.StatusNoContent {
		t.Fatalf("enable is answered %d", status)
	}
	eventually(t, "the second delivery", func() bool { return len(hook.got("hooked")) == 2 })
	replay := events.ReplayRequest{Topic: "hooked", After: "elsewhere:1"}
	if status := s.destinations(t, token, http.MethodPost, "/"+d.ID+"/replay", replay, nil); status != http.StatusNoContent {
		t.Fatalf("replay is answered %d", status)
	}
	eventually(t, "the items", func() bool { return slices.Contains(hook.taken(), "*events.Snapshot") })
	s.destinations(t, token, http.MethodGet, "/"+d.ID, nil, nil)
	s.destinations(t, token, http.MethodDelete, "/"+d.ID, nil, nil)
	eventually(t, "nothing left of it", func() bool { return s.rows(t, "Destinations", "destination", d.ID) == 0 })
	s.putRow(t, "Destinations", "destination", "none", "topic", "hooked", map[string]types.AttributeValue{
		"after": text(":0"), "part": text("0"), "due": number(1), "waiting": text("lost"),
	})
	s.leaveDeclared(t, "dst_left")
	clock.Advance(time.Minute)
	eventually(t, "the standing of no destination removed", func() bool { return s.rows(t, "Destinations", "destination", "none") == 0 })
	eventually(t, "what an earlier deployment has declared removed", func() bool {
		return s.rows(t, "Destinations", "destination", "dst_left") == 0 && s.rows(t, "Subscriptions", "topic", "left#0") == 0
	})
}

// leaveDeclared leaves a destination of an earlier deployment, whose end has been seen once.
func (s *running) leaveDeclared(t *testing.T, id string) {
	t.Helper()
	store := s.store()
	d := delivery.Destination{ID: id, Kind: delivery.Webhook, Name: "left", Edition: 1, Verified: true, Query: watch.Query{Topic: "left"}}
	d.Subject, d.Key.ID, d.Grant = watch.Deployer, watch.DestinationID(id), grant.All()
	err := store.AddDestination(t.Context(), d, 1)
	if err == nil {
		err = store.Restart(t.Context(), delivery.Ref{Destination: id, Topic: "left"}, &watch.Place{}, "none", time.Now().Add(time.Hour))
	}
	if err == nil {
		err = store.NoteDeclaration(t.Context(), delivery.Declaration{}, delivery.Declaration{Digest: "earlier", Edition: 1, Since: time.Now().Add(-time.Minute)})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// useLanes makes a topic with more watchers than fan-out pushes to. One of them is gone and the
// token of another has expired. It waits until fan-out has divided the lanes.
func (s *running) useLanes(t *testing.T) {
	t.Helper()
	frank := s.connectWith(t, s.token(t, "frank", all, nil))
	frank.subscribe("crowd")
	s.subscribeGone(t, "crowd")
	var crowd []*client
	join := func(n int) {
		for range n {
			c := s.connect(t)
			c.subscribe("crowd")
			crowd = append(crowd, c)
		}
	}
	join(10)
	s.lapse(t, "frank", "crowd")
	s.put(t, "crowd", "i", "0")
	for _, c := range crowd {
		c.changes(1)
	}
	join(10) // in more shards, which push finds too full, unless a subscriber finds it first
	n := 0
	eventually(t, "the lanes divided, and shards added by push", func() bool {
		n++
		join(1)
		s.put(t, "crowd", "i", fmt.Sprint(n))
		for _, c := range crowd {
			c.changes(1)
		}
		u := s.Usage().IAM
		return used(u, "Fanout", "dynamodb:BatchGetItem") && used(u, "Push", "dynamodb:UpdateItem")
	})
	frank.ended(events.CodeTokenExpired)
	eventually(t, "the gone client forgotten", func() bool {
		out, err := s.db.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String("Subscriptions"), Key: map[string]types.AttributeValue{
			"topic": text("crowd#0"), "connectionId": text("AAAAAAAAAAAAAAA="),
		}})
		return err == nil && out.Item == nil
	})
}

// useTokens connects, renews and revokes, in a stack where a subject may have one
// connection.
func (s *running) useTokens(t *testing.T) {
	t.Helper()
	s.putRow(t, "Connections", "subject", "alice", "connectionId", "AAAAAAAAAAAAAAA=", presentRow("gone"))
	s.stand(t, "alice", "gone")
	s.stand(t, "alice", "b")
	alice := s.connectWith(t, s.token(t, "alice", joining, nil)) // who has a connection that is gone
	alice.join("b")
	alice.auth(s.token(t, "alice", joining, nil))
	alice.auth(s.token(t, "alice", `{"v":1,"allow":[{"topics":["other"],"actions":["read"]}]}`, nil))
	alice.auth(s.token(t, "alice", all, nil))
	alice.subscribe("b")                                                         // or there would be nothing to forget
	stolen := s.token(t, "alice", all, func(t *token.Token) { t.ID = "stolen" }) // before the revocation, not in the second after it
	s.revoke(t, "alice", "stolen")
	alice.send(`{"action":"auth","token":"` + stolen + `"}`)
	alice.ended(events.CodeRevoked)

	bob := s.connectWith(t, s.token(t, "bob", all, nil))
	bob.subscribe("c")
	s.putRow(t, "Connections", "subject", "bob", "connectionId", "AAAAAAAAAAAAAAA=", presentRow("gone")) // whom only revoke forgets
	s.stand(t, "bob", "gone")
	s.revoke(t, "bob", watch.AnyToken)
	bob.ended(events.CodeRevoked)
	eventually(t, "bob forgotten", func() bool { return s.rows(t, "Connections", "subject", "bob") == 0 })

	carol := s.connectWith(t, s.token(t, "carol", all, nil))
	carol.subscribe("d")
	s.lapse(t, "carol", "d")
	s.put(t, "d", "i", "1")
	carol.ended(events.CodeTokenExpired)

	for n := range 11 { // who reads so much that the allowance is drawn on
		s.putRow(t, "Connections", "subject", "erin", "connectionId", fmt.Sprintf("AAAAAAAAAAAAAA%c=", 'A'+n), map[string]types.AttributeValue{
			"connectedAt": number(time.Now().UnixMilli()), "expiresAt": number(99999999999), "filler": &types.AttributeValueMemberS{Value: strings.Repeat("x", 390<<10)},
		})
	}
	s.connectWith(t, s.token(t, "erin", all, nil))

	dave := s.connectWith(t, s.token(t, "dave", all, nil))
	s.expire(t, "dave")
	dave.send(`{"action":"unsubscribe","topic":"a"}`)
	dave.ended(events.CodeTokenExpired)
}

// environment are the settings of a function.
func environment(resources object, function string) object {
	return properties(resources, function)["Environment"].(object)["Variables"].(object)
}

// rows counts the items under a partition key.
func (s *running) rows(t *testing.T, table, key, value string) int {
	t.Helper()
	out, err := s.db.Query(t.Context(), &dynamodb.QueryInput{
		TableName: &table, KeyConditionExpression: aws.String("#key = :value"), ConsistentRead: aws.Bool(true),
		ExpressionAttributeNames:  map[string]string{"#key": key},
		ExpressionAttributeValues: map[string]types.AttributeValue{":value": &types.AttributeValueMemberS{Value: value}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return len(out.Items)
}
