package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/watchroute/watchroute/localstack/issuer"
	"github.com/watchroute/watchroute/shared/token"
)

// How tokens are made hard to live with. The service takes a token for a minute after it
// has expired, for clocks that differ, and bears with its connection for another; so one
// that expired some time ago gets in, and lapses soon after.
const (
	lapsing  = 0.2 // of the tokens
	noToken  = 0.2 // of the times that one is asked for
	longAgo  = 55 * time.Second
	lapsesIn = 15 * time.Second // at random, from 5 seconds on
)

// everything is the grant of a watcher.
const everything = `{"v":1,"allow":[{"topics":["chaos/*"],"actions":["subscribe","read"]}]}`

// rejoining is the grant of a rejoiner, who publishes too.
const rejoining = `{"v":1,"allow":[{"topics":["chaos/*"],"actions":["subscribe","read"]},{"topics":["rejoin/{sub}"],"actions":["publish"]}]}`

// errNoToken is an issuer that does not answer.
var errNoToken = errors.New("no token this time")

// wallet gives one watcher its tokens, all with the same grant.
type wallet struct {
	issuer  issuer.Issuer
	subject string
	grant   string
	sound   bool // gives good tokens only

	mu      sync.Mutex
	random  *rand.Rand
	expired int64 // tokens given that lapse soon
}

func (w *wallet) token(context.Context) (string, error) {
	text, _, err := w.fresh()
	return text, err
}

// fresh gives a token and the time at which it expires.
func (w *wallet) fresh() (text string, expires time.Time, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.sound && w.random.Float64() < noToken {
		return "", time.Time{}, errNoToken
	}
	t := token.Token{Subject: w.subject, Issued: time.Now().Add(-time.Hour), Expires: time.Now().Add(time.Hour), Claim: []byte(w.grant)}
	if !w.sound && w.random.Float64() < lapsing {
		w.expired++
		t.Expires = time.Now().Add(time.Duration(w.random.Int64N(int64(lapsesIn))) - longAgo)
	}
	text, err = w.issuer.Sign(t)
	return text, t.Expires, err
}

// gave counts the tokens given that lapse soon.
func (w *wallet) gave() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.expired
}
