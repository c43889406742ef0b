package watch_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchroute/watchroute/shared/watch"
)

func TestHits(t *testing.T) {
	before := time.Unix(1_770_660_703, 0)
	for name, c := range map[string]struct {
		revoked, token string
		issued         time.Time
		want           bool
	}{
		"all tokens":                {watch.AnyToken, "t1", before.Add(-time.Hour), true},
		"all, also one without id":  {watch.AnyToken, "", before.Add(-time.Hour), true},
		"this token":                {"t1", "t1", before.Add(-time.Hour), true},
		"another token":             {"t1", "t2", before.Add(-time.Hour), false},
		"one without id":            {"t1", "", before.Add(-time.Hour), false},
		"issued at that second":     {watch.AnyToken, "t1", before, true},
		"issued a second later":     {watch.AnyToken, "t1", before.Add(time.Second), false},
		"later in that second":      {watch.AnyToken, "t1", before.Add(999 * time.Millisecond), true},
		"this, at that second":      {"t1", "t1", before, true},
		"this, a second later":      {"t1", "t1", before.Add(time.Second), false},
		"of which nothing is known": {watch.AnyToken, "", time.Time{}, true},
	} {
		r := watch.Revocation{Subject: "s", TokenID: c.revoked, Before: before}
		if got := r.Hits(watch.Access{TokenID: c.token, Issued: c.issued}); got != c.want {
			t.Errorf("%s: hit %t, want %t", name, got, c.want)
		}
	}
}

const revokedFrame = `{"type":"error","code":"revoked","message":"the token is revoked"}`

// holding gives connections of the subject s that were made with a token.
func holding(token string, ids ...watch.ConnectionID) []watch.Connection {
	var all []watch.Connection
	for _, id := range ids {
		all = append(all, watch.Connection{Key: watch.Key{Subject: "s", ID: id}, Access: watch.Access{TokenID: token, Issued: time.Unix(100, 0)}})
	}
	return all
}

func TestRevokeCutsOff(t *testing.T) {
	for token, want := range map[string][]watch.ConnectionID{
		watch.AnyToken: {"1", "2", "3"},
		"t1":           {"1", "2"},
		"t2":           {"3"},
		"t3":           nil,
	} {
		m := &memoryWatchers{connections: append(holding("t1", "1", "2"), holding("t2", "3")...)}
		m.connections = append(m.connections, watch.Connection{Key: watch.Key{Subject: "other", ID: "4"}})
		closed, err := watch.Revoker{Connections: m, Poster: m}.Revoke(t.Context(), watch.Revocation{Subject: "s", TokenID: token, Before: time.Unix(100, 0)})
		if err != nil || closed != len(want) {
			t.Errorf("%s: %d are closed, %v", token, closed, err)
		}
		if !slices.Equal(m.closed, want) || !slices.Equal(m.forgotten, want) || len(m.posts) != len(want) {
			t.Errorf("%s: closed %q, forgotten %q, told %v; want %q", token, m.closed, m.forgotten, m.posts, want)
		}
		for _, id := range want {
			if got := m.posts[id]; !slices.Equal(got, []string{revokedFrame}) {
				t.Errorf("%s: %s was told %q", token, id, got)
			}
		}
	}
}

// TestRevokeGoesOn past those who are gone, who cannot be told, and who cannot be
// closed. Only the last are kept, to be closed when the revocation comes again.
func TestRevokeGoesOn(t *testing.T) {
	m := &memoryWatchers{
		connections: holding("t1", "gone", "deaf", "unclosed", "well"),
		answers:     map[watch.ConnectionID]error{"gone": watch.ErrGone, "deaf": errors.New("throttled")},
		unclosed:    map[watch.ConnectionID]error{"unclosed": errors.New("not closed")},
	}
	_, err := watch.Revoker{Connections: m, Poster: m}.Revoke(t.Context(), watch.Revocation{Subject: "s", TokenID: "t1", Before: time.Unix(100, 0)})
	if err == nil || !strings.Contains(err.Error(), "close unclosed: not closed") || strings.Contains(err.Error(), "throttled") {
		t.Errorf("err = %v", err)
	}
	if want := []watch.ConnectionID{"deaf", "well"}; !slices.Equal(m.closed, want) {
		t.Errorf("closed: %q, want %q", m.closed, want)
	}
	if want := []watch.ConnectionID{"gone", "deaf", "well"}; !slices.Equal(m.forgotten, want) {
		t.Errorf("forgotten: %q, want %q", m.forgotten, want)
	}
}

func TestRevokeReportsWhatCannotBeRead(t *testing.T) {
	m := &memoryWatchers{}
	if _, err := (watch.Revoker{Connections: unread{m}, Poster: m}).Revoke(t.Context(), watch.Revocation{Subject: "s"}); !errors.Is(err, errRead) {
		t.Errorf("err = %v", err)
	}
}
