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
		"an issuer":                          {authn.Sources{Issuer: "https://id.example"}, ""},
		"an issuer of a tenant":              {authn.Sources{Issuer: "https://id.example:8443/tenant/", Audience: "us"}, ""},
		"keys at a URL":                      {authn.Sources{JWKSURL: "https://id.example/keys?v=2", Issuer: "compared only"}, ""},
		"a secret":                           {authn.Sources{SecretARN: secretARN}, ""},
		"a secret in China":                  {authn.Sources{SecretARN: strings.Replace(secretARN, "arn:aws:", "arn:aws-cn:", 1)}, ""},
		"nothing":                            {authn.Sources{Audience: "us"}, "none of issuer, JWKS URL and secret"},
		"an issuer without TLS":              {authn.Sources{Issuer: "http://id.example"}, "not an https URL"},
		"an issuer without scheme":           {authn.Sources{Issuer: "id.example"}, "not an https URL"},
		"an issuer without host":             {authn.Sources{Issuer: "https://:443"}, "not an https URL"},
		"an issuer with a bad port":          {authn.Sources{Issuer: "https://id.example:443443"}, "not an https URL"},
		"an issuer with a blank behind":      {authn.Sources{Issuer: "https://id.example/ "}, "not an https URL"},
		"an issuer with a query":             {authn.Sources{Issuer: "https://id.example?tenant=1"}, "not an https URL"},
		"the configuration's address":        {authn.Sources{Issuer: "https://id.example/.well-known/openid-configuration"}, "without /.well-known/"},
		"the keys' address":                  {authn.Sources{Issuer: "https://id.example/tenant/.well-known/jwks.json"}, "without /.well-known/"},
		"the same, with keys":                {authn.Sources{Issuer: "https://id.example/.well-known/openid-configuration", JWKSURL: "https://id.example/keys"}, "without /.well-known/"},
		"the folder of the documents":        {authn.Sources{Issuer: "https://id.example/.well-known"}, "without /.well-known/"},
		"keys without TLS":                   {authn.Sources{JWKSURL: "http://id.example/keys"}, "not an https URL"},
		"keys and a secret":                  {authn.Sources{JWKSURL: "https://id.example/keys", SecretARN: secretARN}, "both a secret and a JWKS URL"},
		"a secret's name":                    {authn.Sources{SecretARN: "not-an-arn"}, "not the ARN of a secret"},
		"the ARN of something else":          {authn.Sources{SecretARN: "arn:aws:ssm:eu-west-1:111122223333:parameter/tokens"}, "not the ARN of a secret"},
		"a secret of no account":             {authn.Sources{SecretARN: "arn:aws:secretsmanager:eu-west-1::secret:tokens-AbCdEf"}, "not the ARN of a secret"},
		"two secrets":                        {authn.Sources{SecretARN: secretARN + "," + secretARN}, "not the ARN of a secret"},
		"the secret itself, which is quoted": {authn.Sources{SecretARN: "0123456789abcdef0123456789abcdef"}, "not the ARN of a secret"},
	} {
		settings := map[string]string{
			"TOKEN_ISSUER": c.sources.Issuer, "TOKEN_JWKS_URL": c.sources.JWKSURL, "TOKEN_SECRET_ARN": c.sources.SecretARN, "TOKEN_AUDIENCE": c.sources.Audience,
		}
		_, starts := authn.Open(aws.Config{Region: "eu-west-1"}, function.SettingsFrom(func(name string) string { return settings[name] }), nil)
		for where, err := range map[string]error{"deployment": c.sources.Check(), "function": starts} {
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: the %s says %v, want %q", name, where, err, c.want)
			}
		}
	}
}
