package console

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/token"
)

// The life of a token: an hour unless told otherwise, and a month at most.
const (
	defaultLife = time.Hour
	longestLife = 30 * 24 * time.Hour
)

// wanted is the token that a page asks for.
type wanted struct {
	Subject string          `json:"sub"`
	ID      string          `json:"id"`      // to revoke it by; may be empty
	Seconds int64           `json:"seconds"` // how long it is valid; defaultLife if 0
	Claim   json.RawMessage `json:"claim"`   // the grant
}

// token signs a token. The service would refuse what is refused here.
func (o Options) token(r *http.Request, body []byte) (any, error) {
	var w wanted
	if err := read(body, &w); err != nil {
		return nil, err
	}
	life := time.Duration(w.Seconds) * time.Second
	if w.Seconds == 0 {
		life = defaultLife
	}
	if w.Seconds < 0 || w.Seconds > int64(longestLife/time.Second) {
		return nil, refuse(http.StatusBadRequest, "seconds is %d, not a number from 1 to %d", w.Seconds, longestLife/time.Second)
	}
	if _, err := grant.Parse(w.Claim, w.Subject); err != nil {
		return nil, refuse(http.StatusBadRequest, "%w", err)
	}
	secret, err := o.Secret(r.Context())
	if err != nil {
		return nil, err
	}
	if len(secret) == 0 {
		return nil, refuse(http.StatusConflict, "the stack's tokens are not signed with a secret")
	}
	now := time.Now()
	signed, err := token.Sign(secret, token.Token{Subject: w.Subject, ID: w.ID, Issued: now, Expires: now.Add(life), Claim: w.Claim})
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "%w", err)
	}
	return map[string]any{"token": signed, "expires": now.Add(life).UTC().Truncate(time.Second)}, nil
}
