package reply

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/events"
)

// hostile are frames that were once answered wrongly: as an internal error, by more than
// API Gateway takes, or not at all.
func hostile() []string {
	deep := strings.Repeat(`{"a":`, 5_000) + `1` + strings.Repeat(`}`, 5_000)
	return []string{
		`{"action":"subscribe","topic":"a","after":"` + strings.Repeat("\u0080", 60_000) + `"}`,
		`{"action":"subscribe","topic":"a","after":"` + strings.Repeat("e", 100_000) + `:1"}`,
		`{"action":"ping","cursors":{"a":"` + strings.Repeat("\u0080", 60_000) + `"}}`,
		`{"action":"ping","cursors":{"` + strings.Repeat("\u0080", 60_000) + `":":0"}}`,
		`{"action":"snapshot","topic":"a","next":"e:0/` + strings.Repeat("x", 1_025) + `"}`,
		`{"action":"snapshot","topic":"a","next":"` + strings.Repeat("\u0080", 60_000) + `"}`,
		`{"action":"publish","topic":"a","item":{"id":"i","data":` + deep + `}}`,
		`{"action":"publish","topic":"a","item":{"id":"i","data":{"n":1e400}}}`,
		`{"action":"publish","topic":"a","item":{"id":"i","data":{"":1}}}`,
		`{"action":"publish","topic":"a","item":{"id":"i","data":{"` + strings.Repeat("n", 70_000) + `":1}}}`,
		`{"action":"publish","topic":"a","op":"` + strings.Repeat("\u0080", 60_000) + `","item":{"id":"i"}}`,
		`{"action":"subscribe","topic":"a","filter":` + deep + `}`,
		`{"action":"subscribe","topic":"a","filter":{"a":[{"numeric":[">","` + strings.Repeat("\u0080", 400) + `"]}]}}`,
		`{"action":"subscribe","topic":"a","fields":["` + strings.Repeat(`\\.`, 200) + `"]}`,
		`{"action":"` + strings.Repeat("\u0080", 60_000) + `"}`,
		`{"action":"subscribe","topic":"` + strings.Repeat("\u0080", 60_000) + `"}`,
		`{"action":"auth","token":"` + strings.Repeat("\u0080", 60_000) + `"}`,
		`{"action":"subscribe","id":"` + strings.Repeat(`\u0001`, events.MaxRequestIDBytes) + `","topic":"a","after":"x"}`,
		strings.Repeat(`[`, 100_000),
		"\xff\xfe", ``, `null`, `{"action":null,"item":null,"cursors":null}`,
	}
}

// FuzzFrames sends whole frames through the handler and the store. Whatever a client says, it
// is never answered that the service has failed, and never by a frame that API Gateway
// refuses.
func FuzzFrames(f *testing.F) {
	files, err := filepath.Glob("../../events/samples/request.*.json")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, name := range files {
		sample, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(sample))
	}
	for _, frame := range hostile() {
		f.Add(frame)
	}
	h, p, store := newMessage(f)
	h.pace = newPace(1_000_000)
	f.Fuzz(func(t *testing.T, body string) {
		p.frames = nil
		if err := store.Connect(t.Context(), connection()); err != nil { // it may have been forgotten
			t.Fatal(err)
		}
		last := ask(t, t.Context(), h, body)
		for _, frame := range append(p.frames, last) {
			if err := checkFrame(frame); err != nil {
				t.Errorf("%.200q is answered %.200s: %v", body, frame, err)
			}
		}
	})
}

func checkFrame(frame string) error {
	if len(frame) > events.MaxFrameBytes {
		return fmt.Errorf("it has %d bytes", len(frame))
	}
	decoded, err := events.Decode([]byte(frame))
	if err != nil {
		return err
	}
	if refusal, ok := decoded.(*events.Error); ok && (refusal.Code == events.CodeInternal || refusal.Code == events.CodeUnavailable) {
		return refusal
	}
	return nil
}
