package authn

import (
	"context"

	"github.com/watchroute/watchroute/shared/token"
)

// Sources say whose tokens are taken, as a deployment has it. What is empty is not set.
type Sources struct {
	Issuer, JWKSURL, Audience string
	Secret                    string // the ARN of a secret in Secrets Manager, or its name
}

// Check reports everything for which no function would start. A deployment asks it before
// anything is made, and each function that verifies tokens when it starts. It does not reach
// out.
func (s Sources) Check() error {
	t := token.Settings{Issuer: s.Issuer, JWKSURL: s.JWKSURL, Audience: s.Audience}
	if s.Secret != "" {
		t.Secrets = func(context.Context) ([][]byte, error) { return nil, nil } // is not read for a check
	}
	return t.Check()
}
