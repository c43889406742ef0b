package token_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/watchroute/watchroute/shared/token"
)

func ExampleNew() {
	verifier, err := token.New(token.Settings{
		Issuer:   "https://example.eu.auth0.com/", // where its keys are is asked at the first token
		Audience: "https://watch.example.com",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = verifier.Verify(context.Background(), "not.a.token")
	fmt.Println(errors.Is(err, token.ErrInvalid), err)
	// Output: true token is invalid: not base64url
}

func ExampleVerifier_Verify() {
	secret := []byte("of 32 bytes at least, by RFC 7518")
	verifier, err := token.New(token.Settings{
		Secrets: func(context.Context) ([][]byte, error) { return [][]byte{secret}, nil },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	raw, err := token.Sign(secret, token.Token{
		Subject: "alice",
		Issued:  time.Now(),
		Expires: time.Now().Add(time.Hour),
		Claim:   []byte(`{"subscribe":["stocks/*"]}`),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	verified, err := verifier.Verify(context.Background(), raw)
	fmt.Println(verified.Subject, string(verified.Claim), err)
	// Output: alice {"subscribe":["stocks/*"]} <nil>
}
