package contract

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// openAPIID is the name of the OpenAPI document, so that its references lead to the schema.
const openAPIID = "https://github.com/watchroute/watchroute/events/openapi.yaml"

const streamType = "text/event-stream"

// route is a path of the OpenAPI document.
type route struct {
	template string
	matches  *regexp.Regexp
	methods  map[string]any // what the document says of the path, by the methods in lower case
}

// readOpenAPI makes the document known to the compiler, and gives its routes.
func readOpenAPI(compiler *jsonschema.Compiler, text []byte) ([]route, error) {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("read OpenAPI: %w", err)
	}
	if err := compiler.AddResource(openAPIID, document); err != nil {
		return nil, fmt.Errorf("read OpenAPI: %w", err)
	}
	whole, _ := document.(map[string]any)
	paths, ok := whole["paths"].(map[string]any)
	if !ok {
		return nil, errors.New("OpenAPI has no paths")
	}
	var routes []route
	for _, template := range slices.Sorted(maps.Keys(paths)) {
		pattern := strings.ReplaceAll(regexp.QuoteMeta(template), `\{topic\}`, ".+")
		pattern = strings.ReplaceAll(pattern, `\{id\}`, "[^/]+")
		routes = append(routes, route{template, regexp.MustCompile("^" + pattern + "$"), paths[template].(map[string]any)})
	}
	return routes, nil
}

// Answer holds the answer to an HTTP request to the OpenAPI document. path is below the stage.
func (c *Checker) Answer(method, path string, status int, header http.Header, body []byte) error {
	at, ok := c.responses(method, path)
	if !ok { // what no route has is refused in the same form everywhere
		if status < 400 {
			return nil
		}
		at = c.fallback
	}
	if err := c.answer(at, status, header.Get("Content-Type"), body); err != nil {
		return fmt.Errorf("the answer %d %.300s to %s %s: %w", status, body, method, path, err)
	}
	return nil
}

// described is what the document says of the answers of a route.
type described struct {
	pointer   string
	responses map[string]any
}

// responses gives what the document says of the answers to a request.
func (c *Checker) responses(method, path string) (described, bool) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for _, r := range c.routes {
		operation, ok := r.methods[strings.ToLower(method)].(map[string]any)
		if ok && r.matches.MatchString(path) {
			pointer := "/paths/" + escaped(r.template) + "/" + strings.ToLower(method) + "/responses"
			return described{pointer, operation["responses"].(map[string]any)}, true
		}
	}
	return described{}, false
}

// escaped writes a name as a part of a JSON pointer (RFC 6901) in a URL's fragment.
func escaped(name string) string {
	name = strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
	return strings.NewReplacer("{", "%7B", "}", "%7D").Replace(name)
}

func (c *Checker) answer(at described, status int, contentType string, body []byte) error {
	key := strconv.Itoa(status)
	if at.responses[key] == nil {
		key = "default"
	}
	response, ok := at.responses[key].(map[string]any)
	if !ok {
		return fmt.Errorf("no such status is described")
	}
	if len(body) == 0 {
		c.count(at.pointer + " " + key)
		return nil
	}
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return err
	}
	content, _ := response["content"].(map[string]any)
	if content[kind] == nil && response["content"] != nil && key != "default" && status >= 400 {
		key = "default" // one of API Gateway's own
		content, _ = at.responses[key].(map[string]any)["content"].(map[string]any)
	}
	if content[kind] == nil {
		return fmt.Errorf("no body of the type %s is described", kind)
	}
	pointer := at.pointer + "/" + key + "/content/" + escaped(kind)
	if kind == streamType {
		return c.stream(pointer+"/itemSchema", body)
	}
	return c.at(pointer+"/schema", body)
}

// at holds JSON to a schema in the OpenAPI document.
func (c *Checker) at(pointer string, body []byte) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	return c.valueAt(pointer, value)
}

func (c *Checker) valueAt(pointer string, value any) error {
	s, err := c.compiled(pointer)
	if err != nil {
		return err
	}
	if err := s.Validate(value); err != nil {
		return err
	}
	c.count(pointer)
	return nil
}

// compiled compiles a schema in the OpenAPI document when it is first needed.
func (c *Checker) compiled(pointer string) (*jsonschema.Schema, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.inOpenAPI[pointer]; s != nil {
		return s, nil
	}
	s, err := c.compiler.Compile(openAPIID + "#" + pointer)
	if err == nil {
		c.inOpenAPI[pointer] = s
	}
	return s, err
}

// stream holds the events of a stream to the document, and the frames in them to the schema. The last
// event may be cut off.
func (c *Checker) stream(pointer string, body []byte) error {
	event := map[string]any{}
	lines := bufio.NewScanner(bytes.NewReader(body))
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case lines.Text() == "":
			if err := c.event(pointer, event); err != nil {
				return err
			}
			event = map[string]any{}
		case name == "retry":
			milliseconds, err := strconv.Atoi(value)
			if err != nil {
				return err
			}
			event[name] = milliseconds
		case name != "":
			event[name] = value
		}
	}
	return lines.Err()
}

func (c *Checker) event(pointer string, event map[string]any) error {
	data, ok := event["data"].(string)
	if !ok {
		return nil // a comment, or a retry alone
	}
	if err := c.valueAt(pointer, event); err != nil {
		return err
	}
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
		err = c.at("/webhooks/delivery/post/requestBody/content/"+escaped(kind)+"/schema", body)
	}
	if err != nil {
		return fmt.Errorf("the delivery %.300s: %w", body, err)
	}
	return nil
}
