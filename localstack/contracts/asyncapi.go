package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/watchroute/watchroute/events"
)

// channel is the one channel: a WebSocket.
const channel = "#/channels/live"

// message is a frame as AsyncAPI has it.
type message struct {
	name     string   // in the schema
	title    string   // the value of its type or action
	samples  []string // files in events/samples that show it
	answered bool     // it carries the id of a request
}

// What documents say about themselves.
var (
	license = object{{"name", "Apache-2.0"}, {"url", "https://www.apache.org/licenses/LICENSE-2.0"}}
	guide   = object{{"description", "The protocol, with what to do after a break"}, {"url", "https://github.com/watchroute/watchroute/blob/main/events/README.md"}}
)

// asyncAPI describes the WebSocket. root is the module's folder, which has the samples.
//
// Source: https://www.asyncapi.com/docs/reference/specification/v3.1.0
func asyncAPI(root string, c comments) (object, error) {
	all, err := messages(root)
	if err != nil {
		return nil, err
	}
	var inChannel, components object
	for _, m := range all {
		described, err := m.describe(root)
		if err != nil {
			return nil, err
		}
		inChannel = append(inChannel, member{m.name, ref("#/components/messages/" + m.name)})
		components = append(components, member{m.name, described})
	}
	return object{
		{"asyncapi", "3.1.0"},
		{"info", object{
			{"title", "Watchroute over a WebSocket"},
			{"version", protocolVersion},
			{"description", "A client subscribes to topics, and gets each change of their items: numbered, in order, nothing lost, and only what its token shows. Every frame is one text message that holds one JSON object, of up to " + limits["MaxFrameBytes"] + ". A client's frame has an `action`, and a frame of the service has a `type`. Members that a side does not know are ignored. A member of a client's frame that is null counts as left out, except `data`. The same topics are read, polled and streamed over HTTP, which [openapi.yaml](./openapi.yaml) describes." + socketRemedies(c)},
			{"license", license},
			{"externalDocs", guide},
		}},
		{"defaultContentType", "application/json"},
		{"servers", servers()},
		{"channels", object{{"live", object{
			{"address", "/"},
			{"title", "The connection"},
			{"description", "One connection. It carries the changes of up to " + number(events.MaxSubscriptions) + " topics and patterns, or fewer where the deployer says so. API Gateway ends it after two hours, and after ten minutes without a frame."},
			{"messages", inChannel},
			{"bindings", object{{"ws", handshake()}}},
		}}}},
		{"operations", operations("receive", "send")},
		{"components", object{{"messages", components}, {"securitySchemes", securitySchemes()}}},
		{"x-remedies", remedies(c)},
	}, nil
}

// clientAsyncAPI describes a client: what the service receives, the client sends. In AsyncAPI a document
// is of one application, and generators make that application. All but the operations is in the other document.
//
// Source: https://www.asyncapi.com/docs/reference/specification/v3.1.0#operationObject
func clientAsyncAPI() object {
	other := func(location string) object { return ref("./asyncapi.yaml#/" + location) }
	return object{
		{"asyncapi", "3.1.0"},
		{"info", object{
			{"title", "Watchroute Client"},
			{"version", protocolVersion},
			{"description", "asyncapi.yaml as a client has it, for programs that generate clients: send is what the client sends."},
			{"license", license},
			{"externalDocs", guide},
		}},
		{"defaultContentType", "application/json"},
		{"servers", object{{"aws", other("servers/aws")}, {"local", other("servers/local")}}},
		{"channels", object{{"live", other("channels/live")}}},
		{"operations", operations("send", "receive")},
	}
}

// protocolVersion is that of the subprotocol, watchroute.v1.
var protocolVersion = strings.TrimPrefix(events.Subprotocol, "watchroute.v") + ".0.0"

func servers() object {
	security := []object{ref("#/components/securitySchemes/bearer"), ref("#/components/securitySchemes/subprotocol"), ref("#/components/securitySchemes/query")}
	return object{
		{"aws", object{
			{"host", "{api}.execute-api.{region}.amazonaws.com"}, {"pathname", "/{stage}"}, {"protocol", "wss"},
			{"description", "The output WebSocketUrl of the stack."},
			{"variables", object{
				{"api", object{{"description", "The id of the WebSocket API."}}},
				{"region", object{{"description", "The Region of the stack."}, {"default", "us-east-1"}}},
				{"stage", object{{"description", "The stage of the API."}, {"default", "live"}}},
			}},
			{"security", security},
		}},
		{"local", object{
			{"host", "localhost:4566"}, {"pathname", "/live"}, {"protocol", "ws"},
			{"description", "What make local runs. It lets everyone in."},
			{"security", security},
		}},
	}
}

