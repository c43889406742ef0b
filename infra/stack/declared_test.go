package stack_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskinesis"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"

	"github.com/watchroute/watchroute/infra/stack"
)

// declared synthesizes a stack with destinations, whose targets are in another stack of the app or not
// made by it. It gives the resources of both.
func declared(t *testing.T, destinations func(other awscdk.Stack) []stack.Destination) (ours, others map[string]resource, err error) {
	t.Helper()
	needsNode(t)
	dir := t.TempDir()
	code, out := filepath.Join(dir, "code"), filepath.Join(dir, "cdk.out")
	if err := placeExecutables(code); err != nil {
		t.Fatal(err)
	}
	app := awscdk.NewApp(&awscdk.AppProps{AnalyticsReporting: jsii.Bool(false), Outdir: jsii.String(out)})
	other := awscdk.NewStack(app, jsii.String("Orders"), nil)
	if _, err := stack.New(app, "Watchroute", stack.Props{Code: code, Destinations: destinations(other)}); err != nil {
		return nil, nil, err
	}
	app.Synth(nil)
	read := func(name string) map[string]resource {
		template, err := os.ReadFile(filepath.Join(out, name+".template.json"))
		if err != nil {
			t.Fatal(err)
		}
		return decode[struct{ Resources map[string]resource }](t, template).Resources
	}
	return read("Watchroute"), read("Orders"), nil
}

// outside are targets that the app does not make, one of each kind.
func outside(scope awscdk.Stack) []stack.Destination {
	const arn = ":us-east-1:000000000000:"
	return []stack.Destination{
		{Name: "lanes", Topic: "orders/**", Queue: awssqs.Queue_FromQueueArn(scope, jsii.String("Lanes"), jsii.String("arn:aws:sqs"+arn+"lanes.fifo"))},
		{Name: "large", Topic: "orders/*", Filter: map[string]any{"n": []any{map[string]any{"numeric": []any{">", 1}}}}, Fields: []string{"n"}, Format: "cloudevents", Queue: awssqs.Queue_FromQueueArn(scope, jsii.String("Large"), jsii.String("arn:aws:sqs"+arn+"large"))},
		{Name: "news", Topic: "orders/1", SNSTopic: awssns.Topic_FromTopicArn(scope, jsii.String("News"), jsii.String("arn:aws:sns"+arn+"news.fifo"))},
		{Name: "shop", Topic: "orders/**", Bus: awsevents.EventBus_FromEventBusArn(scope, jsii.String("Shop"), jsii.String("arn:aws:events"+arn+"event-bus/shop"))},
		{Name: "trail", Topic: "orders/**", Batch: 1, Stream: awskinesis.Stream_FromStreamArn(scope, jsii.String("Trail"), jsii.String("arn:aws:kinesis"+arn+"stream/trail"))},
		{Name: "hook", Topic: "orders/**", WebhookURL: "https://hooks.example.com/orders"},
	}
}

const declaredGolden = "../testdata/declared.json"

