package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// punctuation is what AWS counts as such in a generated secret.
// Source: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetRandomPassword.html
const punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"

// secrets are the template's, by logical id, in order.
var secrets = []string{"ServiceSecret", "TokenSecret"}

// tokenSecret reads the secret that tokens are signed with, as whoever hands out tokens does.
func (d *deployment) tokenSecret(ctx context.Context) (string, error) {
	return d.secret(ctx, "TokenSecret")
}

// secret reads a secret by its logical id.
func (d *deployment) secret(ctx context.Context, id string) (string, error) {
	var got struct{ SecretString string }
	err := d.runAWS(ctx, &got, "secretsmanager", "get-secret-value", "--secret-id", d.physical[id])
	return got.SecretString, err
}

// generated is how the template asks for a secret.
type generated struct {
	GenerateSecretString struct {
		PasswordLength     int
		ExcludePunctuation bool
	}
}

func (d *deployment) secretsAsDeclared(ctx context.Context) error {
	faults := []error{same("secrets", d.Template.IDs("AWS::SecretsManager::Secret"), secrets)}
	for _, id := range secrets {
		var want generated
		got, err := d.secret(ctx, id)
		faults = append(faults, err, d.want(id, &want), same("length of "+id, len(got), 64),
			same("length of "+id+" in our template", want.GenerateSecretString.PasswordLength, 64))
	}
	return errors.Join(faults...)
}

func (d *deployment) punctuationIsExcluded(ctx context.Context) error {
	var faults []error
	for _, id := range secrets {
		got, err := d.secret(ctx, id)
		faults = append(faults, err, same("punctuation in "+id, strings.ContainsAny(got, punctuation), false))
	}
	return errors.Join(faults...)
}

// punctuationIsLeftIn is true of an emulator that ignores ExcludePunctuation: of 64
// characters that may be punctuation, one is, but once in 10^11 times.
func (d *deployment) punctuationIsLeftIn(ctx context.Context) error {
	for _, id := range secrets {
		var want generated
		got, err := d.secret(ctx, id)
		if err := errors.Join(err, d.want(id, &want)); err != nil {
			return err
		}
		if !want.GenerateSecretString.ExcludePunctuation {
			return fmt.Errorf("our template does not exclude punctuation of %s", id)
		}
		if !strings.ContainsAny(got, punctuation) {
			return fmt.Errorf("%s has no punctuation now: check it as ok", id)
		}
	}
	return nil
}

func (d *deployment) secretsAreReferredToByARN(ctx context.Context) error {
	var faults []error
	for _, id := range secrets {
		var got struct{ ARN string }
		err := d.runAWS(ctx, &got, "secretsmanager", "describe-secret", "--secret-id", d.physical[id])
		faults = append(faults, err, same("Ref of "+id, d.physical[id], got.ARN))
	}
	return errors.Join(faults...)
}

// secretsAreReferredToByName is true of an emulator whose Ref of a secret is not the ARN.
// That outputs and functions' settings are what the Ref gives, other checks see.
func (d *deployment) secretsAreReferredToByName(ctx context.Context) error {
	for _, id := range secrets {
		var got struct{ ARN, Name string }
		if err := d.runAWS(ctx, &got, "secretsmanager", "describe-secret", "--secret-id", d.physical[id]); err != nil {
			return err
		}
		if d.physical[id] == got.ARN {
			return fmt.Errorf("the Ref of %s is the ARN now: check it as ok", id)
		}
		if err := same("Ref of "+id, d.physical[id], got.Name); err != nil {
			return err
		}
	}
	return nil
}
