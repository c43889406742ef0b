package contract

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Kept says how many messages kept to the contracts, by kind: "frame Changes" or "body POST /topics/{topic}".
type Kept map[string]int

// Kept says what was counted so far.
func (c *Checker) Kept() Kept {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.counts)
}

// Add adds what others have counted.
func (k Kept) Add(more Kept) {
	for name, n := range more {
		k[name] += n
	}
}

// KeptVariable names the folder in which tests leave what they counted.
const KeptVariable = "WATCHROUTE_KEPT"

// Leave writes what was counted into a new file of the folder that KeptVariable names, if it is set.
func (k Kept) Leave() error {
	folder := os.Getenv(KeptVariable)
	if folder == "" {
		return nil
	}
	text, err := json.Marshal(k)
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(folder, "*.json")
	if err != nil {
		return err
	}
	if _, err := file.Write(text); err != nil {
		return err
	}
	return file.Close()
}

// Left adds up what was left in a folder.
func Left(folder string) (Kept, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return nil, err
	}
	sum := Kept{}
	for _, name := range files {
		var one Kept
		text, err := os.ReadFile(name)
		if err == nil {
			err = json.Unmarshal(text, &one)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		sum.Add(one)
	}
	return sum, nil
}

// Names gives the kinds of messages that the contracts name, sorted: frames of the service and of clients,
// bodies of requests, answers that are no refusal, events of streams, and messages to webhooks.
func (c *Checker) Names() []string {
	names := []string{frameOf(gatewayError)}
	for _, name := range c.union("ServerFrame") {
		names = append(names, frameOf(name))
	}
	for _, name := range c.union("ClientFrame") {
		names = append(names, requestOf(name))
	}
	for _, r := range c.routes {
		for method, operation := range r.methods {
			names = append(names, r.names(method, operation)...)
		}
	}
	for kind := range c.deliveries {
		names = append(names, deliveryOf(kind))
	}
	slices.Sort(names)
	return names
}

// names gives the kinds of messages of one path and method.
func (r route) names(method string, operation any) (names []string) {
	said, ok := operation.(map[string]any)
	if !ok {
		return nil
	}
	at := strings.ToUpper(method) + " " + r.template
	if said["requestBody"] != nil {
		names = append(names, bodyOf(at))
	}
	responses, _ := said["responses"].(map[string]any)
	for status, response := range responses {
		if status[0] != '2' && status[0] != '3' {
			continue
		}
		content, _ := response.(map[string]any)["content"].(map[string]any)
		if len(content) == 0 {
			names = append(names, answerOf(at, status, ""))
		}
		for kind := range content {
			names = append(names, answerOf(at, status, kind))
		}
	}
	return names
}

func frameOf(name string) string    { return "frame " + name }
func requestOf(name string) string  { return "request " + name }
func bodyOf(at string) string       { return "body " + at }
func deliveryOf(kind string) string { return "delivery " + kind }

func answerOf(at, status, kind string) string {
	return strings.TrimSpace("answer " + at + " " + status + " " + kind)
}
