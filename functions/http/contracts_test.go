package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/localstack/contract"
	"github.com/watchroute/watchroute/shared/function"
)

// environment is that of a service with a secret for its tokens.
var environment = map[string]string{
	"SOCKET_URL": "wss://abc.execute-api.eu-west-1.amazonaws.com/live", "TOKEN_IN_QUERY": "true", "LOG_RETENTION": "48h0m0s", "STREAM_TIME": "1m0s",
	"MAX_CONNECTIONS": "100", "MAX_SUBSCRIPTIONS": "20", "MAX_MESSAGE_RATE": "21", "MAX_PUBLISH_BYTES": "1001", "MAX_SNAPSHOT_ITEMS": "2000", "MAX_SUBJECT_UNITS": "120000",
	"MAX_SUBJECT_HOLDS": "6", "MAX_HOLDS": "80", "MAX_DESTINATIONS": "10", "THROTTLING_RATE": "500.5", "THROTTLING_BURST": "501", "HTTP_THROTTLING_RATE": "200", "HTTP_THROTTLING_BURST": "201",
	"EVENTS_TABLE": "SecretEvents", "SERVICE_SECRET_ARN": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:x", "DELIVERIES_QUEUE_URL": "https://sqs.example/SecretQueue", "ALLOWED_ORIGINS": "https://staging.example",
}

// describedBy is a service with some settings of its own.
func describedBy(t *testing.T, own map[string]string) (deployed, error) {
	t.Helper()
	all := maps.Clone(environment)
	maps.Copy(all, own)
	s := function.SettingsFrom(func(name string) string { return all[name] })
	d, err := describe(s)
	return d, errors.Join(err, s.Err())
}

// describing is a service that has no tables and only describes itself.
func describing(t *testing.T, of deployed) *service {
	t.Helper()
	return &service{T: t, handler: handler{contracts: &contracts{of: of}, readPause: readPause, logger: slog.New(slog.DiscardHandler)}}
}

// asked is a service with some settings, and what it answers at a path.
func asked(t *testing.T, own map[string]string, path string) (document map[string]any, a answer) {
	t.Helper()
	of, err := describedBy(t, own)
	if err != nil {
		t.Fatal(err)
	}
	return get[map[string]any](describing(t, of), 200, path)
}

// at gives the value at a path of members.
func at(t *testing.T, document any, path ...any) any {
	t.Helper()
	for _, name := range path {
		switch within := document.(type) {
		case map[string]any:
			document = within[name.(string)]
		case []any:
			document = within[name.(int)]
		default:
			t.Fatalf("%v: %v is in no object", path, name)
		}
	}
	return document
}

var reference = regexp.MustCompile(`"(#/[^"]+)"`)

// TestContractsAreCompleteInThemselves: nothing refers to a file, nothing refers to what is not there, and
// there is no type that nothing refers to.
func TestContractsAreCompleteInThemselves(t *testing.T) {
	for _, own := range []map[string]string{nil, {"OPEN_TO_EVERYONE": "true"}, {"ALLOW_ANONYMOUS": "true", "ALLOW_LOOPBACK": "true"}} {
		for _, path := range []string{"/openapi.json", "/asyncapi.json"} {
			document, a := asked(t, own, path)
			text := a.body
			for _, foreign := range []string{"./", ".yaml", "$defs", "{api}", "localhost", "SecretEvents", "SecretQueue", "arn:", "staging", "ALLOWED"} {
				if strings.Contains(text, foreign) {
					t.Errorf("%s with %v has %q: %s", path, own, foreign, text[max(0, strings.Index(text, foreign)-100):][:200])
				}
			}
			unused := slices.Collect(maps.Keys(at(t, document, "components", "schemas").(map[string]any)))
			for _, found := range reference.FindAllStringSubmatch(text, -1) {
				value := any(document)
				names := strings.Split(found[1], "/")[1:]
				for _, name := range names {
					within, _ := value.(map[string]any)
					value = within[name]
				}
				if value == nil {
					t.Errorf("%s with %v refers to %s, which is not there", path, own, found[1])
				}
				unused = slices.DeleteFunc(unused, func(name string) bool { return name == names[len(names)-1] })
			}
			if len(unused) > 0 {
				t.Errorf("%s with %v has %v for nothing", path, own, unused)
			}
		}
	}
}

