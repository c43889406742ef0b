package eventbridge_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	client "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/smithy-go"

	"github.com/watchroute/watchroute/localstack/aws/eventbridge"
	"github.com/watchroute/watchroute/localstack/aws/sqs"
	"github.com/watchroute/watchroute/shared/dynamo"
)

const (
	queueARN    = "arn:aws:sqs:us-east-1:000000000000:q"
	fifoARN     = "arn:aws:sqs:us-east-1:000000000000:q.fifo"
	functionARN = "arn:aws:lambda:us-east-1:000000000000:function:f"
)

var noon = time.Date(2026, 11, 26, 12, 0, 0, 500, time.UTC)

// targets keeps what was delivered.
type targets struct {
	mu       sync.Mutex
	messages []sqs.Message
	arns     []string
	refusal  error
}

func (d *targets) Deliver(arn string, m sqs.Message) error { return d.accept(arn, m) }

func (d *targets) InvokeEvent(arn string, event []byte) error {
	return d.accept(arn, sqs.Message{Body: string(event)})
}

func (d *targets) accept(arn string, m sqs.Message) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.messages, d.arns = append(d.messages, m), append(d.arns, arn)
	return d.refusal
}

// bodies gives what was delivered to a target.
func (d *targets) bodies(arn string) (all []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, m := range d.messages {
		if d.arns[i] == arn {
			all = append(all, m.Body)
		}
	}
	return all
}

// world is a service with a clock that stands still, and the SDK's client for it.
type world struct {
	*client.Client
	t       *testing.T
	service *eventbridge.Service
	clock   *eventbridge.Hand
	targets *targets
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, clock: eventbridge.NewHand(noon), targets: &targets{}}
	w.service = eventbridge.New(eventbridge.Options{
		Queues: w.targets, Functions: w.targets, Clock: w.clock, Logger: slog.New(slog.DiscardHandler),
	})
	t.Cleanup(w.service.Close)
	server := httptest.NewServer(w.service.Service())
	t.Cleanup(server.Close)
	w.Client = client.New(client.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(server.URL), RetryMaxAttempts: 1, HTTPClient: dynamo.HTTPClient(),
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
	})
	return w
}

// rule puts a rule with targets.
func (w *world) rule(in client.PutRuleInput, list ...types.Target) string {
	w.t.Helper()
	out, err := w.PutRule(w.t.Context(), &in)
	if err != nil {
		w.t.Fatal(err)
	}
	if len(list) > 0 {
		w.target(*in.Name, in.EventBusName, list...)
	}
	return *out.RuleArn
}

func (w *world) target(rule string, bus *string, list ...types.Target) {
	w.t.Helper()
	out, err := w.PutTargets(w.t.Context(), &client.PutTargetsInput{Rule: &rule, EventBusName: bus, Targets: list})
	if err != nil || out.FailedEntryCount != 0 {
		w.t.Fatal(out, err)
	}
}

