package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/watchroute/watchroute/events"
)

// contracts answers requests for what describes the service to programs:
//
//	GET, HEAD /openapi.json    the HTTP routes and webhooks, as OpenAPI
//	GET, HEAD /asyncapi.json   the WebSocket, as AsyncAPI
//
// Nobody needs a token, and no table is read. A document is made when it is first asked for at an
// address, and kept.
type contracts struct {
	of deployed

	mu   sync.Mutex
	made map[string]document // by address and path
}

// document is a contract as it is sent.
type document struct {
	text []byte
	tag  string // its ETag
}

// maxContracts is how many documents are kept: two for each address of the service.
const maxContracts = 8

// contractTime is how long a cache may keep a document, which changes only when the service is deployed.
const contractTime = "public, max-age=300" // seconds

var contractMethods = []string{http.MethodGet, http.MethodHead, http.MethodOptions}

// isContract reports whether a request is for a contract.
func isContract(r *http.Request) bool {
	return r.URL.Path == events.OpenAPIPath || r.URL.Path == events.AsyncAPIPath
}

// contract answers a request for a contract. Pages of every origin may read it: it is the same for all.
func (h handler) contract(w http.ResponseWriter, r *http.Request) {
	if !slices.Contains(contractMethods, r.Method) {
		h.notAllowed(w, r, contractMethods)
		return
	}
	made, err := h.contracts.at(r.URL.Path, addressOf(r))
	if err != nil {
		h.refuse(w, r, fmt.Errorf("make %s: %w", r.URL.Path, err))
		return
	}
	header := w.Header()
	header.Del("Vary")
	header.Set("Access-Control-Allow-Origin", "*")
	header.Set("Cache-Control", contractTime)
	header.Set("ETag", etag(made.tag))
	if wantsNone(r) || slices.Contains(tags(r), made.tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header.Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(made.text) // the client may be gone
	}
}

// addressOf is the address below which the client asks. It is made of what API Gateway says of the
// request, and of no header: API Gateway serves the domains that are the API's, and no other, so nobody
// can have a contract made, and cached, that leads elsewhere.
func addressOf(r *http.Request) string {
	c := contextOf(r)
	base, found := strings.CutSuffix(c.Path, r.URL.Path)
	if !found || !basePath.MatchString(base) {
		base = "/" + c.Stage
	}
	return "https://" + c.DomainName + base
}

// basePath is what API Gateway puts before the path: the stage, or what a custom domain maps to it.
var basePath = regexp.MustCompile(`^(/[A-Za-z0-9$_.+!*'()-]+)*$`)