// TestContractsSayHowToComeIn by tokens, by no token, or either way.
func TestContractsSayHowToComeIn(t *testing.T) {
	for name, c := range map[string]struct {
		own                     map[string]string
		overHTTP, overWebSocket string
	}{
		"tokens":              {nil, `[{"bearer":[]},{"query":[]}]`, "bearer subprotocol query"},
		"tokens of an issuer": {map[string]string{"TOKEN_ISSUER": "https://issuer.example", "TOKEN_AUDIENCE": "watch"}, `[{"bearer":[]},{"query":[]}]`, "bearer subprotocol query"},
		"none in the query":   {map[string]string{"TOKEN_IN_QUERY": "false"}, `[{"bearer":[]}]`, "bearer subprotocol"},
		"everyone":            {map[string]string{"OPEN_TO_EVERYONE": "true", "TOKEN_IN_QUERY": ""}, `[]`, ""},
		"make local":          {map[string]string{"ALLOW_ANONYMOUS": "true"}, `[{"bearer":[]},{"query":[]},{}]`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			web, _ := asked(t, c.own, "/openapi.json")
			socket, _ := asked(t, c.own, "/asyncapi.json")
			if got, _ := json.Marshal(web["security"]); string(got) != c.overHTTP {
				t.Errorf("over HTTP %s, want %s", got, c.overHTTP)
			}
			var ways []string
			security, _ := at(t, socket, "servers", "service", "security").([]any)
			for _, way := range security {
				ways = append(ways, strings.TrimPrefix(at(t, way, "$ref").(string), "#/components/securitySchemes/"))
			}
			if got := strings.Join(ways, " "); got != c.overWebSocket {
				t.Errorf("over a WebSocket %s, want %s", got, c.overWebSocket)
			}
			if web, socket := at(t, web, "servers", 0, "description"), at(t, socket, "servers", "service", "description"); web != socket || strings.Contains(web.(string), "everyone") != (c.own["OPEN_TO_EVERYONE"]+c.own["ALLOW_ANONYMOUS"] != "") {
				t.Errorf("who is let in: %s, and %s", web, socket)
			}
			_, query := at(t, socket, "channels", "live", "bindings", "ws").(map[string]any)["query"]
			if query != (c.own["TOKEN_IN_QUERY"] == "" && c.own["OPEN_TO_EVERYONE"] == "") {
				t.Errorf("a token may be in the query: %t", query)
			}
			for _, document := range []map[string]any{web, socket} {
				schemes, _ := at(t, document, "components", "securitySchemes").(map[string]any)
				if issuer := at(t, any(schemes), "bearer"); issuer != nil {
					text := at(t, issuer, "description").(string)
					for _, known := range []string{c.own["TOKEN_ISSUER"], c.own["TOKEN_AUDIENCE"]} {
						if known != "" && !strings.Contains(text, known) {
							t.Errorf("%q does not say %s", text, known)
						}
					}
				} else if c.own["OPEN_TO_EVERYONE"] == "" {
					t.Error("there is no way to send a token")
				}
			}
		})
	}
}

// TestContractsLeaveOutWhatTheServiceDoesNotHave: without tokens nobody renews one, and nobody has
// destinations.
func TestContractsLeaveOutWhatTheServiceDoesNotHave(t *testing.T) {
	for _, c := range []struct {
		own  map[string]string
		want bool
	}{{nil, true}, {map[string]string{"OPEN_TO_EVERYONE": "true"}, false}, {map[string]string{"OPEN_TO_EVERYONE": "true", "ALLOW_LOOPBACK": "true"}, true}} {
		web, a := asked(t, c.own, "/openapi.json")
		_, registered := at(t, web, "paths").(map[string]any)["/destinations"]
		_, secret := at(t, web, "paths").(map[string]any)["/destinations/{id}/secret"]
		_, request := at(t, web, "components", "schemas").(map[string]any)["DestinationRequest"]
		_, most := at(t, web, "x-limits").(map[string]any)["destinationsOfSubject"]
		tagged := strings.Contains(a.body, `"name":"destinations"`)
		if got := fmt.Sprint(registered, secret, request, most, tagged); got != strings.TrimSpace(strings.Repeat(fmt.Sprint(c.want, " "), 5)) {
			t.Errorf("with %v, destinations are described: %s, want %t", c.own, got, c.want)
		}
		socket, _ := asked(t, c.own, "/asyncapi.json")
		tokens := c.own["OPEN_TO_EVERYONE"] == ""
		for _, path := range [][]any{{"operations", "auth"}, {"operations", "warnOfExpiry"}, {"channels", "live", "messages", "Auth"}, {"components", "messages", "Authorized"}, {"components", "schemas", "Expiring"}} {
			if got := at(t, socket, path...) != nil; got != tokens {
				t.Errorf("with %v, %v is there: %t", c.own, path, got)
			}
		}
		if at(t, socket, "components", "messages", "Subscribe") == nil || at(t, web, "paths", "/topics/{topic}", "get") == nil || at(t, web, "webhooks", "delivery") == nil {
			t.Errorf("with %v, too much is left out", c.own)
		}
	}
}

