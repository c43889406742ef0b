// Package apis is the only place that knows how the resources of API Gateway in a template make a
// WebSocket API and a REST API. It knows no Lambda: whoever runs the APIs says what a function is.
package apis

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"

	"github.com/watchroute/watchroute/localstack/aws/apigateway"
	"github.com/watchroute/watchroute/localstack/aws/restapi"
	"github.com/watchroute/watchroute/localstack/aws/template"
)

// Location is where a template is deployed.
type Location struct {
	Region, Account string
	// Endpoint is what the WebSocket API's attribute ApiEndpoint gives, such as http://localhost:4566.
	Endpoint string
	// Partly leaves out what does not run here, if it is no part of the WebSocket API: HTTP APIs, and
	// the REST API if anything of it does not. Otherwise that is an error.
	Partly bool
}

// Gathered holds the resources of API Gateway, and Lambda's permissions, until all are known.
// References between them are by logical id.
type Gathered struct {
	location    Location
	socket      gatheredSocket
	rest        gatheredREST
	permissions permissions
	httpAPIs    map[string]bool // ids of those that are left out
	restFault   error           // why the REST API is left out
}

// Gather begins with nothing.
func Gather(p Location) *Gathered {
	return &Gathered{location: p, socket: newGatheredSocket(), rest: newGatheredREST(), permissions: permissions{location: p}, httpAPIs: map[string]bool{}}
}

// creators take the resources of each type.
var creators = map[string]func(*Gathered, template.Resource) (template.Physical, error){
	"AWS::ApiGatewayV2::Api":           (*Gathered).createAPI,
	"AWS::ApiGatewayV2::Authorizer":    (*Gathered).createAuthorizer,
	"AWS::ApiGatewayV2::Integration":   (*Gathered).createIntegration,
	"AWS::ApiGatewayV2::Route":         (*Gathered).createRoute,
	"AWS::ApiGatewayV2::RouteResponse": (*Gathered).createRouteResponse,
	"AWS::ApiGatewayV2::Stage":         (*Gathered).createStage,
	"AWS::ApiGateway::RestApi":         (*Gathered).createREST,
	"AWS::ApiGateway::Resource":        (*Gathered).createRESTResource,
	"AWS::ApiGateway::Method":          (*Gathered).createRESTMethod,
	"AWS::ApiGateway::Authorizer":      (*Gathered).createRESTAuthorizer,
	"AWS::ApiGateway::GatewayResponse": (*Gathered).createGatewayResponse,
	"AWS::ApiGateway::Deployment":      (*Gathered).createRESTDeployment,
	"AWS::ApiGateway::Stage":           (*Gathered).createRESTStage,
	"AWS::Lambda::Permission":          (*Gathered).createPermission,
}

// Supports reports whether Create takes resources of a type.
func Supports(resourceType string) bool { return creators[resourceType] != nil }

// Create takes a resource of a type that Takes reports true for. The error says what of it does not
// run locally.
func (g *Gathered) Create(r template.Resource) (template.Physical, error) {
	if !g.location.Partly {
		return creators[r.Type](g, r)
	}
	nothing := template.Physical{Ref: r.LogicalID, Others: r.LogicalID}
	if g.isOfHTTP(r) {
		return nothing, nil
	}
	made, err := creators[r.Type](g, r)
	if err != nil && strings.HasPrefix(r.Type, "AWS::ApiGateway::") {
		g.restFault = cmp.Or(g.restFault, fmt.Errorf("%s: %w", r.LogicalID, err))
		return nothing, nil
	}
	return made, err
}

// isOfHTTP reports whether a resource is an HTTP API or a part of one.
func (g *Gathered) isOfHTTP(r template.Resource) bool {
	if r.Properties["ProtocolType"] == "HTTP" {
		g.httpAPIs[r.LogicalID] = true
	}
	id, _ := r.Properties["ApiId"].(string)
	return g.httpAPIs[r.LogicalID] || g.httpAPIs[id]
}

// Permits reports whether a permission of the template lets a service, such as events.amazonaws.com,
// invoke a function for a resource of the service.
func (g *Gathered) Permits(service, functionARN, sourceARN string) bool {
	return g.permissions.permit(service, functionARN, sourceARN)
}

// WebSocket puts the WebSocket API together. A template without one is an error.
func (g *Gathered) WebSocket() (apigateway.API, error) { return g.socket.definition(g.permissions) }

// REST puts the REST API together; declared is false if the template has none. If it is left out, the error
// is a [LeftOut].
func (g *Gathered) REST() (api restapi.API, declared bool, err error) {
	if g.restFault != nil {
		return api, false, LeftOut{g.restFault}
	}
	if g.rest.id == "" {
		return api, false, nil
	}
	api, err = g.rest.definition(g.permissions)
	if err != nil && g.location.Partly {
		return api, false, LeftOut{err}
	}
	return api, true, err
}

// LeftOut says why the REST API of a template is left out.
type LeftOut struct{ Cause error }

func (l LeftOut) Error() string { return "the REST API is left out: " + l.Cause.Error() }

func (l LeftOut) Unwrap() error { return l.Cause }

// ForWebSocket tells the two APIs apart where their stages have one name: the WebSocket API has the
// stage itself and @connections, and the REST API has everything else below. On AWS each has a host of
// its own.
func ForWebSocket(r *http.Request, stage string) bool {
	rest, ok := strings.CutPrefix(r.URL.Path, "/"+stage)
	return ok && (rest == "" || rest == "/" || strings.HasPrefix(rest, "/@connections/"))
}
