package stack_test

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchroute/watchroute/infra/stack"
	settings "github.com/watchroute/watchroute/shared/function"
	"github.com/watchroute/watchroute/shared/watch"
)

const (
	customersSecret = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:tokens-AbCdEf"
	customersKey    = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
)

// TestSecretOfACustomersKeyIsDecrypted: without the grant GetSecretValue fails for every
// client, because Secrets Manager decrypts with the caller's permissions.
func TestSecretOfACustomersKeyIsDecrypted(t *testing.T) {
	template, err := synthesize(t, t.TempDir(), stack.Props{Auth: stack.Auth{SecretARN: customersSecret, SecretKeyARN: customersKey}})
	if err != nil {
		t.Fatal(err)
	}
	all := decode[struct{ Resources map[string]resource }](t, template).Resources
	roles := ofType[roleProperties](t, all, "AWS::IAM::Role")
	for id, role := range roles {
		reads := slices.Contains(grants(t, role), "secretsmanager:GetSecretValue "+customersSecret)
		if decrypts := slices.Contains(grants(t, role), "kms:Decrypt "+customersKey); decrypts != reads {
			t.Errorf("%s reads the secret: %v, decrypts: %v", id, reads, decrypts)
		}
		for _, condition := range conditions(t, role, "kms:Decrypt") {
			if want := "StringEquals kms:ViaService secretsmanager.${AWS::Region}.amazonaws.com"; condition != want {
				t.Errorf("%s decrypts when %q, want %q", id, condition, want)
			}
		}
	}
	for _, id := range []string{"AuthorizerRole", "RenewRole"} {
		if len(conditions(t, roles[id], "kms:Decrypt")) != 1 {
			t.Errorf("%s cannot decrypt the secret: %q", id, grants(t, roles[id]))
		}
	}
}

// conditions gives the conditions of the statements that allow an action, one text each.
func conditions(t *testing.T, role roleProperties, action string) []string {
	t.Helper()
	var found []string
	for _, policy := range role.Policies {
		for _, statement := range policy.PolicyDocument.Statement {
			if slices.Contains(statement.Action.([]any), any(action)) {
				found = append(found, condition(t, statement.Condition))
			}
		}
	}
	return found
}