// TestAnOpenServiceNamesNoToken, because it takes none.
func TestAnOpenServiceNamesNoToken(t *testing.T) {
	for _, path := range []string{"/openapi.json", "/asyncapi.json"} {
		for _, open := range []bool{false, true} {
			_, a := asked(t, map[string]string{"OPEN_TO_EVERYONE": fmt.Sprint(open)}, path)
			for _, way := range []string{`bearer.`, `"bearer"`, `"query":[]`, `"httpApiKey"`} {
				if open && strings.Contains(a.body, way) {
					t.Errorf("%s of an open service has %s: %s", path, way, a.body[max(0, strings.Index(a.body, way)-100):][:150])
				}
			}
			if !open && !strings.Contains(a.body, "bearer.") {
				t.Errorf("%s says no more how a browser gives its token", path)
			}
		}
	}
}

// TestContractsTellLimits as they are set, for programs and for people.
func TestContractsTellLimits(t *testing.T) {
	for path, want := range map[string]map[string]float64{
		"/openapi.json":  {"requestsPerSecondOfAll": 200, "requestsAtOnceOfAll": 201, "publishedItemBytes": 1001, "secondsOfChanges": 172800, "secondsOfStream": 60, "heldRequestsOfSubject": 6, "destinationsOfSubject": 10},
		"/asyncapi.json": {"connectionsOfSubject": 100, "subscriptionsOfConnection": 20, "messagesPerSecond": 21, "messagesPerSecondOfAll": 500.5, "messagesAtOnceOfAll": 501, "publishedItemBytes": 1001},
	} {
		document, _ := asked(t, nil, path)
		for name, value := range want {
			if got := at(t, document, "x-limits", name); got != value {
				t.Errorf("%s: %s is %v, want %v", path, name, got, value)
			}
			if row := fmt.Sprintf("| `%s` | %v |", name, value); !strings.Contains(at(t, document, "info", "description").(string), row) && value < 1e5 {
				t.Errorf("%s does not say %s", path, row)
			}
		}
	}
}

// comingBy asks for a contract as API Gateway hands on who has come by a domain.
func comingBy(t *testing.T, of deployed, domain, path, resource string) string {
	t.Helper()
	e := decodeEvent(t, fmt.Sprintf(`{"resource":%q,"path":%q,"httpMethod":"GET","multiValueHeaders":{"Host":["evil.example"],"X-Forwarded-Host":["evil.example"],"X-Forwarded-Proto":["http"]},
		"requestContext":{"domainName":%q,"path":%q,"stage":"live"}}`, resource, path, domain, path))
	answer, err := gateway{handler: describing(t, of).handler}.serve(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Servers []struct{ URL string }
	}
	if err := json.NewDecoder(answer.Body).Decode(&document); err != nil || len(document.Servers) != 1 {
		t.Fatalf("%d %+v, %v", answer.StatusCode, document, err)
	}
	return document.Servers[0].URL
}

// TestContractsHaveTheAddressOfTheClient: the API's own, a custom domain's, or the one that is set; never one
// that a header names, or anybody could have a cache lead others to a server of theirs.
func TestContractsHaveTheAddressOfTheClient(t *testing.T) {
	of, err := describedBy(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/live/openapi.json":          "https://x.example/live",
		"/openapi.json":               "https://x.example",
		"/shop/v1/openapi.json":       "https://x.example/shop/v1",
		"/live//openapi.json":         "https://x.example/live",
		"/live/openapi.json/":         "https://x.example/live",
		"/a\"b/openapi.json":          "https://x.example/live",
		"//evil.example/openapi.json": "https://x.example/live",
	} {
		if got := comingBy(t, of, "x.example", path, "/openapi.json"); got != want {
			t.Errorf("by %s the address is %s, want %s", path, got, want)
		}
	}
	of.httpURL = "https://cdn.example/v1"
	if got := comingBy(t, of, "x.example", "/live/openapi.json", "/openapi.json"); got != of.httpURL {
		t.Errorf("the address is %s, want that of the setting", got)
	}
}

