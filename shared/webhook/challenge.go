package webhook

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/events/exactjson"
)

var errNotRepeated = errors.New("the answer does not repeat the challenge")

// challenge is the body of the question.
type challenge struct {
	Type      string `json:"type"`
	Challenge string `json:"challenge"`
}

// Challenge asks whether the receiver wants what comes. It posts a signed message,
// {"type":"challenge","challenge":"…"} with a random text. The answer must be 2xx and have that text
// as the member "challenge" of a JSON object, or as its whole body. Otherwise the error is a *Failure.
func (c *Client) Challenge(ctx context.Context, to Endpoint) error {
	text := rand.Text()
	question, err := events.Marshal(challenge{"challenge", text})
	if err != nil {
		return &Failure{Cause: err}
	}
	a, err := c.post(ctx, to, Message{ID: "challenge_" + rand.Text(), ContentType: "application/json", Body: question})
	if err == nil && !repeats(a.body, text) {
		err = &Failure{Status: a.status, Body: shown(a.body), Cause: errNotRepeated}
	}
	return err
}

func repeats(body []byte, text string) bool {
	var object struct {
		Challenge string `json:"challenge"`
	}
	return string(bytes.TrimSpace(body)) == text || exactjson.Unmarshal(body, &object) == nil && object.Challenge == text
}
