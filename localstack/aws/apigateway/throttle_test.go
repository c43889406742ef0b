package apigateway

import (
	"testing"
)

// TestThrottledHandshake: 429 by the quota for connects, the account, the
// stage's default and the route's own limit.
func TestThrottledHandshake(t *testing.T) {
	one := Throttle{Burst: 1, Rate: 1e-9}
	for name, c := range map[string]struct {
		stage, route Throttle
		options      Options
	}{
		"connects": {options: Options{Connects: one}},
		"account":  {options: Options{Account: one}},
		"stage":    {stage: one},
		"route":    {route: one, stage: Throttle{Rate: -1}},
	} {
		t.Run(name, func(t *testing.T) {
			api := testAPI(map[string]Route{connectKey: {Throttle: c.route}})
			api.Throttle = c.stage
			f := serve(t, api, nil, c.options)
			f.dial(nil)
			if response := f.refused(nil); response.StatusCode != 429 {
				t.Errorf("status %d", response.StatusCode)
			}
		})
	}
}

// TestAccountShared: connects, messages and posts draw on one bucket.
func TestAccountShared(t *testing.T) {
	f := serve(t, testAPI(map[string]Route{defaultKey: {}}), nil, Options{Account: Throttle{Burst: 3, Rate: 1e-9}, Serial: true})
	ws := f.dial(nil)
	ws.say("{}")
	if response := f.manage("POST", f.id(), "x"); response.StatusCode != 200 {
		t.Errorf("post: %d", response.StatusCode)
	}
	if got := ws.hear(); got != "x" {
		t.Errorf("heard %q", got)
	}
	ws.say("{}")
	ws.say("{}")
	ws.hear() // the frame that says so
	if response := f.manage("POST", f.id(), "x"); response.StatusCode != 429 {
		t.Errorf("post: %d, want 429", response.StatusCode)
	}
}

// TestThrottlePerRoute: the stage's default counts route by route.
func TestThrottlePerRoute(t *testing.T) {
	api := testAPI(map[string]Route{"a": {Function: "f", TwoWay: true}, "b": {Function: "f", TwoWay: true}})
	api.Throttle = Throttle{Burst: 1, Rate: 1e-9}
	f := serve(t, api, functions{"f": answers(`{"statusCode":200,"body":"ok"}`)}, Options{Serial: true})
	ws := f.dial(nil)
	for _, route := range []string{"a", "b"} {
		ws.say(`{"action":"` + route + `"}`)
		if got := ws.hear(); got != "ok" {
			t.Errorf("%s: %s", route, got)
		}
	}
	ws.say(`{"action":"a"}`)
	if got := ws.hear(); got == "ok" {
		t.Error("a has no limit")
	}
}