// TestContractsLeadToEachOther, and to the WebSocket.
func TestContractsLeadToEachOther(t *testing.T) {
	web, _ := asked(t, map[string]string{"HTTP_URL": "https://x.example/v1"}, "/openapi.json")
	upgrade := at(t, web, "paths", "/", "get")
	got := []any{at(t, web, "servers", 0, "url"), at(t, upgrade, "servers", 0, "url"), at(t, upgrade, "externalDocs", "url"), at(t, upgrade, "x-websocket", "url"), at(t, upgrade, "x-websocket", "asyncapi")}
	want := []any{"https://x.example/v1", "https://abc.execute-api.eu-west-1.amazonaws.com/live", "https://x.example/v1/asyncapi.json", environment["SOCKET_URL"], "https://x.example/v1/asyncapi.json"}
	if !slices.Equal(got, want) {
		t.Errorf("links lead to %v, want %v", got, want)
	}
	socket, a := asked(t, map[string]string{"HTTP_URL": "https://x.example/v1"}, "/asyncapi.json")
	server := at(t, socket, "servers", "service")
	if got := fmt.Sprint(at(t, server, "protocol"), "://", at(t, server, "host"), at(t, server, "pathname")); got != environment["SOCKET_URL"] || !strings.Contains(a.body, "(https://x.example/v1/openapi.json)") {
		t.Errorf("clients connect to %s, and the other contract is not linked: %s", got, a.body)
	}
}

// TestContractsAreForEverybody: they need no token, caches may keep them, and pages of every origin may read them.
func TestContractsAreForEverybody(t *testing.T) {
	of, err := describedBy(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := describing(t, of) // which does not know who asks
	schema, err := contract.New()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/openapi.json", "/asyncapi.json"} {
		a := s.ask("GET", path, "Origin", "https://elsewhere.example")
		if err := schema.Answer("GET", path, a.status, a.header, []byte(a.body)); err != nil {
			t.Error(err)
		}
		if got := a.header; got.Get("Access-Control-Allow-Origin") != "*" || got.Get("Cache-Control") != "public, max-age=300" || got.Get("Content-Type") != "application/json" || got.Get("Vary") != "" {
			t.Errorf("%s has the headers %v", path, got)
		}
		if head := s.ask("HEAD", path); head.status != 200 || head.body != "" || head.header.Get("ETag") != a.header.Get("ETag") {
			t.Errorf("HEAD of %s is answered %+v", path, head)
		}
		for _, known := range []string{a.header.Get("ETag"), `"x", ` + strings.TrimPrefix(a.header.Get("ETag"), "W/"), "*"} {
			if again := s.ask("GET", path, "If-None-Match", known); again.status != 304 || again.body != "" || again.header.Get("ETag") == "" {
				t.Errorf("with %s, %s is answered %+v", known, path, again)
			}
		}
		if other := s.ask("GET", path, "If-None-Match", `"x"`); other.status != 200 {
			t.Errorf("another ETag is answered %d", other.status)
		}
		if posted := s.ask("POST", path); posted.status != http.StatusMethodNotAllowed || posted.header.Get("Allow") != "GET, HEAD, OPTIONS" {
			t.Errorf("POST is answered %+v", posted)
		}
		if options := s.ask("OPTIONS", path); options.status != 204 || options.header.Get("Access-Control-Allow-Methods") != "GET, HEAD, OPTIONS" {
			t.Errorf("OPTIONS is answered %+v", options)
		}
	}
	if len(s.contracts.made) != 2 {
		t.Errorf("%d documents are kept", len(s.contracts.made))
	}
	for i := range maxContracts + 2 { // domains of the API
		if _, err := s.contracts.at("/asyncapi.json", fmt.Sprintf("https://d%d.example", i)); err != nil || len(s.contracts.made) > maxContracts {
			t.Fatalf("%d documents are kept, %v", len(s.contracts.made), err)
		}
	}
}

// TestWhatCannotBeDescribed: a service does not start with an address that no client could use.
func TestWhatCannotBeDescribed(t *testing.T) {
	for want, own := range map[string]map[string]string{
		"SOCKET_URL is not set":       {"SOCKET_URL": ""},
		"not the URL of a WebSocket":  {"SOCKET_URL": "https://a.example"},
		"THROTTLING_RATE is \"many\"": {"THROTTLING_RATE": "many"},
		"MAX_CONNECTIONS is \"0\"":    {"MAX_CONNECTIONS": "0"},
	} {
		if _, err := describedBy(t, own); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %s", own, err, want)
		}
	}
}

// BenchmarkAContractIsMade, which a process does once for each address.
func BenchmarkAContractIsMade(b *testing.B) {
	d := deployed{socketURL: environment["SOCKET_URL"], withDestinations: true}
	for b.Loop() {
		if _, err := (&contracts{of: d}).at("/openapi.json", "https://x.example/live"); err != nil {
			b.Fatal(err)
		}
	}
}