func (w *world) put(entries ...types.PutEventsRequestEntry) *client.PutEventsOutput {
	w.t.Helper()
	out, err := w.PutEvents(w.t.Context(), &client.PutEventsInput{Entries: entries})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func to(arn string) types.Target { return types.Target{Id: aws.String("t"), Arn: &arn} }

func event(source, detail string) types.PutEventsRequestEntry {
	return types.PutEventsRequestEntry{Source: &source, DetailType: aws.String("change"), Detail: &detail}
}

// orders is a rule for all events of orders.
func orders() client.PutRuleInput {
	return client.PutRuleInput{Name: aws.String("orders"), EventPattern: aws.String(`{"source":["orders"]}`)}
}

// TestEventArrivesInItsEnvelope compares all bytes but the id, which the client gets too.
func TestEventArrivesInItsEnvelope(t *testing.T) {
	w := newWorld(t)
	w.rule(orders(), to(queueARN))
	plain := event("orders", " {\"a\": [1.0, \"<é>\"]}\n")
	full := event("orders", `{}`)
	full.Resources = []string{"arn:aws:s3:::bucket"}
	full.Time = aws.Time(time.Date(2020, 2, 3, 4, 5, 6, 987_000_000, time.FixedZone("", 3600)))
	out := w.put(plain, full)
	if out.FailedEntryCount != 0 || len(out.Entries) != 2 {
		t.Fatalf("put %+v", out)
	}
	want := []string{
		`{"version":"0","id":"` + *out.Entries[0].EventId + `","detail-type":"change","source":"orders","account":"000000000000",` +
			`"time":"2026-11-26T12:00:00Z","region":"us-east-1","resources":[],"detail":{"a":[1.0,"<é>"]}}`,
		`{"version":"0","id":"` + *out.Entries[1].EventId + `","detail-type":"change","source":"orders","account":"000000000000",` +
			`"time":"2020-02-03T03:05:06Z","region":"us-east-1","resources":["arn:aws:s3:::bucket"],"detail":{}}`,
	}
	if got := w.targets.bodies(queueARN); !slices.Equal(got, want) {
		t.Errorf("the queue got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestOnlyMatchingRulesOfTheBusGetAnEvent, by name or ARN of the bus, and only enabled ones.
func TestOnlyMatchingRulesOfTheBusGetAnEvent(t *testing.T) {
	w := newWorld(t)
	made, err := w.CreateEventBus(t.Context(), &client.CreateEventBusInput{Name: aws.String("shop")})
	if err != nil || *made.EventBusArn != "arn:aws:events:us-east-1:000000000000:event-bus/shop" {
		t.Fatal(made, err)
	}
	arn := w.rule(client.PutRuleInput{
		Name: aws.String("large"), EventBusName: aws.String("shop"), EventPattern: aws.String(`{"detail":{"size":[{"numeric":[">",10]}]}}`),
	}, to(queueARN))
	if arn != "arn:aws:events:us-east-1:000000000000:rule/shop/large" {
		t.Errorf("the rule is %s", arn)
	}
	if arn := w.rule(orders(), to(functionARN)); arn != "arn:aws:events:us-east-1:000000000000:rule/orders" {
		t.Errorf("the rule of the default bus is %s", arn)
	}
	on := func(bus string, detail string) types.PutEventsRequestEntry {
		e := event("orders", detail)
		e.EventBusName = &bus
		return e
	}
	w.put(on("shop", `{"size":11}`), on(*made.EventBusArn, `{"size":12}`), on("shop", `{"size":1}`))
	if got := w.targets.bodies(queueARN); len(got) != 2 || len(w.targets.bodies(functionARN)) != 0 {
		t.Errorf("the queue got %q, the function of the other bus %q", got, w.targets.bodies(functionARN))
	}
	w.put(on("default", `{}`), event("others", `{}`))
	if got := w.targets.bodies(functionARN); len(got) != 1 {
		t.Errorf("the function got %q", got)
	}
	disabled := orders()
	disabled.State = types.RuleStateDisabled
	w.rule(disabled)
	w.put(event("orders", `{}`))
	if got := w.targets.bodies(functionARN); len(got) != 1 {
		t.Errorf("by a disabled rule the function got %q", got)
	}
}

// TestEventForNoBusIsAcceptedAndGoesNowhere, as recorded on AWS.
func TestEventForNoBusIsAcceptedAndGoesNowhere(t *testing.T) {
	w := newWorld(t)
	w.rule(orders(), to(queueARN))
	for _, bus := range []string{"missing", "arn:aws:events:eu-west-1:000000000000:event-bus/default"} {
		lost := event("orders", `{}`)
		lost.EventBusName = &bus
		if out := w.put(lost); out.FailedEntryCount != 0 || out.Entries[0].EventId == nil {
			t.Errorf("put %+v", out)
		}
	}
	if got := w.targets.bodies(queueARN); len(got) != 0 {
		t.Errorf("the queue of the default bus got %q", got)
	}
}

// TestRefusedEntriesDoNotStopTheOthers: the answer is in the order of the request.
func TestRefusedEntriesDoNotStopTheOthers(t *testing.T) {
	w := newWorld(t)
	w.rule(orders(), to(queueARN))
	entry := func(change func(*types.PutEventsRequestEntry)) types.PutEventsRequestEntry {
		e := event("orders", `{}`)
		change(&e)
		return e
	}
	detail := func(text string) types.PutEventsRequestEntry { return event("orders", text) }
	out := w.put(
		entry(func(e *types.PutEventsRequestEntry) { e.Source = nil }),
		entry(func(e *types.PutEventsRequestEntry) { e.DetailType = nil }),
		entry(func(e *types.PutEventsRequestEntry) { e.Detail = nil }),
		detail("text"), detail("[]"), detail("{"), detail(`"{}"`), detail("{}{}"),
		event("aws.s3", "{}"), detail(`{}`),
	)
	var got []string
	for _, e := range out.Entries {
		got = append(got, aws.ToString(e.ErrorCode)+": "+aws.ToString(e.ErrorMessage))
	}
	want := slices.Concat([]string{
		"InvalidArgument: Parameter Source is not valid. Reason: Source is a required argument.",
		"InvalidArgument: Parameter DetailType is not valid. Reason: DetailType is a required argument.",
		"InvalidArgument: Parameter Detail is not valid. Reason: Detail is a required argument.",
	}, slices.Repeat([]string{"MalformedDetail: Detail is malformed."}, 5),
		[]string{"NotAuthorizedForSourceException: Not authorized for the source.", ": "})
	if !slices.Equal(got, want) || out.FailedEntryCount != 9 || out.Entries[9].EventId == nil {
		t.Errorf("%d failed, the entries gave\n%s", out.FailedEntryCount, strings.Join(got, "\n"))
	}
	if got := w.targets.bodies(queueARN); len(got) != 1 {
		t.Errorf("the queue got %q", got)
	}
	if u := w.service.Usage(); u.Requests != 1 || u.Events != 1 || u.Rules["arn:aws:events:us-east-1:000000000000:rule/orders"] != (eventbridge.RuleUsage{Fired: 1, Delivered: 1}) {
		t.Errorf("usage is %+v", u)
	}
	w.service.ResetUsage()
	if u := w.service.Usage(); u.Requests+u.Events+len(u.Rules) != 0 {
		t.Errorf("usage after the reset is %+v", u)
	}
}

// TestRequestHasAMegabyteAtMost, as EventBridge counts: source, type, detail, resources, and 14 for
// a time.
func TestRequestHasAMegabyteAtMost(t *testing.T) {
	w := newWorld(t)
	e := types.PutEventsRequestEntry{Source: aws.String("s"), DetailType: aws.String("é"), Resources: []string{"r"}, Time: aws.Time(noon)}
	fits := eventbridge.MaxBytes - len("s") - len("é") - len("r") - 14
	e.Detail = aws.String(`{"a":"` + strings.Repeat("x", fits-len(`{"a":""}`)) + `"}`)
	w.put(e)
	_, err := w.PutEvents(t.Context(), &client.PutEventsInput{Entries: []types.PutEventsRequestEntry{e, event("", "")}})
	refused(t, "a byte more", err, "ValidationException", "Total size of the entries in the request is over the limit.")
}

func refused(t *testing.T, what string, err error, code, message string) {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != code || !strings.Contains(e.ErrorMessage(), message) {
		t.Errorf("%s: %v, want %s: %s", what, err, code, message)
	}
}

// TestFIFOQueueGetsEventsInTheirGroup, and deduplicates them by content. Without deduplication by
// content it takes none.
func TestFIFOQueueGetsEventsInTheirGroup(t *testing.T) {
	queues := sqs.New(sqs.Options{})
	create := func(name, byContent string) {
		body := fmt.Sprintf(`{"QueueName":%q,"Attributes":{"FifoQueue":"true","ContentBasedDeduplication":%q}}`, name, byContent)
		if _, err := queues.Service().Call(t.Context(), "CreateQueue", []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	create("q.fifo", "true")
	create("strict.fifo", "false")
	service := eventbridge.New(eventbridge.Options{Queues: queues, Logger: slog.New(slog.DiscardHandler)})
	t.Cleanup(service.Close)
	call := func(operation, body string) {
		t.Helper()
		if _, err := service.Service().Call(t.Context(), operation, []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	call("PutRule", `{"Name":"all","EventPattern":"{\"source\":[{\"exists\":true}]}"}`)
	call("PutTargets", `{"Rule":"all","Targets":[{"Id":"a","Arn":"`+fifoARN+`","SqsParameters":{"MessageGroupId":"g"}},
		{"Id":"b","Arn":"arn:aws:sqs:us-east-1:000000000000:strict.fifo","SqsParameters":{"MessageGroupId":"g"}}]}`)
	call("PutEvents", `{"Entries":[{"Source":"s","DetailType":"t","Detail":"{\"n\":1}"},{"Source":"s","DetailType":"t","Detail":"{\"n\":2}"}]}`)
	got, err := queues.Receive(t.Context(), fifoARN, 10, time.Minute)
	if err != nil || len(got) != 2 || got[0].Attributes["MessageGroupId"] != "g" || !strings.HasSuffix(got[1].Body, `"detail":{"n":2}}`) {
		t.Errorf("received %+v, %v", got, err)
	}
	if u := service.Usage().Rules["arn:aws:events:us-east-1:000000000000:rule/all"]; u != (eventbridge.RuleUsage{Fired: 2, Delivered: 2, Failed: 2}) {
		t.Errorf("usage is %+v", u)
	}
}

// TestFailedTargetDoesNotFailPutEvents: whoever puts an event does not learn of its targets.
func TestFailedTargetDoesNotFailPutEvents(t *testing.T) {
	w := newWorld(t)
	w.targets.refusal = errors.New("no")
	arn := w.rule(orders(), to(queueARN))
	if out := w.put(event("orders", `{}`)); out.FailedEntryCount != 0 {
		t.Errorf("put %+v", out)
	}
	if u := w.service.Usage().Rules[arn]; u != (eventbridge.RuleUsage{Fired: 1, Failed: 1}) {
		t.Errorf("usage is %+v", u)
	}
}

// TestTargetGetsItsConstantInput, and a target with the id of another takes its place.
func TestTargetGetsItsConstantInput(t *testing.T) {
	w := newWorld(t)
	constant := to(functionARN)
	constant.Input = aws.String(`{"sweep": true}`)
	w.rule(orders(), to(queueARN))
	w.target("orders", nil, constant)
	w.put(event("orders", `{}`))
	if got := w.targets.bodies(functionARN); !slices.Equal(got, []string{`{"sweep": true}`}) || len(w.targets.bodies(queueARN)) != 0 {
		t.Errorf("the function got %q, the former target %q", got, w.targets.bodies(queueARN))
	}
}

func TestErrors(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.rule(orders())
	rule := func(in client.PutRuleInput) error {
		in.Name = cmpOr(in.Name, "r")
		_, err := w.PutRule(ctx, &in)
		return err
	}
	schedule := func(expression string) error { return rule(client.PutRuleInput{ScheduleExpression: &expression}) }
	target := func(arn string, change func(*types.Target)) error {
		x := to(arn)
		if change != nil {
			change(&x)
		}
		_, err := w.PutTargets(ctx, &client.PutTargetsInput{Rule: aws.String("orders"), Targets: []types.Target{x}})
		return err
	}
	var six []types.Target
	for i := range 6 {
		six = append(six, types.Target{Id: aws.String(fmt.Sprint(i)), Arn: aws.String(queueARN)})
	}
	_, tooManyTargets := w.PutTargets(ctx, &client.PutTargetsInput{Rule: aws.String("orders"), Targets: six})
	_, noRule := w.PutTargets(ctx, &client.PutTargetsInput{Rule: aws.String("missing"), Targets: []types.Target{to(queueARN)}})
	_, again := w.CreateEventBus(ctx, &client.CreateEventBusInput{Name: aws.String("default")})
	_, partner := w.CreateEventBus(ctx, &client.CreateEventBusInput{Name: aws.String("a/b")})
	_, none := w.PutEvents(ctx, &client.PutEventsInput{Entries: []types.PutEventsRequestEntry{}})
	_, eleven := w.PutEvents(ctx, &client.PutEventsInput{Entries: slices.Repeat([]types.PutEventsRequestEntry{event("s", "{}")}, 11)})
	_, unsupported := w.DescribeRule(ctx, &client.DescribeRuleInput{Name: aws.String("orders")})
	if _, err := w.CreateEventBus(ctx, &client.CreateEventBusInput{Name: aws.String("shop")}); err != nil {
		t.Fatal(err)
	}
	const validation = "ValidationException"
	for name, c := range map[string]struct {
		err           error
		code, message string
	}{
		"no entry":           {none, validation, "Member must have length greater than or equal to 1"},
		"eleven entries":     {eleven, validation, "at 'entries' failed to satisfy constraint: Member must have length less than or equal to 10"},
		"bus exists":         {again, "ResourceAlreadyExistsException", "Event bus default already exists."},
		"bus of a partner":   {partner, validation, "Member must satisfy regular expression pattern"},
		"neither":            {rule(client.PutRuleInput{}), validation, "Parameter(s) EventPattern or ScheduleExpression must be specified."},
		"pattern":            {rule(client.PutRuleInput{EventPattern: aws.String(`{"source":"a"}`)}), "InvalidEventPatternException", "Event pattern is not valid. Reason: "},
		"operator":           {rule(client.PutRuleInput{EventPattern: aws.String(`{"source":[{"wildcard":"a*"}]}`)}), "InvalidEventPatternException", "the operator is not supported"},
		"name of a rule":     {rule(client.PutRuleInput{Name: aws.String("a b"), EventPattern: aws.String(`{}`)}), validation, "Value 'a b' at 'name'"},
		"long name":          {rule(client.PutRuleInput{Name: aws.String(strings.Repeat("x", 65)), EventPattern: aws.String(`{}`)}), validation, "less than or equal to 64"},
		"state":              {rule(client.PutRuleInput{EventPattern: aws.String(`{"source":["a"]}`), State: "ON"}), validation, "Value 'ON' at 'state'"},
		"role":               {rule(client.PutRuleInput{EventPattern: aws.String(`{"source":["a"]}`), RoleArn: aws.String("arn:aws:iam::0:role/r")}), validation, "RoleArn is not supported here."},
		"no bus":             {rule(client.PutRuleInput{EventPattern: aws.String(`{"source":["a"]}`), EventBusName: aws.String("missing")}), "ResourceNotFoundException", "Event bus missing does not exist."},
		"cron":               {schedule("cron(0 2 ? * SAT *)"), validation, "cron(0 2 ? * SAT *) is not supported here"},
		"schedule of a bus":  {rule(client.PutRuleInput{ScheduleExpression: aws.String("rate(1 minute)"), EventBusName: aws.String("shop")}), validation, "ScheduleExpression is supported only on the default event bus."},
		"no rule":            {noRule, "ResourceNotFoundException", "Rule missing does not exist on EventBus default."},
		"six targets":        {tooManyTargets, "LimitExceededException", "The requested resource exceeds the maximum number allowed."},
		"no ARN":             {target("queue", nil), validation, "Parameter queue is not valid. Reason: Provided Arn is not in correct format."},
		"other target":       {target("arn:aws:sns:us-east-1:000000000000:t", nil), validation, "arn:aws:sns:us-east-1:000000000000:t is not supported here"},
		"no group":           {target(fifoARN, nil), validation, "Parameter(s) SqsParameters must be specified for target: t."},
		"input":              {target(queueARN, func(x *types.Target) { x.Input = aws.String("{") }), validation, "Parameter Input of target t"},
		"input path":         {target(queueARN, func(x *types.Target) { x.InputPath = aws.String("$.detail") }), validation, "InputPath of target t is not supported here."},
		"input transformer":  {target(queueARN, func(x *types.Target) { x.InputTransformer = &types.InputTransformer{InputTemplate: aws.String("1")} }), validation, "InputTransformer of target t is not supported here."},
		"dead letters":       {target(queueARN, func(x *types.Target) { x.DeadLetterConfig = &types.DeadLetterConfig{} }), validation, "DeadLetterConfig of target t is not supported here."},
		"retries":            {target(queueARN, func(x *types.Target) { x.RetryPolicy = &types.RetryPolicy{MaximumRetryAttempts: aws.Int32(186)} }), validation, "MaximumRetryAttempts is 186"},
		"age":                {target(queueARN, func(x *types.Target) { x.RetryPolicy = &types.RetryPolicy{MaximumEventAgeInSeconds: aws.Int32(59)} }), validation, "MaximumEventAgeInSeconds is 59"},
		"role of a target":   {target(queueARN, func(x *types.Target) { x.RoleArn = aws.String("arn:aws:iam::0:role/r") }), validation, "RoleArn of target t is not supported here."},
		"unsupported action": {unsupported, "UnknownOperationException", "DescribeRule"},
	} {
		refused(t, name, c.err, c.code, c.message)
	}
	for _, expression := range []string{
		"rate(10 seconds)", "rate(10 years)", "rate(1 minutes)", "rate(1 hours)", "rate(1 days)", "rate(10 minute)", "rate(10 hour)",
		"rate(10 day)", "rate()", "rate(10)", "rate(10 minutess)", "rate(foo minutes)", "rate(0 minutes)", "rate(-10 minutes)",
		"rate(10 MINUTES)", "rate( 10 minutes )", " rate(10 minutes)", "rate(99999999 days)", "rate(01 minute)",
	} {
		refused(t, expression, schedule(expression), validation, "Parameter ScheduleExpression is not valid.")
	}
}

func cmpOr(given *string, otherwise string) *string {
	if given == nil {
		return &otherwise
	}
	return given
}
