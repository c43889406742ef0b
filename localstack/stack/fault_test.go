package stack_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/smithy-go"
	"github.com/coder/websocket"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/fault"
	"github.com/watchroute/watchroute/localstack/stack"
)

// seed makes the first pause of DynamoDB one that refuses and the second one that makes
// wait.
const seed = 5

// broken starts a stack in which one kind of fault happens, and gives what decides.
func broken(t *testing.T, kind fault.Kind, rate float64) (*running, *fault.Faults) {
	t.Helper()
	faults := fault.New(fault.Plan{kind: rate}, seed)
	return start(t, func(o *stack.Options) { o.Faults, o.Shards = faults, 1 }), faults
}

// ping asks for a pong, which proves that a client is still served.
func (c *client) ping() {
	c.t.Helper()
	c.send(`{"action":"ping","id":"p"}`)
	if _, ok := c.frame().(*events.Pong); !ok {
		c.t.Error("a ping was not answered by a pong")
	}
}

// seqs reads changes up to the one with that number, repeats included.
func (c *client) seqs(last int64) (seqs []int64) {
	c.t.Helper()
	for len(seqs) == 0 || seqs[len(seqs)-1] != last {
		for _, change := range c.changes(1) {
			seqs = append(seqs, change.Seq)
		}
	}
	return seqs
}

// connections are the ids in the table of who is connected.
func (s *running) connections(t *testing.T) (ids []string) {
	t.Helper()
	out, err := s.db.Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String(s.Outputs["ConnectionsTable"])})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range out.Items {
		ids = append(ids, row["connectionId"].(*types.AttributeValueMemberS).Value)
	}
	return ids
}

