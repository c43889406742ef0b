package identity_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/identity"
	"github.com/watchroute/watchroute/shared/watch"
	"pgregory.net/rapid"
)

// handedOn gives the request context of an event as API Gateway makes it of what an
// authorizer answers: all values are strings, and two are its own.
func handedOn(t rapid.TB, subject string, answer map[string]any) awsevents.APIGatewayWebsocketProxyRequestContext {
	t.Helper()
	authorizer := map[string]any{"principalId": subject, "integrationLatency": 12}
	for name, value := range answer {
		authorizer[name] = fmt.Sprint(value)
	}
	event, err := json.Marshal(map[string]any{"connectionId": "c1", "connectedAt": 1_770_660_703_000, "authorizer": authorizer})
	if err != nil {
		t.Fatal(err)
	}
	var request awsevents.APIGatewayWebsocketProxyRequestContext
	if err := json.Unmarshal(event, &request); err != nil {
		t.Fatal(err)
	}
	return request
}

// instants are times to the millisecond, and none.
var instants = rapid.Custom(func(t *rapid.T) time.Time {
	if rapid.Bool().Draw(t, "none") {
		return time.Time{}
	}
	return time.UnixMilli(rapid.Int64Range(1, 253_402_300_799_000).Draw(t, "milliseconds"))
})

func TestAccessTravels(t *testing.T) {
	claims := rapid.SampledFrom([]string{
		`{"v":1,"allow":[{"topics":["users/{sub}/**"],"actions":["subscribe","read","publish"]}]}`,
		`{"v":1,"allow":[{"topics":["**"],"actions":["read"],"filter":{"a":["<é\" >"]},"mask":{"omit":["a\\.b"],"replace":{"n":null}}}]}`,
	})
	rapid.Check(t, func(t *rapid.T) {
		subject := rapid.StringN(1, 64, 256).Draw(t, "subject")
		want := watch.Access{
			TokenID: rapid.String().Draw(t, "token id"), Issued: instants.Draw(t, "issued"), Expires: instants.Draw(t, "expires"),
		}
		if rapid.Bool().Draw(t, "has a grant") {
			var err error
			if want.Grant, err = grant.Parse([]byte(claims.Draw(t, "claim")), subject); err != nil {
				t.Fatal(err)
			}
		}
		got, err := identity.Reader{}.ConnectionOf(handedOn(t, subject, identity.Context(want)))
		if err != nil {
			t.Fatal(err)
		}
		if got.Subject != subject || got.ID != "c1" || !got.Connected.Equal(time.UnixMilli(1_770_660_703_000)) {
			t.Fatalf("connection is %+v", got)
		}
		if got.Grant.String() != want.Grant.String() || got.TokenID != want.TokenID || !got.Issued.Equal(want.Issued) || !got.Expires.Equal(want.Expires) {
			t.Fatalf("access is %+v, want %+v", got.Access, want)
		}
	})
}

// TestWithoutAuthorizer: everyone may do everything where that is meant, and nobody
// anything elsewhere.
func TestWithoutAuthorizer(t *testing.T) {
	if got, err := (identity.Reader{}).ConnectionOf(awsevents.APIGatewayWebsocketProxyRequestContext{ConnectionID: "c1"}); err == nil || got.Grant.String() != "" {
		t.Errorf("a route that lost its authorizer lets %+v in, %v", got, err)
	}
	got, err := identity.Reader{Open: true}.ConnectionOf(awsevents.APIGatewayWebsocketProxyRequestContext{ConnectionID: "c1"})
	if err != nil || got.Subject != watch.Anonymous || !got.Expires.IsZero() || got.Grant.String() != grant.All().String() {
		t.Errorf("connection is %+v, %v", got, err)
	}
}

// TestRefusalTravels: whoever reads it gets an error, and nobody whom it could be of. Nothing
// that stands beside it counts.
func TestRefusalTravels(t *testing.T) {
	for _, why := range []error{watch.ErrUnauthorized, watch.ErrRevoked} {
		for _, open := range []bool{false, true} {
			context := identity.Refused(why)
			if len(context) != 1 {
				t.Errorf("beside the refusal there is %v", context)
			}
			context["grant"] = grant.All().String()
			got, err := identity.Reader{Open: open}.ConnectionOf(handedOn(t, "refused", context))
			var refused *identity.RefusedError
			if !errors.As(err, &refused) || refused.Why != why || got.ID != "c1" || got.Grant.String() != "" {
				t.Errorf("%v is read as %+v, %v", why, got, err)
			}
			if errors.Is(err, why) {
				t.Errorf("a function that does not know of refusals inside takes %v for one of a request", err)
			}
		}
	}
	unknown := map[string]any{"refused": "later code"}
	var refused *identity.RefusedError
	if _, err := (identity.Reader{}).ConnectionOf(handedOn(t, "refused", unknown)); !errors.As(err, &refused) || refused.Why != watch.ErrUnauthorized {
		t.Errorf("a code of a later version is read as %v", err)
	}
}

