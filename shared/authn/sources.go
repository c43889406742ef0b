package authn

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/watchroute/watchroute/shared/token"
)

// Sources say whose tokens are taken, as a deployment has it. What is empty is not set.
type Sources struct{ Issuer, JWKSURL, SecretARN, Audience string }

// Check reports everything for which no function would start. A deployment asks it before
// anything is made, and each function that verifies tokens when it starts. It does not reach
// out.
func (s Sources) Check() error {
	t := token.Settings{Issuer: s.Issuer, JWKSURL: s.JWKSURL, Audience: s.Audience}
	var wrong error
	if s.SecretARN != "" {
		t.Secrets = func(context.Context) ([][]byte, error) { return nil, nil } // is not read for a check
		wrong = checkSecretARN(s.SecretARN)
	}
	return errors.Join(t.Check(), wrong)
}

// secretARN is the ARN of a secret in Secrets Manager, whole or without the six characters
// that Secrets Manager adds to the name.
//
// Source: https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_iam-permissions.html
var secretARN = regexp.MustCompile(`^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]{1,519}$`)

func checkSecretARN(arn string) error {
	if !secretARN.MatchString(arn) {
		return fmt.Errorf("secret %q is not the ARN of a secret in Secrets Manager", arn)
	}
	return nil
}
