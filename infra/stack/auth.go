package stack

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/jsii-runtime-go"

	"github.com/watchroute/watchroute/shared/authn"
	settings "github.com/watchroute/watchroute/shared/function"
	"github.com/watchroute/watchroute/shared/token"
)

// Auth says whose tokens let clients in. The zero value makes a secret in Secrets
// Manager, with which tokens have to be signed (HS256): nobody gets in who was not
// given a token. Issuer, JWKSURL and SecretARN each name another source of keys instead.
type Auth struct {
	// Issuer is the "iss" of the tokens. Without JWKSURL and SecretARN its keys
	// are found by OpenID Connect discovery.
	Issuer string
	// JWKSURL is where the issuer's keys are: RS256, ES256, EdDSA.
	JWKSURL string
	// SecretARN is a secret in Secrets Manager that is there already, a text of at least
	// 32 bytes: HS256.
	SecretARN string
	// SecretKeyARN is the customer managed KMS key that SecretARN is encrypted with. The
	// functions that read the secret may then decrypt with it, through Secrets Manager
	// only; the key's own policy has to allow that too, if it is another account's. Leave
	// it empty for the key aws/secretsmanager, which needs no grant. An alias is refused,
	// because IAM grants on keys only.
	// Source: https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
	SecretKeyARN string
	// Audience is the "aud" that tokens must have. Empty takes only tokens without.
	Audience string
	// RefuseQueryTokens takes no token out of the URL's query. EventSource and some browser
	// libraries can send it no other way; but URLs end up in histories and proxies' logs.
	RefuseQueryTokens bool
	// RefuseAtHandshake answers all refusals with an HTTP status. Without it a client that
	// offers its token as a subprotocol, as browsers do, is let in with a token that is not
	// valid or is revoked, and with too many connections, to be told so: its first message is
	// answered with the error, and the connection is closed. A browser shows a page no status.
	RefuseAtHandshake bool
	// OpenToEveryone lets everyone watch and publish everything, without any token.
	OpenToEveryone bool
}

// keyARN is the ARN of a key, not of an alias.
// Source: https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#key-id-key-ARN
var keyARN = regexp.MustCompile(`^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$`)

// sources are whose tokens functions take, as they check it themselves.
func (a Auth) sources() authn.Sources {
	return authn.Sources{Issuer: a.Issuer, JWKSURL: a.JWKSURL, Secret: a.SecretARN, Audience: a.Audience}
}

func (a Auth) faults() []error {
	if a.OpenToEveryone {
		if a != (Auth{OpenToEveryone: true}) {
			return []error{errors.New("Auth is open to everyone and says whose tokens are taken, too")}
		}
		return nil
	}
	faults := a.keyFaults()
	if n := len(a.Issuer) + len(a.JWKSURL) + len(a.SecretARN) + len(a.Audience); n > maxAuth {
		faults = append(faults, fmt.Errorf("Auth takes %d bytes, more than %d", n, maxAuth))
	}
	if a.generates() {
		return faults
	}
	known := a.sources()
	for text, standIn := range map[*string]string{&known.Issuer: "https://issuer.invalid", &known.JWKSURL: "https://keys.invalid", &known.Secret: "arn:aws:secretsmanager:eu-west-1:111122223333:secret:later-AbCdEf"} {
		if unresolved(*text) {
			*text = standIn
		}
	}
	faults = append(faults, about("Auth", known.Check())...)
	if address := cmp.Or(known.JWKSURL, known.Issuer); known.Secret == "" && token.OnThisMachine(address) {
		faults = append(faults, fmt.Errorf("Auth: %q is on the machine itself, where functions on AWS find nothing", address))
	}
	if arn := known.Secret; arn != "" && !secretARN.MatchString(arn) {
		faults = append(faults, fmt.Errorf("Auth.SecretARN is %q, not the whole ARN of a secret in Secrets Manager, which ends in a hyphen and six characters: a grant on it would allow nothing", arn))
	}
	return faults
}

// keyFaults are those of the secret's key.
func (a Auth) keyFaults() []error {
	switch {
	case a.SecretKeyARN == "":
	case a.SecretARN == "":
		return []error{errors.New("Auth names a secret's key without a secret")}
	case !unresolved(a.SecretKeyARN) && !keyARN.MatchString(a.SecretKeyARN):
		return []error{fmt.Errorf("Auth.SecretKeyARN is %q, not the ARN of a KMS key", a.SecretKeyARN)}
	}
	if key, secret := regionOf(a.SecretKeyARN), regionOf(a.SecretARN); key != "" && secret != "" && key != secret {
		return []error{fmt.Errorf("Auth.SecretKeyARN is of %s, and the secret of %s: Secrets Manager takes keys of its own Region", key, secret)}
	}
	return nil
}

