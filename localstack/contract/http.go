package contract

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/watchroute/watchroute/events"
)

const streamType = "text/event-stream"

// route is a path of the OpenAPI document.
type route struct {
	template string
	matches  *regexp.Regexp
	methods  map[string]any // what the document says of the path, by the methods in lower case
}

// readOpenAPI remembers the routes and webhooks of the document.
func (c *Checker) readOpenAPI(document any) error {
	paths, ok := within(document, "paths").(map[string]any)
	if !ok {
		return errors.New("OpenAPI has no paths")
	}
	for _, template := range slices.Sorted(maps.Keys(paths)) {
		pattern := strings.ReplaceAll(regexp.QuoteMeta(template), `\{topic\}`, ".+")
		pattern = strings.ReplaceAll(pattern, `\{id\}`, "[^/]+")
		c.routes = append(c.routes, route{template, regexp.MustCompile("^" + pattern + "$"), paths[template].(map[string]any)})
	}
	c.deliveries, _ = within(document, "webhooks", "delivery", "post", "requestBody", "content").(map[string]any)
	return nil
}

// Answer holds the answer to an HTTP request to the OpenAPI document. path is below the stage.
func (c *Checker) Answer(method, path string, status int, header http.Header, body []byte) error {
	at, ok := c.operation(method, path)
	if !ok { // what no route has is refused in the same form everywhere
		if status < 400 {
			return nil
		}
		at, _ = c.operation(http.MethodGet, "/topics/any")
	}
	if err := c.answer(at, status, header.Get("Content-Type"), body, method == http.MethodHead); err != nil {
		return fmt.Errorf("the answer %d %.300s to %s %s: %w", status, body, method, path, err)
	}
	return nil
}

// Body holds the body of an HTTP request, and its answer, to the OpenAPI document: what the document
// forbids is refused, the whole or a part of it.
func (c *Checker) Body(method, path string, body []byte, status int, answer []byte) error {
	at, ok := c.operation(method, path)
	if !ok || status >= 400 || len(body) == 0 || at.of["requestBody"] == nil {
		return nil
	}
	err := c.asked.at(at.pointer+"/requestBody/content/application~1json/schema", body)
	if err == nil {
		c.count(bodyOf(at.name))
		return nil
	}
	var published struct {
		Results []events.PublishResult `json:"results"`
	}
	refuses := func(r events.PublishResult) bool { return r.Error != nil }
	if json.Unmarshal(answer, &published) == nil && slices.ContainsFunc(published.Results, refuses) {
		return nil
	}
	return fmt.Errorf("the body %.300s of %s %s is answered %d %.300s: %w", body, method, path, status, answer, err)
}

// operation is what the document says of a method of a path.
type operation struct {
	name    string // the method and the path
	pointer string
	of      map[string]any
}

func (c *Checker) operation(method, path string) (operation, bool) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for _, r := range c.routes {
		of, ok := r.methods[strings.ToLower(method)].(map[string]any)
		if ok && r.matches.MatchString(path) {
			return operation{method + " " + r.template, "/paths/" + escaped(r.template) + "/" + strings.ToLower(method), of}, true
		}
	}
	return operation{}, false
}

// escaped writes a name as a part of a JSON pointer (RFC 6901) in a URL's fragment.
func escaped(name string) string {
	name = strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
	return strings.NewReplacer("{", "%7B", "}", "%7D").Replace(name)
}

func (c *Checker) answer(at operation, status int, contentType string, body []byte, head bool) error {
	responses, key := within(at.of, "responses"), strconv.Itoa(status)
	if within(responses, key) == nil {
		key = "default"
	}
	if within(responses, key) == nil {
		return errors.New("no such status is described")
	}
	if len(body) == 0 {
		if within(responses, key, "content") != nil && !head && !strings.HasPrefix(contentType, streamType) { // a stream may end at once
			return errors.New("it has no body")
		}
		c.count(answerOf(at.name, key, ""))
		return nil
	}
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return err
	}
	if within(responses, key, "content", kind) == nil && within(responses, key, "content") != nil && status >= 400 {
		key = "default" // one of API Gateway's own
	}
	if within(responses, key, "content", kind) == nil {
		return fmt.Errorf("no body of the type %s is described", kind)
	}
	pointer := at.pointer + "/responses/" + key + "/content/" + escaped(kind)
	if kind == streamType {
		return c.stream(pointer+"/itemSchema", answerOf(at.name, key, kind), body)
	}
	if kind == events.ProblemType && key != "default" {
		if err := listed(within(responses, key, "x-codes"), body); err != nil {
			return err
		}
	}
	if err := c.sent.at(pointer+"/schema", body); err != nil {
		return err
	}
	c.count(answerOf(at.name, key, kind))
	return nil
}

// listed reports whether a refusal has one of the codes that the document lists for its operation.
func listed(codes any, body []byte) error {
	var problem events.Problem
	if err := json.Unmarshal(body, &problem); err != nil {
		return err
	}
	if all, _ := codes.([]any); !slices.Contains(all, any(string(problem.Code))) {
		return fmt.Errorf("the code %s is not one of %v", problem.Code, codes)
	}
	return nil
}

// stream holds the events of a stream to the document, counts them, and holds the frames in them to the
// schema. The last event may be cut off.
func (c *Checker) stream(pointer, name string, body []byte) error {
	event := map[string]any{}
	lines := bufio.NewScanner(bytes.NewReader(body))
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case lines.Text() == "":
			if err := c.event(pointer, name, event); err != nil {
				return err
			}
			event = map[string]any{}
		case field == "retry":
			milliseconds, err := strconv.Atoi(value)
			if err != nil {
				return err
			}
			event[field] = milliseconds
		case field != "":
			event[field] = value
		}
	}
	return lines.Err()
}

func (c *Checker) event(pointer, name string, event map[string]any) error {
	data, ok := event["data"].(string)
	if !ok {
		return nil // a comment, or a retry alone
	}
	if err := c.sent.valueAt(pointer, event); err != nil {
		return err
	}
	c.count(name)
	return c.Frame([]byte(data))
}

// count counts a message that kept to the contracts.
func (c *Checker) count(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[name]++
}

// Delivery holds a message to a webhook to the OpenAPI document.
func (c *Checker) Delivery(contentType string, body []byte) error {
	kind, _, err := mime.ParseMediaType(contentType)
	if err == nil {
		err = c.sent.at("/webhooks/delivery/post/requestBody/content/"+escaped(kind)+"/schema", body)
	}
	if err != nil {
		return fmt.Errorf("the delivery %.300s: %w", body, err)
	}
	c.count(deliveryOf(kind))
	return nil
}