// TestDeclaredGolden holds what destinations change in the template: the rule's input and deliver's role.
// The local stack's tests run it. Rewrite it with -update.
func TestDeclaredGolden(t *testing.T) {
	ours, _, err := declared(t, outside)
	if err != nil {
		t.Fatal(err)
	}
	plain, parts := resources(t), map[string]any{}
	for id, r := range ours {
		is, was := decode[any](t, r.Properties), decode[any](t, plain[id].Properties)
		if a, b := encoded(t, is), encoded(t, was); !bytes.Equal(a, b) && r.Type != "AWS::Lambda::Function" {
			parts[id] = map[string]any{"Type": r.Type, "Properties": is}
		}
	}
	got := encoded(t, parts)
	if *update {
		if err := os.WriteFile(declaredGolden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(declaredGolden)
	if err != nil {
		t.Fatal(err)
	}
	if line, g, w := firstDifference(got, want); line > 0 {
		t.Errorf("it differs at line %d:\n got %s\nwant %s\nif that is meant, run: go test ./infra/stack -update", line, g, w)
	}
	if len(parts) != 2 || parts["Sweep"] == nil || parts["DeliverRole"] == nil || len(ours) != len(plain) {
		t.Errorf("destinations change %v of %d resources, %d without them", parts, len(ours), len(plain))
	}
}

func encoded(t *testing.T, value any) []byte {
	t.Helper()
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(value); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestDeliverMaySendToWhatIsDeclaredAlone, once for each target, with its key. Targets may be in another
// stack.
func TestDeliverMaySendToWhatIsDeclaredAlone(t *testing.T) {
	ours, others, err := declared(t, func(other awscdk.Stack) []stack.Destination {
		key := awskms.NewKey(other, jsii.String("Key"), nil)
		queue := awssqs.NewQueue(other, jsii.String("Queue"), &awssqs.QueueProps{Fifo: jsii.Bool(true), EncryptionMasterKey: key})
		awssqs.NewQueue(other, jsii.String("NotOurs"), nil)
		return []stack.Destination{
			{Name: "one", Topic: "a", Queue: queue}, {Name: "two", Topic: "b/**", Queue: queue},
			{Name: "three", Topic: "a", Stream: awskinesis.NewStream(other, jsii.String("Stream"), &awskinesis.StreamProps{EncryptionKey: key})},
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	role := string(ours["DeliverRole"].Properties)
	for action, want := range map[string]int{`"sqs:SendMessage"`: 2, `"kinesis:PutRecord"`: 1, `"kms:GenerateDataKey"`: 1, `"kms:Decrypt"`: 1, `"sns:Publish"`: 0, `"events:PutEvents"`: 0, "Fn::ImportValue": 3, "NotOurs": 0, `"*"`: 0} {
		if n := strings.Count(role, action); n != want {
			t.Errorf("the role has %s %d times, want %d: %s", action, n, want, role)
		}
	}
	input := string(ours["Sweep"].Properties)
	if strings.Count(input, "Fn::ImportValue") != 3 || !strings.Contains(input, `\"name\":\"one\",\"topic\":\"a\",\"kind\":\"sqs\",\"target\":\"`) {
		t.Errorf("the rule is %s", input)
	}
	if len(others) != 4 {
		t.Errorf("the other stack has %v", others)
	}
}

// TestDestinationsThatCannotBeDeclared are refused before anything is declared.
func TestDestinationsThatCannotBeDeclared(t *testing.T) {
	for want, change := range map[string]func(*stack.Destination, awscdk.Stack){
		"0 targets are set": func(d *stack.Destination, _ awscdk.Stack) { d.WebhookURL = "" },
		"2 targets are set": func(d *stack.Destination, other awscdk.Stack) {
			d.Queue = awssqs.NewQueue(other, jsii.String("Q"), nil)
		},
		"another has the same": func(d *stack.Destination, _ awscdk.Stack) { d.Name = "first" },
		"letters, digits":      func(d *stack.Destination, _ awscdk.Stack) { d.Name = "" },
		"topic is empty":       func(d *stack.Destination, _ awscdk.Stack) { d.Topic = "" },
		"reserved":             func(d *stack.Destination, _ awscdk.Stack) { d.Topic = "@presence/a" },
		"format is changes":    func(d *stack.Destination, _ awscdk.Stack) { d.Format = "xml" },
		"batch is from 1":      func(d *stack.Destination, _ awscdk.Stack) { d.Batch = -1 },
		"operator is not": func(d *stack.Destination, _ awscdk.Stack) {
			d.Filter = map[string]any{"a": []any{map[string]any{"like": "b"}}}
		},
		"unsupported type": func(d *stack.Destination, _ awscdk.Stack) { d.Filter = map[string]any{"a": func() {}} },
		"https":            func(d *stack.Destination, _ awscdk.Stack) { d.WebhookURL = "http://hooks.example.com" },
		"more than 8192": func(d *stack.Destination, _ awscdk.Stack) {
			d.Fields = slices.Repeat([]string{strings.Repeat("f", 250)}, 32)
		},
		"cloudevents-batch is a": func(d *stack.Destination, other awscdk.Stack) {
			d.WebhookURL, d.Format, d.Bus = "", "cloudevents-batch", awsevents.NewEventBus(other, jsii.String("B"), nil)
		},
	} {
		_, _, err := declared(t, func(other awscdk.Stack) []stack.Destination {
			bad := stack.Destination{Name: "bad", Topic: "a", WebhookURL: "https://hooks.example.com"}
			change(&bad, other)
			return []stack.Destination{{Name: "first", Topic: "a", WebhookURL: "https://hooks.example.com"}, bad}
		})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "Destinations") {
			t.Errorf("it says %v, want %s", err, want)
		}
	}
	const elsewhere = "arn:aws:sns:eu-west-1:000000000000:news"
	defaultTemplate(t)
	scope := awscdk.NewStack(nil, jsii.String("Elsewhere"), nil)
	_, err := stack.New(nil, "Watchroute", stack.Props{Code: t.TempDir(), Region: "eu-central-1", Destinations: []stack.Destination{
		{Name: "a", Topic: "a", SNSTopic: awssns.Topic_FromTopicArn(scope, jsii.String("T"), jsii.String(elsewhere))},
	}})
	if err == nil || !strings.Contains(err.Error(), "eu-west-1") {
		t.Errorf("a target of another Region is %v", err)
	}
}

// TestTheLargestDeclarationCounts names that are known at deployment only as long as they may be.
func TestTheLargestDeclarationCounts(t *testing.T) {
	many := func(n int) error {
		_, _, err := declared(t, func(other awscdk.Stack) (all []stack.Destination) {
			queue := awssqs.NewQueue(other, jsii.String("Queue"), nil)
			for i := range n {
				all = append(all, stack.Destination{Name: strings.Repeat("n", 1+i%64) + string(rune('a'+i/64)), Topic: "orders/**", Queue: queue})
			}
			return all
		})
		return err
	}
	if err := many(30); err != nil {
		t.Error(err)
	}
	if err := many(38); err == nil || !strings.Contains(err.Error(), "more than 8192") {
		t.Errorf("38 are %v", err)
	}
}