// handshake describes what a client sends to open the connection.
func handshake() object {
	text := func(description string) object { return object{{"type", "string"}, {"description", description}} }
	return object{
		{"method", "GET"},
		{"headers", object{{"type", "object"}, {"properties", object{
			{"Authorization", text("Bearer and the token.")},
			{"Sec-WebSocket-Protocol", text(events.Subprotocol + ", " + events.SubprotocolBearer + " and the token: for browsers, which can set no other header. The service chooses the first.")},
		}}}},
		{"query", object{{"type", "object"}, {"properties", object{{events.QueryToken, text("The token, for clients that can set neither headers nor subprotocols. The deployer may turn this off.")}}}}},
		{"bindingVersion", "0.1.0"},
	}
}

func securitySchemes() object {
	return object{
		{"bearer", object{{"type", "http"}, {"scheme", "bearer"}, {"bearerFormat", "JWT"}, {"description", "The header Authorization: Bearer and the token, whose claim watchroute says what it allows."}}},
		{"subprotocol", object{{"type", "httpApiKey"}, {"in", "header"}, {"name", "Sec-WebSocket-Protocol"}, {"description", events.Subprotocol + ", " + events.SubprotocolBearer + "TOKEN"}}},
		{"query", object{{"type", "httpApiKey"}, {"in", "query"}, {"name", events.QueryToken}, {"description", "The token in the query."}}},
	}
}

// answers are the frames that answer each request, the last of them or an error ends the answer.
var answers = map[string][]string{
	events.ActionSubscribe:   {"Subscribed", "Reset", "Snapshot", "Changes"},
	events.ActionUnsubscribe: {"Unsubscribed"},
	events.ActionSnapshot:    {"Snapshot"},
	events.ActionPublish:     {"Published"},
	events.ActionPing:        {"Pong", "Changes", "Reset"},
	events.ActionAuth:        {"Authorized", "Unsubscribed", "Reset"},
}

// pushed are the frames that nobody has asked for, with what they are for.
var pushed = []struct{ operation, message, summary string }{
	{"pushChanges", "Changes", "Brings changes of what is subscribed to."},
	{"pushReset", "Reset", "Says that what the client holds of a topic is void."},
	{"endSubscription", "Unsubscribed", "Says that a new token does not allow a subscription."},
	{"askToReconnect", "Reconnect", "Asks the client to move to a new connection."},
	{"warnOfExpiry", "Expiring", "Warns that the token expires soon."},
	{"refuse", "Error", "Says why the connection is closed."},
}

// operations says what is done with a client's frames, and with those of the service.
func operations(clients, services string) (all object) {
	for _, a := range actions {
		all = append(all, member{a.action, object{
			{"action", clients}, {"channel", ref(channel)}, {"title", titleOf(a.action)}, {"summary", a.description},
			{"messages", []object{inChannel(a.name)}},
			{"reply", object{{"channel", ref(channel)}, {"messages", inChannelAll(append(slices.Clone(answers[a.action]), "Error"))}}},
		}})
	}
	for _, p := range pushed {
		all = append(all, member{p.operation, object{
			{"action", services}, {"channel", ref(channel)}, {"title", titleOf(p.operation)}, {"summary", p.summary}, {"messages", []object{inChannel(p.message)}},
		}})
	}
	return all
}

// titleOf makes a title of the name of an operation: askToReconnect is Ask to reconnect.
func titleOf(operation string) string {
	words := beforeCapital.ReplaceAllStringFunc(operation, func(c string) string { return " " + strings.ToLower(c) })
	return strings.ToUpper(words[:1]) + words[1:]
}

var beforeCapital = regexp.MustCompile(`[A-Z]`)

func inChannel(name string) object { return ref(channel + "/messages/" + name) }

func inChannelAll(names []string) (all []object) {
	for _, name := range names {
		all = append(all, inChannel(name))
	}
	return all
}

// messages are all frames, with the samples that show them.
func messages(root string) (all []message, err error) {
	for _, a := range actions {
		all = append(all, message{name: a.name, title: a.action, answered: true})
	}
	for _, f := range frames {
		kind := events.TypeOf(f)
		all = append(all, message{name: frameName(f), title: kind, answered: !slices.Contains([]string{"changes", "reconnect", "expiring"}, kind)})
	}
	paths, err := filepath.Glob(filepath.Join(root, "events", "samples", "*.json"))
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		var head struct{ Type, Action string }
		text, err := os.ReadFile(path)
		if err == nil {
			err = json.Unmarshal(text, &head)
		}
		if err != nil {
			return nil, fmt.Errorf("read sample %s: %w", path, err)
		}
		at := slices.IndexFunc(all, func(m message) bool { return m.title == head.Type+head.Action && (head.Action != "") == m.asks() })
		if at < 0 {
			return nil, fmt.Errorf("sample %s shows no frame", path)
		}
		all[at].samples = append(all[at].samples, filepath.Base(path))
	}
	for _, m := range all { // the plain one first
		slices.SortStableFunc(m.samples, func(a, b string) int { return cmp.Compare(m.rank(a), m.rank(b)) })
	}
	return all, nil
}

