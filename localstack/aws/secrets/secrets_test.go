package secrets_test

import (
	"errors"
	"net/http/httptest"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	client "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"

	"github.com/watchroute/watchroute/localstack/aws/secrets"
	"github.com/watchroute/watchroute/shared/dynamo"
)

// Tokens that clients send become the ids of versions.
const (
	one = "11111111-1111-4111-8111-111111111111"
	two = "22222222-2222-4222-8222-222222222222"
)

// moment is when everything happens.
var moment = time.UnixMilli(1_770_660_703_250)

// world is a service with the secret "app/key", and the SDK's client for it.
type world struct {
	*client.Client
	service *secrets.Service
	arn     string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s := secrets.New(secrets.Options{Now: func() time.Time { return moment }})
	server := httptest.NewServer(s.Service())
	t.Cleanup(server.Close)
	c := client.New(client.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(server.URL), RetryMaxAttempts: 1, HTTPClient: dynamo.HTTPClient(),
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
	})
	created, err := c.CreateSecret(t.Context(), &client.CreateSecretInput{
		Name: aws.String("app/key"), SecretString: aws.String("first"), ClientRequestToken: aws.String(one), Description: aws.String("signs"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return &world{c, s, *created.ARN}
}

// get reads a value, which must be there.
func (w *world) get(t *testing.T, in client.GetSecretValueInput) *client.GetSecretValueOutput {
	t.Helper()
	if in.SecretId == nil {
		in.SecretId = aws.String("app/key")
	}
	out, err := w.GetSecretValue(t.Context(), &in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (w *world) put(t *testing.T, token, text string, stages ...string) *client.PutSecretValueOutput {
	t.Helper()
	out, err := w.PutSecretValue(t.Context(), &client.PutSecretValueInput{
		SecretId: aws.String("app/key"), ClientRequestToken: &token, SecretString: &text, VersionStages: stages,
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestGetByNameAndARN(t *testing.T) {
	w := newWorld(t)
	if !regexp.MustCompile(`^arn:aws:secretsmanager:us-east-1:000000000000:secret:app/key-[A-Za-z0-9]{6}$`).MatchString(w.arn) {
		t.Errorf("ARN %s", w.arn)
	}
	for _, id := range []string{"app/key", w.arn, w.arn[:len(w.arn)-7]} {
		got := w.get(t, client.GetSecretValueInput{SecretId: &id})
		if *got.SecretString != "first" || *got.ARN != w.arn || *got.Name != "app/key" || *got.VersionId != one || !got.CreatedDate.Equal(moment) {
			t.Errorf("%s: %+v", id, got)
		}
		if w.service.ARN(id) != w.arn {
			t.Errorf("%s has the ARN %s", id, w.service.ARN(id))
		}
	}
	for _, id := range []string{"", "app", w.arn[:len(w.arn)-1], w.arn[:len(w.arn)-1] + "_", w.arn[:len(w.arn)-6] + "AAAAAA", strings.Replace(w.arn, "us-east-1", "eu-west-1", 1)} {
		if arn := w.service.ARN(id); arn != "" {
			t.Errorf("%q finds %s", id, arn)
		}
	}
}

// TestNameThatEndsLikeAnARN holds what AWS warns of: a partial ARN of such a name is
// taken for a complete one of another.
func TestNameThatEndsLikeAnARN(t *testing.T) {
	w := newWorld(t)
	created, err := w.CreateSecret(t.Context(), &client.CreateSecretInput{Name: aws.String("app-secret"), SecretString: aws.String("x")})
	if err != nil {
		t.Fatal(err)
	}
	partial := strings.TrimSuffix(*created.ARN, (*created.ARN)[len(*created.ARN)-7:])
	if w.service.ARN(partial) != "" || w.service.ARN("app-secret") != *created.ARN || w.service.ARN(*created.ARN) != *created.ARN {
		t.Errorf("%s is found by its partial ARN, or not by its others", *created.ARN)
	}
}

func TestPutMovesTheLabels(t *testing.T) {
	w := newWorld(t)
	if out := w.put(t, two, "second"); !reflect.DeepEqual(out.VersionStages, []string{"AWSCURRENT"}) || *out.VersionId != two {
		t.Errorf("put: %+v", out)
	}
	for stage, want := range map[string]string{"": "second", "AWSCURRENT": "second", "AWSPREVIOUS": "first"} {
		in := client.GetSecretValueInput{}
		if stage != "" {
			in.VersionStage = &stage
		}
		if got := w.get(t, in); *got.SecretString != want {
			t.Errorf("%q is %s, want %s", stage, *got.SecretString, want)
		}
	}
	w.put(t, strings.Repeat("3", 32), "third")
	got := w.get(t, client.GetSecretValueInput{VersionId: aws.String(one)})
	if *got.SecretString != "first" || len(got.VersionStages) != 0 {
		t.Errorf("a version without labels: %+v", got)
	}
	if got := w.get(t, client.GetSecretValueInput{VersionId: aws.String(two), VersionStage: aws.String("AWSPREVIOUS")}); *got.SecretString != "second" {
		t.Errorf("by id and label: %s", *got.SecretString)
	}
}

func TestPutAsPendingLeavesTheCurrent(t *testing.T) {
	w := newWorld(t)
	w.put(t, two, "second", "AWSPENDING")
	if got := w.get(t, client.GetSecretValueInput{}); *got.SecretString != "first" {
		t.Errorf("the current value is %s", *got.SecretString)
	}
	described, err := w.DescribeSecret(t.Context(), &client.DescribeSecretInput{SecretId: &w.arn})
	if err != nil {
		t.Fatal(err)
	}
	if want := map[string][]string{one: {"AWSCURRENT"}, two: {"AWSPENDING"}}; !reflect.DeepEqual(described.VersionIdsToStages, want) {
		t.Errorf("labels are %v, want %v", described.VersionIdsToStages, want)
	}
	if *described.Description != "signs" || *described.ARN != w.arn || !described.CreatedDate.Equal(moment) || !described.LastChangedDate.Equal(moment) {
		t.Errorf("described as %+v", described)
	}
}

func TestRequestsMayComeAgain(t *testing.T) {
	w := newWorld(t)
	again, err := w.CreateSecret(t.Context(), &client.CreateSecretInput{Name: aws.String("app/key"), SecretString: aws.String("first"), ClientRequestToken: aws.String(one)})
	if err != nil || *again.ARN != w.arn {
		t.Errorf("create again: %v", err)
	}
	w.put(t, two, "second")
	w.put(t, strings.Repeat("3", 32), "third")
	if out := w.put(t, two, "second"); !reflect.DeepEqual(out.VersionStages, []string{"AWSPREVIOUS"}) {
		t.Errorf("put again: %+v", out)
	}
}

// TestNothingIsPreviousBeforeThePut is what a function meets that reads both versions of a
// secret which was never rotated: the SDK's own error, which it can tell from others.
func TestNothingIsPreviousBeforeThePut(t *testing.T) {
	w := newWorld(t)
	previous := &client.GetSecretValueInput{SecretId: &w.arn, VersionStage: aws.String("AWSPREVIOUS")}
	var missing *types.ResourceNotFoundException
	if _, err := w.GetSecretValue(t.Context(), previous); !errors.As(err, &missing) ||
		missing.ErrorMessage() != "Secrets Manager can't find the specified secret value for staging label: AWSPREVIOUS" {
		t.Errorf("before the put: %v", err)
	}
	w.put(t, two, "second", "AWSPENDING")
	if _, err := w.GetSecretValue(t.Context(), previous); !errors.As(err, &missing) {
		t.Errorf("after a put that left AWSCURRENT where it was: %v", err)
	}
	w.put(t, strings.Repeat("3", 32), "third", "AWSCURRENT")
	if got, err := w.GetSecretValue(t.Context(), previous); err != nil || *got.SecretString != "first" || *got.VersionId != one ||
		!reflect.DeepEqual(got.VersionStages, []string{"AWSPREVIOUS"}) {
		t.Errorf("after the put: %+v, %v", got, err)
	}
}

// TestPutOfTheSameVersionMovesNothing: a put that comes again must not make the current
// version the previous one, or what was sealed before would be lost.
func TestPutOfTheSameVersionMovesNothing(t *testing.T) {
	w := newWorld(t)
	for range 2 {
		w.put(t, two, "second")
	}
	for stage, want := range map[string]string{"AWSCURRENT": "second", "AWSPREVIOUS": "first"} {
		if got := w.get(t, client.GetSecretValueInput{VersionStage: &stage}); *got.SecretString != want {
			t.Errorf("%s is %s, want %s", stage, *got.SecretString, want)
		}
	}
}

// TestFirstVersionIsCurrent puts into a secret that was made without a value.
func TestFirstVersionIsCurrent(t *testing.T) {
	w := newWorld(t)
	if _, err := w.CreateSecret(t.Context(), &client.CreateSecretInput{Name: aws.String("empty")}); err != nil {
		t.Fatal(err)
	}
	_, err := w.GetSecretValue(t.Context(), &client.GetSecretValueInput{SecretId: aws.String("empty")})
	if err == nil || !strings.Contains(err.Error(), "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT") {
		t.Errorf("get of none: %v", err)
	}
	out, err := w.PutSecretValue(t.Context(), &client.PutSecretValueInput{SecretId: aws.String("empty"), SecretBinary: []byte{0, 1}, VersionStages: []string{"mine"}})
	if err != nil || !reflect.DeepEqual(out.VersionStages, []string{"AWSCURRENT", "mine"}) {
		t.Errorf("put: %+v, %v", out, err)
	}
	if got := w.get(t, client.GetSecretValueInput{SecretId: aws.String("empty")}); string(got.SecretBinary) != "\x00\x01" || got.SecretString != nil {
		t.Errorf("got %+v", got)
	}
}

func TestErrors(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.put(t, two, "second")
	get := func(in client.GetSecretValueInput) error {
		_, err := w.GetSecretValue(ctx, &in)
		return err
	}
	create := func(in client.CreateSecretInput) error {
		_, err := w.CreateSecret(ctx, &in)
		return err
	}
	put := func(in client.PutSecretValueInput) error {
		in.SecretId = aws.String("app/key")
		_, err := w.PutSecretValue(ctx, &in)
		return err
	}
	id, text, large := aws.String("app/key"), aws.String("x"), strings.Repeat("x", secrets.MaxValueBytes+1)
	_, describe := w.DescribeSecret(ctx, &client.DescribeSecretInput{SecretId: aws.String("other")})
	_, putOther := w.PutSecretValue(ctx, &client.PutSecretValueInput{SecretId: aws.String("other"), SecretString: text})
	_, rotate := w.RotateSecret(ctx, &client.RotateSecretInput{SecretId: id})
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"unknown secret":         {get(client.GetSecretValueInput{SecretId: aws.String("other")}), "ResourceNotFoundException: Secrets Manager can't find the specified secret."},
		"unknown to describe":    {describe, "ResourceNotFoundException: Secrets Manager can't find the specified secret."},
		"unknown to put":         {putOther, "ResourceNotFoundException: Secrets Manager can't find the specified secret."},
		"no id":                  {get(client.GetSecretValueInput{SecretId: aws.String("")}), "InvalidParameterException: "},
		"unknown label":          {get(client.GetSecretValueInput{SecretId: id, VersionStage: text}), "ResourceNotFoundException: Secrets Manager can't find the specified secret value for staging label: x"},
		"unknown version":        {get(client.GetSecretValueInput{SecretId: id, VersionId: text}), "ResourceNotFoundException: Secrets Manager can't find the specified secret value for VersionId: x"},
		"label of another":       {get(client.GetSecretValueInput{SecretId: id, VersionId: aws.String(one), VersionStage: aws.String("AWSCURRENT")}), "InvalidRequestException: You provided a VersionStage"},
		"name taken":             {create(client.CreateSecretInput{Name: id, SecretString: aws.String("first")}), "ResourceExistsException: The operation failed because the secret app/key already exists."},
		"another value, created": {create(client.CreateSecretInput{Name: id, SecretString: text, ClientRequestToken: aws.String(one)}), "ResourceExistsException: "},
		"another value, put":     {put(client.PutSecretValueInput{SecretString: text, ClientRequestToken: aws.String(one)}), "ResourceExistsException: "},
		"bad name":               {create(client.CreateSecretInput{Name: aws.String("a b"), SecretString: text}), "ValidationException: Invalid name."},
		"text and bytes":         {create(client.CreateSecretInput{Name: aws.String("a"), SecretString: text, SecretBinary: []byte{1}}), "InvalidParameterException: You can't specify both"},
		"no value":               {put(client.PutSecretValueInput{}), "InvalidRequestException: You must provide either SecretString or SecretBinary."},
		"too large":              {put(client.PutSecretValueInput{SecretString: &large}), "ValidationException: "},
		"short token":            {put(client.PutSecretValueInput{SecretString: text, ClientRequestToken: text}), "InvalidParameterException: "},
		"many labels":            {put(client.PutSecretValueInput{SecretString: text, VersionStages: strings.Split(strings.Repeat("a", 21), "")}), "InvalidParameterException: "},
		"not offered":            {rotate, "UnknownOperationException: "},
	} {
		var failure smithy.APIError
		if !errors.As(c.err, &failure) || !strings.HasPrefix(failure.ErrorCode()+": "+failure.ErrorMessage(), c.want) {
			t.Errorf("%s: %v, want %s", name, c.err, c.want)
		}
	}
	if got := w.get(t, client.GetSecretValueInput{}); *got.SecretString != "second" {
		t.Errorf("after all errors the value is %s", *got.SecretString)
	}
}