// at gives the document for clients that come by an address.
func (c *contracts) at(path, address string) (document, error) {
	if c.of.httpURL != "" {
		address = c.of.httpURL
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if made, ok := c.made[address+path]; ok {
		return made, nil
	}
	fill := c.of.openAPI
	if path == events.AsyncAPIPath {
		fill = c.of.asyncAPI
	}
	filled, err := fill(address)
	if err != nil {
		return document{}, err
	}
	spaced, err := filled.MarshalJSON()
	if err != nil {
		return document{}, err
	}
	var text bytes.Buffer
	if err := json.Compact(&text, spaced); err != nil {
		return document{}, err
	}
	if c.made == nil || len(c.made) >= maxContracts {
		c.made = map[string]document{}
	}
	hash := sha256.Sum256(text.Bytes())
	made := document{append(text.Bytes(), '\n'), base64.RawURLEncoding.EncodeToString(hash[:12])}
	c.made[address+path] = made
	return made, nil
}

// deployed is what differs from one service to another.
type deployed struct {
	socketURL string // where clients connect
	httpURL   string // where they ask; empty for the address by which each of them comes
	// open says that there are no tokens, and admitting that those without one are let in, too.
	open, admitting  bool
	withDestinations bool // clients can register some
	tokenInQuery     bool
	issuer, audience string // of tokens; empty if they are signed with a secret, or for nobody in particular
	// What the deployer may set, for HTTP and for WebSockets.
	httpLimits, socketLimits []limit
}

// limit is one that the deployer may set.
type limit struct {
	name, meaning string
	value         any
}

// openAPI fills in the description of the HTTP routes.
func (d deployed) openAPI(address string) (object, error) {
	doc, err := bundle(events.OpenAPIJSON, address)
	if err != nil {
		return nil, err
	}
	handshake, err := url.Parse(d.socketURL)
	if err != nil {
		return nil, err
	}
	handshake.Scheme = map[string]string{"wss": "https", "ws": "http"}[handshake.Scheme]
	frames := address + events.AsyncAPIPath + schemaRef
	edits := []error{
		doc.setAt([]map[string]string{{"url": address, "description": d.admission()}}, "servers"),
		doc.setAt([]map[string]string{{"url": handshake.String()}}, "paths", "/", "get", "servers"),
		doc.edit(func(watch *object) error { // whose frames are described elsewhere
			return watch.set("x-websocket", json.RawMessage(bytes.ReplaceAll(watch.value("x-websocket"), []byte(schemaRef), []byte(frames))))
		}, "paths", "/", "get"),
		doc.setAt(d.socketURL, "paths", "/", "get", "x-websocket", "url"),
		doc.set("security", d.requirements()),
		doc.tell(d.httpLimits),
		d.secure(&doc),
	}
	if !d.withDestinations {
		edits = append(edits, doc.keepAt(func(path string) bool { return !strings.HasPrefix(path, destinationsPath) }, "paths"), doc.dropAt("destinations", "tags"))
	}
	if d.open {
		edits = append(edits, doc.dropAt(frames+"Auth", "paths", "/", "get", "x-websocket", "sends"),
			doc.dropAt(frames+"Authorized", "paths", "/", "get", "x-websocket", "receives"),
			doc.dropAt(frames+"Expiring", "paths", "/", "get", "x-websocket", "receives"),
			doc.edit(withoutBearer, "paths", "/", "get"))
	}
	return doc, errors.Join(append(edits, doc.prune("schemas"))...)
}

// withoutBearer leaves the token out of the description of a handshake.
func withoutBearer(handshake *object) error {
	var parameters []json.RawMessage
	if err := json.Unmarshal(handshake.value("parameters"), &parameters); err != nil {
		return err
	}
	for i, text := range parameters {
		p, err := parseObject(text)
		if err != nil {
			return err
		}
		if name, err := p.text("name"); err != nil || name != subprotocolHeader {
			continue
		}
		if err := p.set("description", events.Subprotocol); err != nil {
			return err
		}
		if parameters[i], err = p.MarshalJSON(); err != nil {
			return err
		}
	}
	return handshake.set("parameters", parameters)
}

// asyncAPI fills in the description of the WebSocket.
func (d deployed) asyncAPI(address string) (object, error) {
	doc, err := bundle(events.AsyncAPIJSON, address)
	if err != nil {
		return nil, err
	}
	at, err := url.Parse(d.socketURL)
	if err != nil {
		return nil, err
	}
	server := object{}
	edits := []error{
		server.set("host", at.Host), server.set("pathname", at.Path), server.set("protocol", at.Scheme), server.set("description", d.admission()),
		server.set("security", d.references()),
	}
	handshake := []string{"channels", "live", "bindings", "ws"}
	edits = append(edits,
		doc.set("servers", map[string]object{"service": server}),
		doc.keepAt(func(name string) bool { return name != "query" || d.tokenInQuery && !d.open }, handshake...),
		doc.tell(d.socketLimits),
		d.secure(&doc),
	)
	if d.open {
		handshake = append(handshake, "headers", "properties")
		edits = append(edits,
			doc.keepAt(func(name string) bool { return name != "Authorization" }, handshake...),
			doc.setAt(events.Subprotocol, append(slices.Clone(handshake), subprotocolHeader, "description")...),
			doc.keepAt(func(name string) bool { return name != events.ActionAuth && name != "warnOfExpiry" }, "operations"))
		operations := doc.value("operations")
		edits = append(edits, doc.keepAt(func(name string) bool {
			return bytes.Contains(operations, []byte(`"#/channels/live/messages/`+name+`"`))
		}, "channels", "live", "messages"))
	}
	return doc, errors.Join(append(edits, doc.prune("messages", "schemas"))...)
}

// admission says of the server who is let in.
func (d deployed) admission() string {
	switch {
	case d.open:
		return "This service. It lets everyone in, and takes no tokens."
	case d.admitting:
		return "This service. It lets everyone in, with a token or without."
	}
	return "This service. It wants a token."
}

// schemes are the names of the security schemes that tokens are given by, of those that a contract knows.
func (d deployed) schemes(known ...string) (names []string) {
	for _, name := range known {
		if !d.open && (name != "query" || d.tokenInQuery) {
			names = append(names, name)
		}
	}
	return names
}

// requirements is what OpenAPI calls the ways of authentication of which a client needs one.
func (d deployed) requirements() []map[string][]string {
	all := []map[string][]string{}
	for _, name := range d.schemes("bearer", "query") {
		all = append(all, map[string][]string{name: {}})
	}
	if d.admitting && !d.open {
		all = append(all, map[string][]string{})
	}
	return all
}

// references is what AsyncAPI calls the same. It cannot say that a client may have a token, or none.
func (d deployed) references() []map[string]string {
	all := []map[string]string{}
	if d.admitting {
		return all
	}
	for _, name := range d.schemes("bearer", "subprotocol", "query") {
		all = append(all, map[string]string{"$ref": "#/components/securitySchemes/" + name})
	}
	return all
}

// secure leaves out the ways of authentication that the service does not have, and says whose tokens it
// takes.
func (d deployed) secure(doc *object) error {
	if d.open {
		return doc.keepAt(func(name string) bool { return name != "securitySchemes" }, "components")
	}
	return doc.edit(func(schemes *object) error {
		schemes.keep(func(name string) bool { return slices.Contains(d.schemes(name), name) })
		return schemes.edit(func(bearer *object) error {
			text, err := bearer.text("description")
			if d.issuer != "" {
				text += " It is issued by " + d.issuer + "."
				err = errors.Join(err, bearer.set("x-issuer", d.issuer))
			}
			if d.audience != "" {
				text += " Its audience is " + d.audience + "."
				err = errors.Join(err, bearer.set("x-audience", d.audience))
			}
			return errors.Join(err, bearer.set("description", text))
		}, "bearer")
	}, "components", "securitySchemes")
}

const subprotocolHeader = "Sec-WebSocket-Protocol"

// schemaRef is where the types are in a document that is complete in itself.
const schemaRef = "#/components/schemas/"

// bundle makes a contract complete in itself: the types of the schema become a part of it, and links to
// the other contract lead to this service.
func bundle(text []byte, address string) (object, error) {
	schema, err := parseObject(events.Schema)
	if err != nil {
		return nil, err
	}
	types := bytes.ReplaceAll(schema.value("$defs"), []byte(`"#/$defs/`), []byte(`"`+schemaRef))
	links := strings.NewReplacer(
		"./schema/watchroute.schema.json#/$defs/", schemaRef,
		"./asyncapi.yaml", address+events.AsyncAPIPath, "asyncapi.yaml", strings.TrimPrefix(events.AsyncAPIPath, "/"),
		"./openapi.yaml", address+events.OpenAPIPath, "openapi.yaml", strings.TrimPrefix(events.OpenAPIPath, "/"),
	)
	doc, err := parseObject([]byte(links.Replace(string(text))))
	if err != nil {
		return nil, err
	}
	return doc, doc.setAt(json.RawMessage(types), "components", "schemas")
}

// tell adds limits, for programs and for people.
func (o *object) tell(limits []limit) error {
	numbers, table := object{}, strings.Builder{}
	table.WriteString("\n\n| limit of this service | | |\n|---|---|---|\n")
	var edits []error
	for _, l := range limits {
		edits = append(edits, numbers.set(l.name, l.value))
		fmt.Fprintf(&table, "| `%s` | %v | %s |\n", l.name, l.value, l.meaning)
	}
	edits = append(edits, o.set("x-limits", numbers), o.edit(func(info *object) error {
		text, err := info.text("description")
		return errors.Join(err, info.set("description", text+strings.TrimRight(table.String(), "\n")))
	}, "info"))
	return errors.Join(edits...)
}
