// Package inspector is the only place that knows the local stack's receiver of webhooks. It lets a
// developer see deliveries without a server of their own.
//
//	POST /_localstack/webhooks                       takes a message, and answers a challenge
//	POST /_localstack/webhooks?status=500&times=3    answers 500 to the first three attempts of each message
//	GET  /_localstack/webhooks                       the last hundred attempts: a page, or JSON
package inspector

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	_ "embed"

	"github.com/watchroute/watchroute/shared/webhook"
)

// Path is where the inspector is.
const Path = "/_localstack/webhooks"

const (
	kept     = 100     // attempts
	maxBytes = 4 << 20 // of a body
)

// Attempt is a message as it came.
type Attempt struct {
	At      time.Time       `json:"at"`
	ID      string          `json:"id"`
	Try     int             `json:"try"`    // 1 for the first attempt of the message
	Status  int             `json:"status"` // that it was answered with
	Signed  string          `json:"signed"` // by which destination; empty if the signature is not valid
	Type    string          `json:"type"`   // of the content
	Body    json.RawMessage `json:"body"`
	Summary string          `json:"-"`
}

// Keys gives the keys of all destinations, by their ids.
type Keys func(context.Context) (map[string][][]byte, error)

// Inspector receives webhooks. Safe for concurrent use.
type Inspector struct {
	keys Keys

	mu       sync.Mutex
	attempts []Attempt      // the latest first
	tries    map[string]int // by message
}

// New makes an inspector.
func New(keys Keys) *Inspector { return &Inspector{keys: keys, tries: map[string]int{}} }

func (i *Inspector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodPost:
		i.receive(w, r)
	case http.MethodGet:
		i.show(w, r)
	default:
		w.Header().Set("Allow", "GET, POST")
		http.Error(w, "GET shows what came, POST receives", http.StatusMethodNotAllowed)
	}
}

// receive takes a message.
func (i *Inspector) receive(w http.ResponseWriter, r *http.Request) {
	failing, times, err := failure(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBytes))
	if err != nil || !json.Valid(body) {
		http.Error(w, fmt.Sprintf("the body is not JSON of up to %d bytes", maxBytes), http.StatusBadRequest)
		return
	}
	var challenge struct{ Type, Challenge string }
	asked := json.Unmarshal(body, &challenge) == nil && challenge.Type == "challenge"
	a := Attempt{At: time.Now(), ID: r.Header.Get("webhook-id"), Status: http.StatusOK, Type: r.Header.Get("Content-Type"), Body: body}
	if a.Signed, err = i.signer(r, body); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	i.keep(&a, func(try int) int {
		if failing != 0 && !asked && try <= times {
			return failing
		}
		return http.StatusOK
	})
	w.WriteHeader(a.Status)
	if asked {
		_, _ = io.WriteString(w, challenge.Challenge) // the sender may be gone
	}
}

// failure reads how often the first attempts of each message are to fail, and with which status.
func failure(r *http.Request) (status, times int, err error) {
	query := r.URL.Query()
	if !query.Has("status") {
		return 0, 0, nil
	}
	status, err = strconv.Atoi(query.Get("status"))
	if err != nil || status < 300 || status > 599 {
		return 0, 0, fmt.Errorf("status is %q, not a number from 300 to 599", query.Get("status"))
	}
	times = 1 << 30
	if query.Has("times") {
		if times, err = strconv.Atoi(query.Get("times")); err != nil || times < 0 {
			return 0, 0, fmt.Errorf("times is %q, not a number", query.Get("times"))
		}
	}
	return status, times, nil
}

// signer gives the destination whose key has signed a message; empty if none has.
func (i *Inspector) signer(r *http.Request, body []byte) (string, error) {
	all, err := i.keys(r.Context())
	if err != nil {
		return "", fmt.Errorf("read the keys of destinations: %w", err)
	}
	for id, keys := range all {
		if webhook.Verify(keys, r.Header, body) {
			return id, nil
		}
	}
	return "", nil
}

// keep keeps an attempt, with the status that it is answered with.
func (i *Inspector) keep(a *Attempt, status func(try int) int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.tries[a.ID]++
	a.Try = i.tries[a.ID]
	a.Status = status(a.Try)
	i.attempts = slices.Insert(i.attempts, 0, *a)
	for len(i.attempts) > kept {
		gone := i.attempts[kept].ID
		i.attempts = i.attempts[:kept]
		if !slices.ContainsFunc(i.attempts, func(a Attempt) bool { return a.ID == gone }) {
			delete(i.tries, gone)
		}
	}
}

//go:embed page.html
var pageText string

var page = template.Must(template.New("").Parse(pageText))

// show answers with what came: a page to a browser, and JSON to others.
func (i *Inspector) show(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	attempts := slices.Clone(i.attempts)
	i.mu.Unlock()
	w.Header().Set("Cache-Control", "no-store")
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"attempts": append([]Attempt{}, attempts...)}) // the client may be gone
		return
	}
	for n := range attempts {
		var pretty bytes.Buffer
		_ = json.Indent(&pretty, attempts[n].Body, "", "  ") // it is valid
		attempts[n].Summary = pretty.String()
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	_ = page.Execute(w, map[string]any{"Attempts": attempts, "Path": Path, "Host": r.Host})
}
