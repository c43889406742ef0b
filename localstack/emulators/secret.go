package main

import (
	"context"
	"errors"
	"strings"
)

// punctuation is what AWS counts as such in a generated secret.
// Source: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetRandomPassword.html
const punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"

// secret reads the secret that tokens are signed with, as whoever hands out tokens does.
func (d *deployment) secret(ctx context.Context) (string, error) {
	var got struct{ SecretString string }
	err := d.runAWS(ctx, &got, "secretsmanager", "get-secret-value", "--secret-id", d.physical["TokenSecret"])
	return got.SecretString, err
}

// generated is how the template asks for the secret.
type generated struct {
	GenerateSecretString struct {
		PasswordLength     int
		ExcludePunctuation bool
	}
}

func (d *deployment) secrets(ctx context.Context) (got string, want generated, err error) {
	if err := d.want("TokenSecret", &want); err != nil {
		return "", want, err
	}
	got, err = d.secret(ctx)
	return got, want, err
}

func (d *deployment) secretAsDeclared(ctx context.Context) error {
	got, want, err := d.secrets(ctx)
	return errors.Join(err, same("length of the secret", len(got), 64),
		same("length in our template", want.GenerateSecretString.PasswordLength, 64))
}

// punctuationIsLeftIn is true of an emulator that ignores ExcludePunctuation: of 64
// characters that may be punctuation, one is, but once in 10^11 times.
func (d *deployment) punctuationIsLeftIn(ctx context.Context) error {
	got, want, err := d.secrets(ctx)
	if err != nil {
		return err
	}
	if !want.GenerateSecretString.ExcludePunctuation {
		return errors.New("our template does not exclude punctuation")
	}
	if !strings.ContainsAny(got, punctuation) {
		return errors.New("the secret has no punctuation now: check it as ok")
	}
	return nil
}

// secretIsReferredToByName is true of an emulator whose Ref of a secret is not the ARN.
// That outputs and functions' settings are what the Ref gives, other checks see.
func (d *deployment) secretIsReferredToByName(ctx context.Context) error {
	var got struct{ ARN, Name string }
	if err := d.runAWS(ctx, &got, "secretsmanager", "describe-secret", "--secret-id", d.physical["TokenSecret"]); err != nil {
		return err
	}
	if d.physical["TokenSecret"] == got.ARN {
		return errors.New("the Ref is the ARN now: check it as ok")
	}
	return same("Ref of the secret", d.physical["TokenSecret"], got.Name)
}