// rank orders samples, the plainest first: that is the one with the frame's own name.
func (m message) rank(sample string) int {
	if sampleName(sample) == m.title {
		return 0
	}
	return 1
}

// sampleName is what a sample in a file is called.
func sampleName(file string) string {
	return strings.TrimPrefix(strings.TrimSuffix(file, ".json"), "request.")
}

// asks reports whether it is a client's frame.
func (m message) asks() bool { return slices.Contains(requestNames(), m.name) }

func (m message) describe(root string) (object, error) {
	var examples []object
	for _, sample := range m.samples {
		text, err := os.ReadFile(filepath.Join(root, "events", "samples", sample))
		if err != nil {
			return nil, err
		}
		examples = append(examples, object{{"name", sampleName(sample)}, {"payload", json.RawMessage(text)}})
	}
	if examples == nil {
		return nil, fmt.Errorf("no sample shows the frame %s", m.title)
	}
	o := object{{"name", m.title}, {"title", m.name}, {"payload", ofSchema(m.name)}}
	if m.answered {
		o = append(o, member{"correlationId", object{{"description", "The id of the request, which its answer carries back."}, {"location", "$message.payload#/id"}}})
	}
	return append(o, member{"examples", examples}), nil
}

// remedies says for programs, too, what a client does about an error, a close code and a refused handshake.
func remedies(c comments) object {
	var errors, closes, handshakes object
	for _, code := range socketCodes(c) {
		errors = append(errors, member{string(code), code.Remedy()})
	}
	for _, code := range events.CloseCodes() {
		closes = append(closes, member{strconv.Itoa(code), events.CloseRemedy(code)})
	}
	for _, status := range events.HandshakeStatuses() {
		handshakes = append(handshakes, member{strconv.Itoa(status), events.HandshakeRemedy(status)})
	}
	return object{{"errors", errors}, {"closeCodes", closes}, {"handshake", handshakes}}
}

const (
	onlyHTTP   = "over HTTP: "          // begins the comment of an error code that no WebSocket has
	overSocket = "; over a WebSocket: " // stands in the comment of one that means something else there
)

// section is a section of a document for people, with a table that says what to do about each code.
func section(title, about string, rows []string) string {
	return "\n\n## " + title + "\n\n" + about + "\n\n| code | what to do |\n|---|---|\n" + strings.Join(rows, "\n")
}

// ended says what an end of a connection, or of an attempt to connect, means, and what to do about it.
func ended(code int, remedy events.Remedy, c comments) string {
	return fmt.Sprintf("| `%d` | %s: **%s** |", code, c.values[fmt.Sprint(code)], remedy)
}

// socketCodes are the codes of errors that a WebSocket has.
func socketCodes(c comments) []events.Code {
	return slices.DeleteFunc(events.Codes(), func(code events.Code) bool { return strings.HasPrefix(c.values[string(code)], onlyHTTP) })
}

// socketRemedies are those for a WebSocket.
func socketRemedies(c comments) string {
	var errors, closes, handshakes []string
	for _, code := range socketCodes(c) {
		about := unlinked(c.values[string(code)])
		if _, own, ok := strings.Cut(about, overSocket); ok {
			about = own
		}
		errors = append(errors, fmt.Sprintf("| `%s` | **%s**: %s |", code, code.Remedy(), about))
	}
	for _, code := range events.CloseCodes() {
		closes = append(closes, ended(code, events.CloseRemedy(code), c))
	}
	for _, status := range events.HandshakeStatuses() {
		handshakes = append(handshakes, ended(status, events.HandshakeRemedy(status), c))
	}
	return section("Errors", "What cannot be done is answered with an `error` frame. The connection stays open unless this table says that it is closed.", errors) +
		section("Close codes", "Why a connection has ended. Subscribe with `after` on the next one, and nothing is missed.", closes) +
		section("Refused handshakes", "A handshake is answered with 101, or with one of these statuses. A browser shows none of them, but the close code 1006.", handshakes)
}

// httpRemedies are those for HTTP.
func httpRemedies(c comments) string {
	var rows []string
	for _, code := range events.Codes() {
		if status := code.Status(); status != http.StatusInternalServerError || code == events.CodeInternal { // which stands for codes of WebSockets, too
			about, _, _ := strings.Cut(strings.TrimPrefix(unlinked(c.values[string(code)]), onlyHTTP), overSocket)
			rows = append(rows, fmt.Sprintf("| %d `%s` | **%s**: %s |", status, code, code.Remedy(), about))
		}
	}
	slices.Sort(rows)
	return section("Errors", "What cannot be done is answered with a problem (RFC 9457), whose `code` says what is wrong.", rows)
}
