// Token prints a token for a client of the stack that runs on this machine, signed with
// the secret that the stack has made.
//
//	make token SUB=alice TOPICS="stocks/* users/{sub}/**"
//	go run ./localstack/token --sub alice --topics "stocks/*" --actions subscribe,read
//
// For a stack in AWS, give the secret's text instead:
//
//	aws secretsmanager get-secret-value --secret-id … --query SecretString --output text |
//	  go run ./localstack/token --secret - --sub alice --topics "stocks/*"
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/watchroute/watchroute/localstack/issuer"
	"github.com/watchroute/watchroute/shared/flags"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/token"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "token:", err)
		os.Exit(1)
	}
}

// rule is the one rule of the grant.
type rule struct {
	Topics  []string        `json:"topics"`
	Actions []string        `json:"actions"`
	Filter  json.RawMessage `json:"filter,omitempty"`
	Mask    json.RawMessage `json:"mask,omitempty"`
}

func run(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	set := flag.NewFlagSet("token", flag.ContinueOnError)
	subject := set.String("sub", "", "`subject` of the token (required)")
	topics := set.String("topics", "", "`patterns` of the topics that it is for, separated by spaces (required)")
	actions := set.String("actions", "subscribe,read,publish", "what may be done with them")
	filter := set.String("filter", "", "event `pattern` that items must have to be seen")
	mask := set.String("mask", "", `what is left out or replaced, such as {"omit":["secret"]}`)
	id := set.String("id", "", "`id` of the token, to revoke it by")
	life := set.Duration("for", time.Hour, "how long it is valid")
	url := set.String("url", issuer.DefaultURL, "where the stack runs")
	secretFrom := set.String("secret", "", "- reads the secret from the input instead of asking the stack")
	if err := flags.Parse(set, args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	if *subject == "" || *topics == "" {
		return errors.New(`--sub and --topics are required: make token SUB=alice TOPICS="stocks/*"`)
	}
	now := time.Now()
	t := token.Token{Subject: *subject, ID: *id, Issued: now, Expires: now.Add(*life)}
	r := rule{strings.Fields(*topics), strings.Split(*actions, ","), json.RawMessage(*filter), json.RawMessage(*mask)}
	var err error
	if t.Claim, err = claim(r, t.Subject); err != nil {
		return err
	}
	issuer, err := newIssuer(ctx, *secretFrom, in, *url)
	if err != nil {
		return err
	}
	signed, err := issuer.Sign(t)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, signed)
	return err
}

// claim makes the token's grant, which must be one that the service takes.
func claim(r rule, subject string) (json.RawMessage, error) {
	text, err := json.Marshal(map[string]any{"v": 1, "allow": []rule{r}})
	if err != nil {
		return nil, fmt.Errorf("filter or mask: %w", err)
	}
	_, err = grant.Parse(text, subject)
	return text, err
}

// newIssuer signs with the secret that is read from the input, or with that of the stack.
func newIssuer(ctx context.Context, from string, in io.Reader, url string) (issuer.Issuer, error) {
	switch from {
	case "-":
		text, err := io.ReadAll(in)
		return issuer.With(text), err
	case "":
		return issuer.Open(ctx, url)
	}
	return issuer.Issuer{}, errors.New("--secret must be -: a secret in the command line could be seen by others")
}
