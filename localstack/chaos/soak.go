package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/watchroute/watchroute/localstack/stack"
	"github.com/watchroute/watchroute/shared/build"
)

// What a soak is made of. Its stack forgets early, or what is written would be all that
// grows: the stream's records after a minute, and the log's after two.
const (
	soakRate      = 200 // changes a second
	soakWatchers  = 50
	soakStream    = time.Minute
	soakLog       = 2 * time.Minute
	soakWarmUp    = 5 * time.Minute // until what is kept for two minutes has been full for a while
	soakSample    = 30 * time.Second
	probeInterval = "10 * time.Second"
)

// soakEdits let the functions keep the log for so short a time, and tell now and then
// how many goroutines they have and how much memory they take.
var soakEdits = []edit{
	{"shared/watch/retention.go", `const MinRetention = 25 * time.Hour`, `const MinRetention = time.Minute`},
	{"shared/function/probe.go", "", `package function

import (
	"fmt"
	"os"
	"runtime"
	"time"
)

func init() {
	go func() {
		for range time.Tick(` + probeInterval + `) {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			fmt.Fprintf(os.Stderr, "probe goroutines=%d heap=%d\n", runtime.NumGoroutine(), m.HeapInuse)
		}
	}()
}
`},
}

// soak writes at a steady rate for a long time, with faults, while watchers come and
// go, and prints what the processes take. The error is a broken promise.
func soak(ctx context.Context, s settings, seed uint64, d time.Duration) error {
	setting, err := overlay(s.root, s.build, soakEdits)
	if err != nil {
		return err
	}
	name, value, _ := strings.Cut(setting, "=")
	if err := os.Setenv(name, value); err != nil { // for go build
		return err
	}
	if err := build.Functions(ctx, s.root, s.build, build.Host(), os.Stderr); err != nil {
		return err
	}
	if s.template, err = withSettings(s.root, s.build, map[string]string{"LOG_RETENTION": soakLog.String()}); err != nil {
		return err
	}
	probes := &probes{}
	s.log, s.streamRetention, s.watchers = probes, soakStream, soakWatchers
	r, err := newRun(ctx, s, seed)
	if err != nil {
		return err
	}
	defer r.stack.Close()
	fmt.Printf("soak of %v: %d changes a second, %d watchers, %s\n", d, soakRate, soakWatchers, r.faults)
	began := time.Now()
	var samples samples
	err = r.watched(ctx, func() error {
		var sampling sync.WaitGroup
		done := make(chan struct{})
		sampling.Go(func() { samples = sample(began, done, r.ledger, probes) })
		defer sampling.Wait()
		defer close(done)
		return r.write(ctx, int(d.Seconds())*soakRate/s.writers, time.Second*time.Duration(s.writers)/soakRate)
	}, func() error { return nil })
	if err != nil {
		return err
	}
	res := r.result(time.Since(began))
	res.print(seed)
	printFaults(res.faults)
	fmt.Println(samples.trend())
	if len(res.broken) > 0 {
		return fmt.Errorf("%d watchers saw something else than the promise", len(res.broken))
	}
	return nil
}

// withSettings writes a template whose functions have other settings. Each setting must exist, and
// changes for all functions that have it.
func withSettings(root, dir string, settings map[string]string) (path string, err error) {
	text, err := os.ReadFile(filepath.Join(root, stack.TemplateFile))
	if err != nil {
		return "", err
	}
	for name, value := range settings {
		setting := regexp.MustCompile(`"` + name + `": "[^"]*"`)
		if !setting.Match(text) {
			return "", fmt.Errorf("%s has no setting %s", stack.TemplateFile, name)
		}
		text = setting.ReplaceAllLiteral(text, fmt.Appendf(nil, "%q: %q", name, value))
	}
	file, err := os.CreateTemp(dir, "template-*.json") // others may run with other settings
	if err != nil {
		return "", err
	}
	_, err = file.Write(text)
	return file.Name(), errors.Join(err, file.Close())
}

// probes keeps the latest that the functions' processes told of themselves.
type probes struct {
	mu                sync.Mutex
	goroutines, heaps map[string]float64 // by function
}

var probe = regexp.MustCompile(`^\[(\w+)\] probe goroutines=(\d+) heap=(\d+)`)

// Write takes what functions write, whole lines at a time.
func (p *probes) Write(line []byte) (int, error) {
	found := probe.FindSubmatch(line)
	if found == nil {
		return len(line), nil
	}
	goroutines, _ := strconv.ParseFloat(string(found[2]), 64) // digits
	heap, _ := strconv.ParseFloat(string(found[3]), 64)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.goroutines == nil {
		p.goroutines, p.heaps = map[string]float64{}, map[string]float64{}
	}
	p.goroutines[string(found[1])], p.heaps[string(found[1])] = goroutines, heap
	return len(line), nil
}

// of is what the latest process of a function told.
func (p *probes) of(function string) (goroutines, heap float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.goroutines[function], p.heaps[function]
}

// samples are what was measured over time, in the order of measured.
type samples [][]float64

// measured names what is measured: the stack and the clients, which share this
// program, and the latest process of the two functions that work most.
var measured = []string{"goroutines of stack and clients", "heap of stack and clients, MB", "Fanout goroutines", "Fanout heap, MB", "Message goroutines", "Message heap, MB"}

// sample measures until done, and prints each.
func sample(began time.Time, done <-chan struct{}, l *ledger, p *probes) samples {
	ticker := time.NewTicker(soakSample)
	defer ticker.Stop()
	var all samples
	for {
		select {
		case <-done:
			return all
		case <-ticker.C:
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		fanout, fanoutHeap := p.of("Fanout")
		message, messageHeap := p.of("Message")
		now := []float64{float64(runtime.NumGoroutine()), float64(m.HeapInuse) / 1e6, fanout, fanoutHeap / 1e6, message, messageHeap / 1e6}
		fmt.Printf("  %4.0f s %7d changes: stack and clients %4.0f goroutines %5.1f MB, Fanout %3.0f %4.1f MB, Message %3.0f %4.1f MB\n",
			time.Since(began).Seconds(), l.written(), now[0], now[1], now[2], now[3], now[4], now[5])
		if time.Since(began) > soakWarmUp {
			all = append(all, now)
		}
	}
}

// trend compares the first third of what was measured after the warm-up with the last.
func (s samples) trend() string {
	if len(s) < 3 {
		return "too short to compare"
	}
	var lines []string
	for i, name := range measured {
		lines = append(lines, fmt.Sprintf("  %-34s %6.1f in the first third after warm-up, %6.1f in the last", name, s[:len(s)/3].mean(i), s[len(s)-len(s)/3:].mean(i)))
	}
	return strings.Join(lines, "\n")
}

func (s samples) mean(i int) float64 {
	sum := 0.0
	for _, at := range s {
		sum += at[i]
	}
	return sum / float64(len(s))
}
