package authn

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/watchroute/watchroute/shared/function"
	"github.com/watchroute/watchroute/shared/secret"
	"github.com/watchroute/watchroute/shared/token"
	"github.com/watchroute/watchroute/shared/watch"
)

// Open makes an authenticator by a function's settings:
//
//	TOKEN_ISSUER      who issues the tokens; without the next two, where its keys are found
//	TOKEN_JWKS_URL    where its keys are
//	TOKEN_SECRET_ARN  the secret in Secrets Manager that tokens are signed with, instead:
//	                  its current version or the one before
//	TOKEN_AUDIENCE    whom the tokens are for
//
// Each may be missing, as far as package token can do without. It does not reach out.
func Open(cfg aws.Config, settings *function.Settings, revocations watch.Revocations) (Authenticator, error) {
	s := token.Settings{
		Issuer:   settings.Optional(function.TokenIssuer),
		JWKSURL:  settings.Optional(function.TokenJWKSURL),
		Audience: settings.Optional(function.TokenAudience),
	}
	arn := settings.Optional(function.TokenSecretARN)
	if err := (Sources{Issuer: s.Issuer, JWKSURL: s.JWKSURL, Secret: arn, Audience: s.Audience}).Check(); err != nil {
		return Authenticator{}, fmt.Errorf("settings of tokens: %w", err)
	}
	if arn != "" {
		s.Secrets = secret.Open(cfg, arn).Versions
	}
	verifier, err := token.New(s)
	if err != nil {
		return Authenticator{}, fmt.Errorf("settings of tokens: %w", err)
	}
	return Authenticator{Verifier: verifier, Revocations: revocations}, nil
}
