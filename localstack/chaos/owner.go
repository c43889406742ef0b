package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"
)

// delivering is the grant of the owner of a destination.
const delivering = `{"v":1,"allow":[{"topics":["chaos/*"],"actions":["deliver","read"]}]}`

// owner manages destinations over HTTP.
type owner struct {
	url    string // before the paths of the REST API
	wallet *wallet
	random *rand.Rand
}

// refused is an answer that says that the request is wrong.
type refused struct {
	status int
	body   string
}

func (r *refused) Error() string { return fmt.Sprintf("answered %d: %.200s", r.status, r.body) }

// call makes a request until it succeeds, or is refused as wrong. An attempt may have been carried out
// although it failed. path gives the path and the body of each attempt.
func (o *owner) call(ctx context.Context, method string, request func() (path string, body any), into any) error {
	for {
		path, body := request()
		status, answer, err := o.attempt(ctx, method, path, body)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil: // the connection broke
		case status/100 == 2 && into != nil:
			return json.Unmarshal(answer, into)
		case status/100 == 2:
			return nil
		case status/100 == 4 && status != http.StatusTooManyRequests:
			return fmt.Errorf("%s %s: %w", method, path, &refused{status, string(answer)})
		}
		pause(ctx, o.random, 500*time.Millisecond)
	}
}

// attempt makes a request once.
func (o *owner) attempt(ctx context.Context, method, path string, body any) (status int, answer []byte, err error) {
	text, err := json.Marshal(body)
	if err != nil {
		return 0, nil, err
	}
	token, err := o.wallet.token(ctx)
	if err != nil {
		return 0, nil, err
	}
	request, err := http.NewRequestWithContext(ctx, method, o.url+"/destinations"+path, bytes.NewReader(text))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(response.Body)
	return response.StatusCode, answer, err
}