// post posts to the only connection, signed as far as that is looked at.
func (s *running) post(t *testing.T, within time.Duration) (*http.Response, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	t.Cleanup(cancel)
	url := s.URL() + "/" + s.Stage() + "/@connections/" + s.connections(t)[0]
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(`{"message":"posted"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=local/20260209/us-east-1/execute-api/aws4_request")
	response, err := http.DefaultClient.Do(request)
	if err == nil {
		t.Cleanup(func() { _ = response.Body.Close() })
	}
	return response, err
}

func TestFunctionsAreKilledInTheirMiddle(t *testing.T) {
	s, faults := broken(t, fault.Kill, 1)
	c := s.connect(t)
	for killed := false; !killed; {
		c.send(`{"action":"ping","id":"p"}`)
		killed = strings.Contains(string(c.read()), "Internal server error")
	}
	faults.Off()
	u, failed := s.Usage(), 0
	for _, f := range u.Lambda.Functions {
		failed += f.Errors
	}
	if failed == 0 || u.Faults[fault.Kill] < int64(failed) { // one killed before it has fetched its work fails nobody
		t.Errorf("%d invocations failed, faults %v", failed, u.Faults)
	}
	eventually(t, "a pong", func() bool { // one more process may be about to die
		c.send(`{"action":"ping","id":"p"}`)
		return strings.Contains(string(c.read()), "pong")
	})
}

func TestBatchesAreInvokedTwice(t *testing.T) {
	s, _ := broken(t, fault.Duplicate, 1)
	c := s.connect(t)
	c.subscribe("a")
	s.put(t, "a", "i", "1")
	if got := c.seqs(1); len(got) != 1 {
		t.Errorf("changes %v", got)
	}
	eventually(t, "two invocations for one batch", func() bool {
		u := s.Usage()
		return u.Lambda.Functions["Fanout"].Invocations == 2 && u.Faults[fault.Duplicate] == 1
	})
}

// TestOldFanOutWakesUpAfterOthers: its invocation was given up, others have numbered what it
// had and more, and then it writes. The head's condition refuses that.
func TestOldFanOutWakesUpAfterOthers(t *testing.T) {
	s, faults := broken(t, fault.LateWrite, 1) // which holds back two at most, so that all others pass
	c := s.connect(t)
	c.subscribe("a")
	last := int64(0)
	eventually(t, "an old process woke up", func() bool {
		s.put(t, "a", "i", fmt.Sprint(last))
		for _, seq := range c.seqs(last + 1) {
			if seq > last+1 {
				t.Fatalf("%d follows %d", seq, last)
			}
			last = max(last, seq)
		}
		return faults.Overlaps()[fault.LateWriter] > 0
	})
	if counted := faults.Overlaps(); counted[fault.SameItem] < counted[fault.LateWriter] || faults.Counts()[fault.LateWrite] == 0 {
		t.Errorf("overlaps %v, faults %v", counted, faults.Counts())
	}
	eventually(t, "a pong", func() bool { // changes that were numbered twice may be pushed twice
		c.send(`{"action":"ping","id":"p"}`)
		return strings.Contains(string(c.read()), "pong")
	})
}

// TestInvocationsAreAbandoned: a batch whose invocation was given up is delivered again.
func TestInvocationsAreAbandoned(t *testing.T) {
	s, faults := broken(t, fault.Abandon, 0.5)
	c := s.connect(t)
	c.subscribe("a")
	last := int64(0)
	eventually(t, "two processes at one record", func() bool {
		s.put(t, "a", "i", fmt.Sprint(last))
		for _, seq := range c.seqs(last + 1) {
			if seq > last+1 {
				t.Fatalf("%d follows %d", seq, last)
			}
			last = max(last, seq)
		}
		return faults.Counts()[fault.Abandon] > 0 && s.Usage().Lambda.Functions["Fanout"].Timeouts > 0
	})
}

func TestBatchesAreDelayed(t *testing.T) {
	s, _ := broken(t, fault.Delay, 1)
	c := s.connect(t)
	c.subscribe("a")
	repeat := fault.New(fault.Plan{fault.Delay: 1}, seed) // draws the same
	for seq := range int64(3) {
		began, due := time.Now(), repeat.Duration(fault.Delay, 0, 500*time.Millisecond)
		s.put(t, "a", "i", fmt.Sprint(seq))
		c.seqs(seq + 1)
		if took := time.Since(began); took < due {
			t.Errorf("change %d came after %v, its batch was to wait %v", seq+1, took, due)
		}
	}
}

// TestBatchesComeAgain: the function is told again what it has done already.
func TestBatchesComeAgain(t *testing.T) {
	for kind, rate := range map[fault.Kind]float64{fault.Bisect: 0.5, fault.Partial: 0.5, fault.Reslice: 1} {
		t.Run(string(kind), func(t *testing.T) {
			s, _ := broken(t, kind, rate)
			c := s.connect(t)
			c.subscribe("a")
			repeats, last := 0, int64(0)
			for round := 0; repeats == 0; round++ {
				s.putTogether(t, "a", fmt.Sprint(round), 4)
				for _, seq := range c.seqs(last + 4) {
					if seq > last+1 {
						t.Fatalf("%d follows %d", seq, last)
					}
					if seq <= last {
						repeats++
					}
					last = max(last, seq)
				}
			}
			u := s.Usage()
			if u.Faults[kind] == 0 || u.Lambda.Functions["Fanout"].Errors > 0 {
				t.Errorf("faults %v, usage of the function %+v", u.Faults, u.Lambda.Functions["Fanout"])
			}
		})
	}
}

// TestQueueBatchesComeAgain until the redrive policy ends it, long before the visibility timeout
// has passed.
func TestQueueBatchesComeAgain(t *testing.T) {
	s := start(t, func(o *stack.Options) {
		o.Template, o.Faults = edited(t, addFIFO), fault.New(fault.Plan{fault.Reappear: 1}, seed)
	})
	s.sendOrder(t)
	eventually(t, "the message is set aside", func() bool { return s.Usage().SQS.Queues["Orders.fifo"].Redriven == 1 })
	if u := s.Usage(); u.SQS.Queues["Orders.fifo"].Received != 5 || u.Faults[fault.Reappear] != 5 {
		t.Errorf("usage of the queue %+v, faults %v", u.SQS.Queues["Orders.fifo"], u.Faults)
	}
}

func TestPostsAreRefused(t *testing.T) {
	for kind, want := range map[fault.Kind]struct {
		status    int
		errorType string
	}{
		fault.Post429: {http.StatusTooManyRequests, "LimitExceededException"},
		fault.Post500: {http.StatusInternalServerError, "InternalServerErrorException"},
		fault.Post410: {http.StatusGone, "GoneException"},
	} {
		t.Run(string(kind), func(t *testing.T) {
			s, _ := broken(t, kind, 1)
			c := s.connect(t)
			response, err := s.post(t, patience)
			if err != nil || response.StatusCode != want.status || response.Header.Get("X-Amzn-ErrorType") != want.errorType {
				t.Errorf("the post is answered %+v, %v", response, err)
			}
			c.ping()
			var u stack.Usage
			if s.get(t, "/_localstack/usage", &u); u.Faults[kind] != 1 {
				t.Errorf("faults %v", u.Faults)
			}
		})
	}
}

func TestPostsAreNotAnswered(t *testing.T) {
	s, _ := broken(t, fault.PostTimeout, 1)
	c := s.connect(t)
	if response, err := s.post(t, 100*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the post is answered %+v, %v", response, err)
	}
	c.ping()
}

func TestFramesAreLost(t *testing.T) {
	s, faults := broken(t, fault.LoseFrame, 1)
	c := s.connect(t)
	if response, err := s.post(t, patience); err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("the post is answered %+v, %v", response, err)
	}
	faults.Off()
	c.ping() // whose answer is the first frame to come
}

func TestSocketsAreCut(t *testing.T) {
	s, _ := broken(t, fault.DropSocket, 1)
	c := s.connect(t)
	c.send(`{"action":"ping","id":"p"}`)
	_, data, err := c.conn.Read(t.Context())
	if err == nil || websocket.CloseStatus(err) != -1 {
		t.Errorf("read %q, %v, want an end without a close frame", data, err)
	}
	eventually(t, "$disconnect", func() bool { return len(s.connections(t)) == 0 })
}

func TestDisconnectIsLeftOut(t *testing.T) {
	s, faults := broken(t, fault.NoDisconnect, 1)
	if err := s.connect(t).conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of the connection", func() bool { return faults.Counts()[fault.NoDisconnect] == 1 })
	if left := s.connections(t); len(left) != 1 || s.Usage().Lambda.Functions["Disconnect"].Invocations != 0 {
		t.Errorf("rows of %q are left, want one", left)
	}
}

func TestShardsAreSplit(t *testing.T) {
	s, faults := broken(t, fault.SplitShard, 1)
	c := s.connect(t)
	c.subscribe("a")
	s.put(t, "a", "i", "1")
	eventually(t, "a split", func() bool { return faults.Counts()[fault.SplitShard] > 0 })
	s.put(t, "a", "i", "2")
	if got := c.seqs(2); len(got) != 2 {
		t.Errorf("changes %v", got)
	}
	streams := dynamodbstreams.New(dynamodbstreams.Options{Region: stack.Region, BaseEndpoint: aws.String(s.URL()),
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", "")})
	listed, err := streams.ListStreams(t.Context(), &dynamodbstreams.ListStreamsInput{TableName: aws.String("Events")})
	if err != nil {
		t.Fatal(err)
	}
	described, err := streams.DescribeStream(t.Context(), &dynamodbstreams.DescribeStreamInput{StreamArn: listed.Streams[0].StreamArn})
	if err != nil || len(described.StreamDescription.Shards) < 3 {
		t.Errorf("described %+v, %v, want the parent and its children", described, err)
	}
}

func TestConnectionsAreForgotten(t *testing.T) {
	s, _ := broken(t, fault.Forget, 1)
	c := s.connect(t)
	eventually(t, "no row of the connection", func() bool { return len(s.connections(t)) == 0 })
	c.ping()
	time.Sleep(1100 * time.Millisecond) // a second has nothing to forget
	if u := s.Usage(); u.Faults[fault.Forget] != 1 || u.APIGateway.Connections.Open != 1 {
		t.Errorf("faults %v, connections %+v", u.Faults, u.APIGateway.Connections)
	}
}

// TestDynamoDBPauses calls as a function does until it has been refused, and as others
// do until it has waited.
func TestDynamoDBPauses(t *testing.T) {
	s, _ := broken(t, fault.Pause, 1)
	function := dynamodb.New(dynamodb.Options{Region: stack.Region, BaseEndpoint: aws.String(s.URL() + "/_localstack/functions/Connect"),
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""), RetryMaxAttempts: 1})
	input := &dynamodb.PutItemInput{TableName: aws.String(s.Outputs["ConnectionsTable"]),
		Item: map[string]types.AttributeValue{"connectionId": &types.AttributeValueMemberS{Value: "c"}}}
	eventually(t, "a function's operation is refused", func() bool {
		_, err := function.PutItem(t.Context(), input)
		var api smithy.APIError
		if err != nil && !errors.As(err, &api) {
			t.Fatal(err)
		}
		return err != nil && (api.ErrorCode() == "InternalServerError" || api.ErrorCode() == "ThrottlingException")
	})
	eventually(t, "an operation waits", func() bool {
		began := time.Now()
		s.put(t, "a", "i", "1")
		return time.Since(began) > 200*time.Millisecond
	})
}

func TestNothingIsBrokenUnasked(t *testing.T) {
	s := start(t, nil)
	s.connect(t).ping()
	var u map[string]any
	if s.get(t, "/_localstack/usage", &u); u["faults"] != nil {
		t.Errorf("faults %v", u["faults"])
	}
}
