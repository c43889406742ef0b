package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// edit is a change of one source file, which is made for one build and never on disk.
type edit struct {
	file     string // below the module's folder
	old, new string // old stands in it once
}

// unordered makes requests of a connection count in the order in which functions get them.
var unordered = []edit{
	{"shared/watch/order.go", `		return Order(r.Order)`, `		return Order(time.Now().UnixNano())`},
	{"shared/watch/order.go", `	at := m.Time.UnixMilli()*`, `	at := time.Now().UnixMilli()*`},
}

// mutant is the service, broken in one place.
type mutant struct {
	name  string
	what  string
	edits []edit
	shape string // the flag of the run that must catch it; empty for the usual one
}

// hooks are the flags of a run with webhooks that is large enough for a mutant.
const hooks = "--webhooks --watchers 20 --changes 1600"

// scripts are the flags of a run with clients in JavaScript.
const scripts = "--browser node --watchers 50 --changes 2000"

// mutants are all mutants. A chaos run that does not catch them proves nothing.
var mutants = []mutant{
	{"numbering", "the head is moved without its condition, so that two fan-outs may give one number twice", []edit{
		{"shared/dynamo/changes.go", `"attribute_not_exists(topic)"`, `"attribute_not_exists(nothing)"`},
		{"shared/dynamo/changes.go", `"#last = :fromLast AND epoch = :fromEpoch AND "`, `"(#last <> :fromEpoch OR epoch <> :fromLast) AND "`},
	}, ""},
	{"lock", "a change's row is put where another has the number already", []edit{
		{"shared/dynamo/append.go", `"attribute_not_exists(seq)"`, `"attribute_not_exists(nothing)"`},
	}, ""},
	{"healing", "the client does not ask for what is missing while it is connected", []edit{
		{"shared/client/probe.go", `return w.probe.next(w.order.behind())`, `return time.Time{}`},
	}, ""},
	{"resume", "the client comes back without its cursor", []edit{
		{"shared/client/watch.go", `After: w.order.cursor.String(), View: w.viewID}`, `View: w.viewID}`},
	}, ""},
	{"repeats", "the client does not drop what it has seen", []edit{
		{"shared/client/order.go", `other.Op != events.Skipped || o.started && c.Seq <= o.cursor.Seq {`, `other.Op != events.Skipped {`},
		{"shared/client/order.go", `return o.early.Get(o.cursor.Seq + 1)`, `_, c, ok := o.early.Min(); return c, ok && c.Seq <= o.cursor.Seq+1`},
	}, ""},
	{"js-healing", "the client in JavaScript does not ask for what is missing while it is connected", []edit{
		{"shared/browser/watch.js", `this.probe.next(this.behind())`, `this.probe.next(false)`},
		{"shared/browser/engine.js", `if (w.following() && !w.probe.ping) w.probe.due = now`, `w.probe.due = 0`},
	}, scripts},
	{"js-gaps", "the client in JavaScript passes over holes", []edit{
		{"shared/browser/order.js", `c?.seq === cursor.seq + 1 ? c : undefined`, `c?.seq > cursor.seq ? c : undefined`},
	}, scripts},
	{"js-repeats", "the client in JavaScript does not drop what it has seen", []edit{
		{"shared/browser/order.js", `started && c.seq <= cursor.seq) return false`, `false) return false`},
		{"shared/browser/order.js", `c?.seq === cursor.seq + 1 ? c : undefined`, `c?.seq <= cursor.seq + 1 ? c : undefined`},
	}, scripts},
	{"order", "requests of a connection count in the order in which functions get them", unordered, ""},
	{"departure", "nor does the client wait for the answer when it leaves what it watches again", append(slices.Clone(unordered),
		edit{"shared/client/departure.go", `doubtful = doubtful || d.doubtful
		return d.subscribes == 0 && !d.asked`, `return true`},
		edit{"localstack/chaos/rejoin.go", `n%3 == 0 `, `n >= 0 `}, // all use the client
	), ""},
	{"report", "the fan-out does not report what it could not number", []edit{
		{"functions/fanout/handler.go", `failed.add(write.Position)`, `_ = write.Position`},
	}, ""},
	{"known", "a record that is delivered again is numbered again", []edit{
		{"shared/watch/number.go", `if seen[w.Position] {`, `if seen[w.Position] && false {`},
	}, ""},
	{"early-id", "an event's id is sent before its changes", []edit{
		{"functions/http/stream.go", `id = "id: " + id + "\n"`, `id = "id: " + id + "\n\nevent: " + name + "\n"`},
	}, "--wander"},
	{"swapped-id", "the cursors in the id of several topics are in another order than the topics", []edit{
		{"functions/http/place.go", `parts[i] = partOf(follow)`, `parts[len(parts)-1-i] = partOf(follow)`},
	}, "--wander"},
	{"last-flush", "a stream drops the changes of its last second, and its id counts them", []edit{
		{"functions/http/stream.go", `				err = s.tell(n)`, `				if end, _ := ctx.Deadline(); time.Until(end) < time.Second {
					s.Advance(n)
					s.place()
					continue
				}
				err = s.tell(n)`},
	}, "--wander"},
	{"poll-back", "a long poll begins one change behind the cursor", []edit{
		{"functions/http/hold.go", `watch.Place{After: a.after[0]}`, `watch.Place{After: events.Cursor{Epoch: a.after[0].Epoch, Seq: max(a.after[0].Seq-1, 0)}}`},
	}, "--wander"},
	{"poll-head", "a long poll gives the head as the cursor, even if it leaves out changes", []edit{
		{"functions/http/hold.go", `	default:
		h.tell(w, r, news[0].Missed)`, `	default:
		stand := []watch.Follow{{Query: a.Query}}
		_ = h.topics.Stand(r.Context(), viewer, stand)
		news[0].Cursor = stand[0].After
		h.tell(w, r, news[0].Missed)`},
	}, "--wander"},
	{"stale-head", "heads are read with eventual consistency and trusted", []edit{
		{"shared/dynamo/changes.go", `Key: rowKey(topic, headSeq), ConsistentRead: aws.Bool(true),`, `Key: rowKey(topic, headSeq),`},
	}, "--wander"},
	{"lane", "a lane is moved before its posts, so that a killed push is not repeated", []edit{
		{"shared/watch/lane.go", `		r, failed := l.round(`, `		_ = l.Lanes.Advance(ctx, w.Topic, w.Lane, progress, Progress{Cursor: head.Cursor})
		r, failed := l.round(`},
	}, ""},
	{"lanes", "a change is numbered even if the lanes have changed, so that a new lane misses it", []edit{
		{"shared/dynamo/changes.go", `lanesCondition(from.Lanes)`, `"attribute_exists(topic)", types.AttributeValue(nil)`},
	}, ""},
	{"shards", "the pusher of a change reads the number of shards before it is numbered", []edit{
		{"shared/dynamo/shards.go", `found := make([]shardRead, shards)`, `shards = max(1, shards/2)
	found := make([]shardRead, shards)`},
	}, ""},
	{"rows", "a subscription goes into its new shard, although the old shard has it", []edit{
		{"shared/dynamo/subscriptions.go", `Already: already, Shard: shardIn(before, sub.Topic)`, `Already: already, Shard: shard`},
	}, ""},
	{"latest", "a watch of the latest is told the first state of an item that an answer has, and not the last", []edit{
		{"shared/watch/latest.go", `		t.supersede(&shown)`, `		if _, told := t.last[shown.ID]; told {
			t.shown = skip(t.shown, c, false)
			return
		}
		t.supersede(&shown)`},
	}, ""},
	{"added-removed", "a watch of the latest is not told of an item that was added and removed, though an earlier push may have told that it was added", []edit{
		{"shared/watch/latest.go", `		t.shown[i] = skipped(before, false)`, `		t.shown[i] = skipped(before, false)
		if before.Op == events.Added && c.Op == events.Removed {
			*c = skipped(*c, false)
		}`},
	}, ""},
	{"cursor-first", "the cursor of a destination is moved before it has answered", []edit{
		{"shared/delivery/deliver.go", `			var failure *Failure
			if result, failure =`, `			if err := d.Store.Move(ctx, s, p.place, false, result); err != nil {
				return err
			}
			var failure *Failure
			if result, failure =`},
	}, hooks},
	{"mark", "the mark of a waiting message is cleared after the log is read", []edit{
		{"shared/dynamo/standings.go", `#part = :part REMOVE #waiting ADD #generation`, `#part = :part ADD #generation`},
		{"shared/dynamo/standings.go", `remove + ", #due, #part"`, `remove + ", #due, #part, #waiting"`},
		{"shared/dynamo/standings.go", `condition: " AND attribute_not_exists(#waiting)"}, beside...)`, `condition: ""}, beside...)`},
	}, hooks},
	{"message-id", "all messages that wake a destination have one id, so that the queue drops what follows for five minutes", []edit{
		{"shared/delivery/wake.go", `ref, message := Ref{destination, topic}, rand.Text()`, `ref, message := Ref{destination, topic}, "wake"; _ = rand.Text`},
		{"shared/delivery/wake.go", `			message := rand.Text()`, `			message := "wake"`},
	}, hooks},
	{"generation", "a delivery that was overtaken moves the cursor", []edit{
		{"shared/dynamo/standings.go", `u.condition = "#generation = :generation" + u.condition`, `u.condition = "#generation >= :generation" + u.condition`},
	}, ""},
}

