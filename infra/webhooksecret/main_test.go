package main

import (
	"strings"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/watchroute/watchroute/shared/webhook"
)

// TestTheSecretIsThatOfTheName: the reference library takes it, with the line end of the AWS CLI or without.
func TestTheSecretIsThatOfTheName(t *testing.T) {
	service := strings.Repeat("s", 32)
	for _, input := range []string{service, service + "\n", service + "\r\n"} {
		var out strings.Builder
		if err := run([]string{"--name", "partner"}, strings.NewReader(input), &out); err != nil {
			t.Fatal(err)
		}
		secret := strings.TrimSpace(out.String())
		if want := webhook.Secret(webhook.Key([]byte(service), "declared/partner", 0)); secret != want {
			t.Errorf("it prints %s, want %s", secret, want)
		}
		if _, err := standardwebhooks.NewWebhook(secret); err != nil {
			t.Error(err)
		}
	}
}

func TestWhatIsMissingIsSaid(t *testing.T) {
	for want, args := range map[string][]string{"--name is required": nil, "no secret": {"--name", "a"}, "not defined": {"--nam", "a"}} {
		var out strings.Builder
		if err := run(args, strings.NewReader("\n"), &out); err == nil || !strings.Contains(err.Error(), want) || out.Len() > 0 {
			t.Errorf("%q says %v and prints %q", args, err, out.String())
		}
	}
}