// secretARN is a secret's ARN with what Secrets Manager adds to its name.
// Source: https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_iam-permissions.html
var secretARN = regexp.MustCompile(`^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]{1,512}-[A-Za-z0-9]{6}$`)

// maxAuth is how long the texts of Auth may be together, in bytes. With maxOrigins and the
// names of tables that is less than the 4 KB that Lambda takes for all environment variables.
const maxAuth = 1 << 10

// unresolved reports whether a text is one that the CDK knows when it synthesizes, such as the
// ARN of another construct's secret. It cannot be checked before.
// Source: https://docs.aws.amazon.com/cdk/v2/guide/tokens.html
func unresolved(text string) bool { return strings.Contains(text, "${Token[") }

// about says of which setting an error is, if there is one.
func about(setting string, err error) []error {
	if err == nil {
		return nil
	}
	return []error{fmt.Errorf("%s: %w", setting, err)}
}

// generates reports whether the stack makes its own secret.
func (a Auth) generates() bool {
	return !a.OpenToEveryone && a.Issuer == "" && a.JWKSURL == "" && a.SecretARN == ""
}

// authentication is what functions need to verify tokens.
type authentication struct {
	secret      *string // its ARN; nil if tokens are signed with keys
	environment map[string]*string
	grants      []grant
}

// newAuthentication declares what tokens are verified with; nil if they are not.
func newAuthentication(stack awscdk.Stack, props Props, t tables) *authentication {
	a := props.Auth
	if a.OpenToEveryone {
		return nil
	}
	declared := &authentication{
		environment: map[string]*string{settings.RevocationsTable: t.revocations.Ref()},
		grants:      []grant{allow(t.revocations.AttrArn(), "dynamodb:BatchGetItem")},
	}
	if a.generates() {
		declared.secret = newSecret(stack, "TokenSecret", "Signs the tokens that clients connect with (HS256)").Ref()
	} else if a.SecretARN != "" {
		declared.secret = jsii.String(a.SecretARN)
	}
	if declared.secret != nil {
		declared.environment[settings.TokenSecretARN] = declared.secret
		declared.grants = append(declared.grants, allow(declared.secret, "secretsmanager:GetSecretValue"))
	}
	if a.SecretKeyARN != "" {
		declared.grants = append(declared.grants, allow(jsii.String(a.SecretKeyARN), "kms:Decrypt").when(throughSecretsManager()))
	}
	for name, value := range map[string]string{settings.TokenIssuer: a.Issuer, settings.TokenJWKSURL: a.JWKSURL, settings.TokenAudience: a.Audience} {
		if value != "" {
			declared.environment[name] = jsii.String(value)
		}
	}
	return declared
}

// throughSecretsManager is true of the calls of KMS that Secrets Manager makes for a caller.
// Source: https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service
func throughSecretsManager() map[string]any {
	return map[string]any{"StringEquals": map[string]any{"kms:ViaService": sub("secretsmanager.${AWS::Region}.amazonaws.com")}}
}

func authorizerFunction(a authentication, props Props) function {
	return function{
		name: authorizer, description: "Decides who may connect, by their tokens", memory: 256, timeout: requestTimeout,
		environment: merged(a.environment, originSettings(props), map[string]*string{
			settings.RefuseInside: jsii.String(trueOrFalse(!props.Auth.RefuseAtHandshake)),
			settings.TokenInQuery: jsii.String(trueOrFalse(!props.Auth.RefuseQueryTokens)),
		}),
		grants: a.grants,
	}
}

func trueOrFalse(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

// merged puts settings together.
func merged(all ...map[string]*string) map[string]*string {
	sum := map[string]*string{}
	for _, some := range all {
		maps.Copy(sum, some)
	}
	return sum
}

// newAuthorizer declares the authorizer, which has no identity sources: the token may be
// in one of several places, of which API Gateway would demand all.
func newAuthorizer(stack awscdk.Stack, api awsapigatewayv2.CfnApi, target awslambda.CfnFunction) awsapigatewayv2.CfnAuthorizer {
	declared := awsapigatewayv2.NewCfnAuthorizer(stack, jsii.String("TokenAuthorizer"), &awsapigatewayv2.CfnAuthorizerProps{
		ApiId:          api.Ref(),
		Name:           jsii.String("tokens"),
		AuthorizerType: jsii.String("REQUEST"),
		AuthorizerUri:  sub(invocationURI(authorizer)),
	})
	newInvokePermission(stack, "TokenAuthorizerPermission", target,
		"arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/authorizers/${TokenAuthorizer}")
	return declared
}
