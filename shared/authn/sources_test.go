package authn_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/watchroute/watchroute/shared/authn"
	"github.com/watchroute/watchroute/shared/function"
)

const secretARN = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:app/tokens-AbCdEf"

// TestWhatIsCheckedBeforeADeploymentIsWhatFunctionsCheck: both say the same of each setting,
// so that what is deployed starts.
func TestWhatIsCheckedBeforeADeploymentIsWhatFunctionsCheck(t *testing.T) {
	for name, c := range map[string]struct {
		sources authn.Sources
		want    string // empty: taken
	}{
		"an issuer":                             {authn.Sources{Issuer: "https://id.example"}, ""},
		"an issuer of a tenant":                 {authn.Sources{Issuer: "https://id.example:8443/tenant/", Audience: "us"}, ""},
		"keys at a URL":                         {authn.Sources{JWKSURL: "https://id.example/keys?v=2", Issuer: "compared only"}, ""},
		"a secret":                              {authn.Sources{Secret: secretARN}, ""},
		"a secret's name, which emulators give": {authn.Sources{Secret: "tokens"}, ""},
		"a secret in China":                     {authn.Sources{Secret: strings.Replace(secretARN, "arn:aws:", "arn:aws-cn:", 1)}, ""},
		"nothing":                               {authn.Sources{Audience: "us"}, "none of issuer, JWKS URL and secret"},
		"an issuer without TLS":                 {authn.Sources{Issuer: "http://id.example"}, "not an https URL"},
		"an issuer without scheme":              {authn.Sources{Issuer: "id.example"}, "not an https URL"},
		"an issuer without host":                {authn.Sources{Issuer: "https://:443"}, "not an https URL"},
		"an issuer with a bad port":             {authn.Sources{Issuer: "https://id.example:443443"}, "not an https URL"},
		"an issuer with a blank behind":         {authn.Sources{Issuer: "https://id.example/ "}, "not an https URL"},
		"an issuer with a query":                {authn.Sources{Issuer: "https://id.example?tenant=1"}, "not an https URL"},
		"the configuration's address":           {authn.Sources{Issuer: "https://id.example/.well-known/openid-configuration"}, "without /.well-known/"},
		"the keys' address":                     {authn.Sources{Issuer: "https://id.example/tenant/.well-known/jwks.json"}, "without /.well-known/"},
		"the same, with keys":                   {authn.Sources{Issuer: "https://id.example/.well-known/openid-configuration", JWKSURL: "https://id.example/keys"}, "without /.well-known/"},
		"the folder of the documents":           {authn.Sources{Issuer: "https://id.example/.well-known"}, "without /.well-known/"},
		"keys without TLS":                      {authn.Sources{JWKSURL: "http://id.example/keys"}, "not an https URL"},
		"keys and a secret":                     {authn.Sources{JWKSURL: "https://id.example/keys", Secret: secretARN}, "both a secret and a JWKS URL"},
	} {
		settings := map[string]string{
			"TOKEN_ISSUER": c.sources.Issuer, "TOKEN_JWKS_URL": c.sources.JWKSURL, "TOKEN_SECRET_ARN": c.sources.Secret, "TOKEN_AUDIENCE": c.sources.Audience,
		}
		_, starts := authn.Open(aws.Config{Region: "eu-west-1"}, function.SettingsFrom(func(name string) string { return settings[name] }), nil)
		for where, err := range map[string]error{"deployment": c.sources.Check(), "function": starts} {
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: the %s says %v, want %q", name, where, err, c.want)
			}
		}
	}
}