// tests are the arguments of go test for mutants that tests must catch instead of chaos. A client
// asks for all that a push has missed, so chaos would see only a delay. Two fan-outs of chaos
// that race have the same change, which may be put twice. And not each run has a delivery that is
// overtaken between what it sends and what it writes.
var tests = map[string][]string{
	"lock":          {"-run", "^TestNumbersWhileFunctionsRaceAndEnd$", "./shared/dynamo", "-rapid.nofailfile"},
	"lane":          {"-run", "^TestLanesLoseNothing$", "./shared/dynamo", "-rapid.nofailfile"},
	"lanes":         {"-run", "^TestLanesDoubleWhileAChangeIsNumbered$", "./shared/dynamo"},
	"shards":        {"-run", "^TestAnAudienceSplitsAsItGrows$", "./shared/dynamo"},
	"rows":          {"-run", "^TestDoublingBetweenRequests", "./shared/dynamo"},
	"added-removed": {"-run", "^TestLatestProperty$", "./shared/watch", "-rapid.nofailfile"},
	"generation":    {"-run", "^TestADeliveryThatIsOvertakenMovesNothing$", "./shared/delivery"},
}

func mutantNames() string {
	var names []string
	for _, m := range mutants {
		names = append(names, m.name)
	}
	return strings.Join(names, ", ")
}