// TestToldInsideTravels, if it is said.
func TestToldInsideTravels(t *testing.T) {
	for _, inside := range []bool{true, false} {
		context := identity.Context(watch.Access{Grant: parse(t)})
		if inside {
			identity.TellInside(context)
		}
		if got, err := (identity.Reader{}).ConnectionOf(handedOn(t, "anna", context)); err != nil || got.ToldInside != inside {
			t.Errorf("read is %t, %v, want %t", got.ToldInside, err, inside)
		}
	}
}

// TestAnyoneTravels: those whom an authorizer lets in without a token stay anonymous.
func TestAnyoneTravels(t *testing.T) {
	got, err := identity.Reader{}.ConnectionOf(handedOn(t, watch.Anonymous, identity.Context(identity.Anyone())))
	if err != nil || got.Subject != watch.Anonymous || !got.Expires.IsZero() {
		t.Errorf("connection is %+v, %v", got, err)
	}
	if _, allowed := got.Grant.Allows(grant.Publish, "a/b"); !allowed {
		t.Error("may not publish")
	}
}

// TestBrokenContextAllowsNothing, and what is in it does not come into the log.
func TestBrokenContextAllowsNothing(t *testing.T) {
	whole := identity.Context(watch.Access{Grant: parse(t), TokenID: "t1", Issued: time.UnixMilli(1), Expires: time.UnixMilli(2)})
	text := whole["grant"].(string)
	for name, c := range map[string]struct{ member, value string }{
		"the grant is cut short":           {"grant", text[:len(text)-3]},
		"the grant has another version":    {"grant", strings.Replace(text, `"v":1`, `"v":7`, 1)},
		"the grant has an unknown member":  {"grant", strings.Replace(text, `"v":1`, `"v":1,"x":1`, 1)},
		"the grant has an unknown action":  {"grant", strings.Replace(text, "read", "write", 1)},
		"the grant has a bad topic":        {"grant", strings.Replace(text, "private/", "private//", 1)},
		"the time of issue is no number":   {"issued", "yesterday"},
		"the time of expiry is no number":  {"expires", "never"},
		"there is no time of expiry":       {"expires", ""},
		"the time of expiry has fractions": {"expires", "1.5"},
	} {
		t.Run(name, func(t *testing.T) {
			broken := map[string]any{}
			for member, value := range whole {
				broken[member] = value
			}
			broken[c.member] = c.value
			got, err := identity.Reader{}.ConnectionOf(handedOn(t, "anna", broken))
			if err == nil || strings.Contains(err.Error(), "private") || !strings.Contains(err.Error(), "c1") {
				t.Errorf("err = %v", err)
			}
			if got.Subject != "anna" || got.Grant.String() != "" && c.member == "grant" {
				t.Errorf("connection is %+v", got)
			}
		})
	}
	if got, err := (identity.Reader{}).ConnectionOf(handedOn(t, "anna", nil)); err == nil {
		t.Errorf("an empty context gives %+v", got)
	}
}

func parse(t *testing.T) grant.Grant {
	t.Helper()
	g, err := grant.Parse([]byte(`{"v":1,"allow":[{"topics":["private/{sub}"],"actions":["read"]}]}`), "anna")
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestAnonymousViewersAreToldApart by what one client may have of addresses.
func TestAnonymousViewersAreToldApart(t *testing.T) {
	id := func(address string) watch.ConnectionID {
		v, err := (identity.Reader{Open: true}).ViewerOf(awsevents.APIGatewayProxyRequestContext{Identity: awsevents.APIGatewayRequestIdentity{SourceIP: address}})
		if err != nil || v.Subject != watch.Anonymous {
			t.Fatalf("viewer is %+v, %v", v, err)
		}
		return v.ID
	}
	if id("2001:db8:1:2::1") != id("2001:db8:1:2:ffff::2") || id("2001:db8:1:2::1") == id("2001:db8:1:3::1") || id("203.0.113.7") == id("203.0.113.8") {
		t.Error("clients are not told apart by their networks")
	}
}
