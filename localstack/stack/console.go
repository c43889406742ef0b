package stack

import (
	"context"
	"io/fs"

	"github.com/watchroute/watchroute/localstack/console"
	"github.com/watchroute/watchroute/localstack/examples/chat"
	"github.com/watchroute/watchroute/localstack/examples/ticker"
)

// examples are what the console serves below /examples/, each with the files of its folder.
var examples = map[string]fs.FS{"chat": chat.Files, "ticker": ticker.Files}

// console is what the console has to show.
func (s *Stack) console() console.Options {
	return console.Options{Examples: examples, Ready: s.ready.Load, Secret: s.tokenSecret}
}

// tokenSecret reads the secret that signs tokens; nil if the template has none.
func (s *Stack) tokenSecret(ctx context.Context) ([]byte, error) {
	arn := s.Outputs["TokenSecretArn"]
	if arn == "" {
		return nil, nil
	}
	text, err := s.secretText(ctx, arn)
	return []byte(text), err
}

// secretText reads a secret.
func (s *Stack) secretText(ctx context.Context, arn string) (string, error) {
	var value struct{ SecretString string }
	err := call(ctx, s.secrets.Service(), "GetSecretValue", map[string]any{"SecretId": arn}, &value)
	return value.SecretString, err
}
