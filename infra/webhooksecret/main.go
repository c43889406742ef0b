// Webhooksecret prints the secret that the messages to a declared webhook are signed with. It reads the
// service's secret from its input:
//
//	aws secretsmanager get-secret-value --secret-id … --query SecretString --output text |
//	  go run ./infra/webhooksecret --name partner
//
// The name is that of stack.Destination. After a rotation of the service's secret it is another one.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/watchroute/watchroute/shared/delivery"
	"github.com/watchroute/watchroute/shared/flags"
	"github.com/watchroute/watchroute/shared/webhook"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "webhooksecret:", err)
		os.Exit(1)
	}
}

func run(args []string, in io.Reader, out io.Writer) error {
	set := flag.NewFlagSet("webhooksecret", flag.ContinueOnError)
	name := set.String("name", "", "`name` of the destination (required)")
	if err := flags.Parse(set, args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	if *name == "" {
		return errors.New("--name is required")
	}
	text, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	secret := strings.TrimRight(string(text), "\r\n")
	if secret == "" {
		return errors.New("the input has no secret")
	}
	_, err = fmt.Fprintln(out, webhook.Secret(webhook.Key([]byte(secret), delivery.Destination{Name: *name}.Signer(), 0)))
	return err
}
