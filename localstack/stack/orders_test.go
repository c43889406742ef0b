package stack_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestOrdersProjectorSurvivesKills: the example's projector is killed again and again while orders are
// placed, paid and shipped, and two commands at once never both win. At the end the states are what the
// events say.
func TestOrdersProjectorSurvivesKills(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	program := filepath.Join(t.TempDir(), "orders")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, root+"/localstack/examples/orders").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	command := func(args ...string) *exec.Cmd {
		return exec.CommandContext(t.Context(), program, append([]string{"--ws", s.WebSocketURL(), "--http", s.HTTPURL()}, args...)...)
	}
	want := map[string]string{}
	var ordering sync.WaitGroup
	for n := range 4 {
		id := fmt.Sprint(n)
		want[id] = []string{"shipped 3", "cancelled 2"}[n%2]
		ordering.Go(func() {
			for _, verb := range [][]string{{"place", "pay", "ship"}, {"place", "cancel"}}[n%2] {
				twice(t, command, verb, id)
			}
		})
	}
	ordered := make(chan struct{})
	go func() { ordering.Wait(); close(ordered) }()
	kills := 0
	for busy := true; busy || kills < 4; kills++ {
		projector := command("project")
		if err := projector.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(50+rand.IntN(400)) * time.Millisecond)
		if err := projector.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = projector.Wait() // it was killed
		select {
		case <-ordered:
			busy = false
		default:
		}
	}
	projector := command("project")
	if err := projector.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = projector.Process.Kill(); _ = projector.Wait() }()
	eventually(t, fmt.Sprintf("the states after %d kills", kills), func() bool { return maps.Equal(s.orders(t), want) })
}

// twice gives a command twice at the same time. One of the two is refused, as it looks again.
func twice(t *testing.T, command func(...string) *exec.Cmd, verb, id string) {
	var both sync.WaitGroup
	said := make(chan string, 2)
	for range 2 {
		both.Go(func() {
			if out, err := command(verb, id).CombinedOutput(); err != nil {
				said <- string(out)
			}
		})
	}
	both.Wait()
	if len(said) != 1 {
		t.Errorf("%s %s twice: %d are refused", verb, id, len(said))
	} else if why := <-said; !strings.Contains(why, "an order that is") {
		t.Errorf("%s %s twice: refused is %s", verb, id, why)
	}
}

// orders reads the states that the projector keeps.
func (s *running) orders(t *testing.T) map[string]string {
	t.Helper()
	var page struct {
		Items []struct {
			ID   string
			Data struct {
				Status string
				Events int
			}
		}
	}
	if err := json.Unmarshal([]byte(s.request(t, http.MethodGet, "/topics/orders", "").body), &page); err != nil {
		t.Fatal(err)
	}
	states := map[string]string{}
	for _, item := range page.Items {
		states[item.ID] = fmt.Sprint(item.Data.Status, " ", item.Data.Events)
	}
	return states
}
