package apigateway

import (
	"strings"

	"github.com/watchroute/watchroute/localstack/aws/throttle"
)

const (
	connectKey    = "$connect"
	disconnectKey = "$disconnect"
	defaultKey    = "$default"
)

// route is a Route in service.
type route struct {
	Route
	key    string
	bucket *throttle.Bucket
}

// compileRoutes gives each route its timeout and its own bucket: a stage's
// default throttle counts route by route.
func compileRoutes(api API) map[string]*route {
	routes := make(map[string]*route, len(api.Routes))
	for key, r := range api.Routes {
		orElse(&r.Timeout, integrationTimeout)
		orElse(&r.Throttle, api.Throttle)
		compiled := &route{Route: r, key: key}
		if r.Throttle != (Throttle{}) {
			compiled.bucket = throttle.New(r.Throttle)
		}
		routes[key] = compiled
	}
	return routes
}

// route finds the route of a message, or nil if there is no $default either.
// Keys that begin with "$" are reserved: no message can ask for $connect.
func (g *Gateway) route(body string) *route {
	key, ok := g.selection.key(body)
	if r := g.routes[key]; ok && r != nil && !strings.HasPrefix(key, "$") {
		return r
	}
	return g.routes[defaultKey]
}
