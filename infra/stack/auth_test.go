package stack_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/infra/stack"
)

const (
	customersSecret = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:tokens-AbCdEf"
	customersKey    = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
)

// TestSecretOfACustomersKeyIsDecrypted: without the grant GetSecretValue fails for every
// client, because Secrets Manager decrypts with the caller's permissions.
func TestSecretOfACustomersKeyIsDecrypted(t *testing.T) {
	defaultTemplate(t) // skips without Node.js
	template, err := synthesize(t.TempDir(), stack.Props{Auth: stack.Auth{SecretARN: customersSecret, SecretKeyARN: customersKey}})
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