// runMutant runs this program anew, built with a mutant's edits, as are the functions
// that it builds.
func runMutant(ctx context.Context, name string, args []string) error {
	for _, m := range mutants {
		if m.name != name {
			continue
		}
		fmt.Printf("mutant %s: %s\n", m.name, m.what)
		dir, err := os.MkdirTemp("", "watchroute-mutant-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		flags, err := overlay(".", dir, m.edits)
		if err != nil {
			return err
		}
		if tests := tests[m.name]; tests != nil {
			return expectFailure(ctx, tests, flags)
		}
		cmd := exec.CommandContext(ctx, "go", slices.Concat([]string{"run", "./localstack/chaos", "--mutated"}, strings.Fields(m.shape), withoutMutant(args))...)
		cmd.Env = append(os.Environ(), flags)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		return cmd.Run()
	}
	return fmt.Errorf("no mutant %q: there are %s", name, mutantNames())
}

// expectFailure runs tests that must fail, and not because they do not build.
func expectFailure(ctx context.Context, tests []string, flags string) error {
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-count=1"}, tests...)...)
	cmd.Env = append(os.Environ(), flags)
	out, err := cmd.CombinedOutput()
	failed := (*exec.ExitError)(nil)
	switch {
	case err == nil:
		return fmt.Errorf("not caught by go test %s", strings.Join(tests, " "))
	case !errors.As(err, &failed) || !bytes.Contains(out, []byte("--- FAIL")):
		return fmt.Errorf("go test %s: %w\n%s", strings.Join(tests, " "), err, out)
	}
	fmt.Printf("caught by go test %s\n", strings.Join(tests, " "))
	return nil
}

// withoutMutant takes --mutant and its value out of the arguments.
func withoutMutant(args []string) []string {
	var rest []string
	for i := 0; i < len(args); i++ {
		switch name, _, joined := strings.Cut(strings.TrimLeft(args[i], "-"), "="); {
		case name == "mutant" && joined:
		case name == "mutant":
			i++
		default:
			rest = append(rest, args[i])
		}
	}
	return rest
}

// overlay writes the edited files into dir, and gives the setting of GOFLAGS with
// which go build takes them for those of the module at root. A file that is not there
// is new: its old text is empty. Edits that GOFLAGS has already are kept.
func overlay(root, dir string, edits []edit) (setting string, err error) {
	root, err = filepath.Abs(root)
	if err != nil {
		return "", err
	}
	texts, err := edited()
	if err != nil {
		return "", err
	}
	for _, e := range edits {
		path := filepath.Join(root, e.file)
		if _, ok := texts[path]; !ok && e.old != "" {
			source, err := os.ReadFile(path)
			if err != nil {
				return "", fmt.Errorf("edit %s: %w", e.file, err)
			}
			texts[path] = string(source)
		}
		if n := strings.Count(texts[path], e.old); e.old != "" && n != 1 {
			return "", fmt.Errorf("edit %s: %q stands there %d times, want once", e.file, e.old, n)
		}
		texts[path] = strings.Replace(texts[path], e.old, e.new, 1)
	}
	return writeOverlay(dir, texts)
}

// overlayFlag is the setting of GOFLAGS.
const overlayFlag = "GOFLAGS=-overlay="

// edited gives the texts of the files for which GOFLAGS has others.
func edited() (texts map[string]string, err error) {
	texts = map[string]string{}
	name, set := strings.CutPrefix("GOFLAGS="+os.Getenv("GOFLAGS"), overlayFlag)
	if !set {
		return texts, nil
	}
	var list struct{ Replace map[string]string }
	text, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	if err != nil {
		return nil, fmt.Errorf("read the edits that GOFLAGS has: %w", err)
	}
	for path, file := range list.Replace {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read the edits that GOFLAGS has: %w", err)
		}
		texts[path] = string(text)
	}
	return texts, nil
}

func writeOverlay(dir string, texts map[string]string) (setting string, err error) {
	replace := map[string]string{}
	for path, text := range texts {
		replace[path] = filepath.Join(dir, fmt.Sprintf("%d%s", len(replace), filepath.Ext(path)))
		if err := os.WriteFile(replace[path], []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "overlay.json")
	return overlayFlag + name, os.WriteFile(name, list, 0o600)
}