// condition writes a condition as "operator key value", its parts in alphabetical order.
func condition(t *testing.T, declared any) string {
	t.Helper()
	var parts []string
	operators, _ := declared.(map[string]any)
	for operator, keys := range operators {
		for key, value := range keys.(map[string]any) {
			parts = append(parts, operator+" "+key+" "+refer(t, value))
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

func TestKeyWithoutASecretIsRefused(t *testing.T) {
	for want, auth := range map[string]stack.Auth{
		"Auth names a secret's key without a secret": {SecretKeyARN: customersKey},
		"not the ARN of a KMS key":                   {SecretARN: customersSecret, SecretKeyARN: strings.Replace(customersKey, ":key/", ":alias/", 1)},
		`"1234abcd-12ab-34cd-56ef-1234567890ab"`:     {SecretARN: customersSecret, SecretKeyARN: "1234abcd-12ab-34cd-56ef-1234567890ab"},
	} {
		if _, err := stack.New(nil, "Test", stack.Props{Code: "code", Auth: auth}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", auth, err, want)
		}
	}
	multiRegion := strings.Replace(customersKey, "1234abcd-12ab-34cd-56ef-1234567890ab", "mrk-1234abcd12ab34cd56ef1234567890ab", 1)
	auth := stack.Auth{SecretARN: customersSecret, SecretKeyARN: strings.Replace(multiRegion, "arn:aws:", "arn:aws-us-gov:", 1)}
	if _, err := stack.New(nil, "Test", stack.Props{Code: "code", Auth: auth}); err == nil || strings.Contains(err.Error(), "Auth") {
		t.Errorf("a multi-Region key of another partition: %v", err)
	}
}

// TestWhatNoFunctionCouldStartWithIsRefused: each of these once made a stack whose every
// handshake was answered 500.
func TestWhatNoFunctionCouldStartWithIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		props stack.Props
		want  string
	}{
		"an issuer without TLS":         {stack.Props{Auth: stack.Auth{Issuer: "http://id.example"}}, `issuer "http://id.example" is not an https URL`},
		"an issuer without scheme":      {stack.Props{Auth: stack.Auth{Issuer: "id.example"}}, `issuer "id.example" is not an https URL`},
		"the configuration's address":   {stack.Props{Auth: stack.Auth{Issuer: "https://id.example/.well-known/openid-configuration"}}, "without /.well-known/"},
		"an issuer on the machine":      {stack.Props{Auth: stack.Auth{Issuer: "http://localhost:8080"}}, "on the machine itself"},
		"keys without TLS":              {stack.Props{Auth: stack.Auth{JWKSURL: "http://id.example/keys"}}, "not an https URL"},
		"keys on the machine":           {stack.Props{Auth: stack.Auth{JWKSURL: "https://127.0.0.1/keys"}}, "on the machine itself"},
		"a secret's name":               {stack.Props{Auth: stack.Auth{SecretARN: "not-an-arn"}}, "not the whole ARN of a secret"},
		"a secret's ARN in part":        {stack.Props{Auth: stack.Auth{SecretARN: "arn:aws:secretsmanager:eu-west-1:111122223333:secret:tokens"}}, "not the whole ARN of a secret"},
		"a parameter's ARN":             {stack.Props{Auth: stack.Auth{SecretARN: "arn:aws:ssm:eu-west-1:111122223333:parameter/tokens-AbCdEf"}}, "not the whole ARN of a secret"},
		"a key of another Region":       {stack.Props{Auth: stack.Auth{SecretARN: customersSecret, SecretKeyARN: strings.Replace(customersKey, "eu-west-1", "us-east-1", 1)}}, "keys of its own Region"},
		"two secrets":                   {stack.Props{Auth: stack.Auth{SecretARN: customersSecret + "," + customersSecret}}, "not the whole ARN of a secret"},
		"the secret itself":             {stack.Props{Auth: stack.Auth{SecretARN: "0123456789abcdef0123456789abcdef"}}, "not the whole ARN of a secret"},
		"keys and a secret":             {stack.Props{Auth: stack.Auth{JWKSURL: "https://id.example/keys", SecretARN: customersSecret}}, "both a secret and a JWKS URL"},
		"an audience of nobody":         {stack.Props{Auth: stack.Auth{Audience: "us", Issuer: "id"}}, "not an https URL"},
		"more than an environment has":  {stack.Props{Auth: stack.Auth{Issuer: "https://id.example/" + strings.Repeat("a", 1024)}}, "more than 1024"},
		"more than a number holds":      {stack.Props{MaxMessageRate: 1 << 62}, "MaxMessageRate is 4611686018427387904, must be"},
		"a rate that no number is":      {stack.Props{ThrottlingRate: math.NaN()}, "ThrottlingRate is NaN"},
		"a rate that is no number, too": {stack.Props{ThrottlingRate: math.Inf(1)}, "ThrottlingRate is +Inf"},
	} {
		c.props.Code = "code"
		if _, err := stack.New(nil, "Test", c.props); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestWhatTheCDKKnowsLaterIsTaken: the ARN of a secret of the same app is a token of the CDK
// until the template is written.
func TestWhatTheCDKKnowsLaterIsTaken(t *testing.T) {
	later := "${Token[TOKEN.123]}"
	for _, auth := range []stack.Auth{{SecretARN: later, SecretKeyARN: later}, {JWKSURL: later}, {Issuer: later}} {
		if _, err := stack.New(nil, "Test", stack.Props{Code: "code", Auth: auth}); err == nil || strings.Contains(err.Error(), "Auth") {
			t.Errorf("%+v: %v", auth, err)
		}
	}
}

// TestEveryRetentionIsOneThatFanoutReads: hours in Go's usual form have an exponent from a
// million on, which is no duration.
func TestEveryRetentionIsOneThatFanoutReads(t *testing.T) {
	for _, retention := range []time.Duration{stack.MinChangeRetention, 1_000_000 * time.Hour, math.MaxInt64} {
		template, err := synthesize(t, t.TempDir(), stack.Props{ChangeRetention: retention})
		if err != nil {
			t.Fatal(err)
		}
		all := decode[struct{ Resources map[string]resource }](t, template).Resources
		declared := decode[functionProperties](t, all["Fanout"].Properties).Environment.Variables["LOG_RETENTION"]
		read := settings.SettingsFrom(func(string) string { return refer(t, declared) })
		if got := read.Duration("LOG_RETENTION", watch.MinRetention); got != retention || read.Err() != nil {
			t.Errorf("fan-out reads %s as %s, %v", retention, got, read.Err())
		}
	}
}
