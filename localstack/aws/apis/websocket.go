package apis

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/apigateway"
	"github.com/watchroute/watchroute/localstack/aws/template"
)

// gatheredSocket holds the resources of the template's WebSocket API until all are
// known. References between them are by logical id.
type gatheredSocket struct {
	id           string
	selection    string
	stage        stageProperties
	integrations map[string]integrationProperties
	routes       map[string]routeProperties
	authorizers  map[string]authorizerProperties
	answers      map[string]bool // routes that have a $default response
}

type stageProperties struct {
	StageName            string
	StageVariables       map[string]string
	DefaultRouteSettings throttleProperties
	RouteSettings        map[string]throttleProperties
}

type throttleProperties struct {
	ThrottlingBurstLimit int
	ThrottlingRateLimit  float64
}

func (p throttleProperties) throttle() apigateway.Throttle {
	return apigateway.Throttle{Burst: p.ThrottlingBurstLimit, Rate: p.ThrottlingRateLimit}
}

type integrationProperties struct {
	IntegrationType string
	IntegrationUri  string
	TimeoutInMillis int
}

type authorizerProperties struct {
	AuthorizerType           string
	AuthorizerUri            string
	AuthorizerCredentialsArn string
	IdentitySource           []string
}

type routeProperties struct {
	RouteKey                         string
	AuthorizationType                string
	AuthorizerId                     string
	Target                           string
	RouteResponseSelectionExpression string
}

type permissionProperties struct {
	FunctionName string
	Principal    string
	SourceArn    string
}

// of reports whether the permission is one of the function, which it names by name or
// ARN.
func (p permissionProperties) of(functionARN string) bool {
	return p.FunctionName == functionARN || strings.HasSuffix(functionARN, ":"+p.FunctionName)
}

// permissions are all of the template, which is deployed at a location.
type permissions struct {
	location Location
	all      []permissionProperties
}

func newGatheredSocket() gatheredSocket {
	return gatheredSocket{
		integrations: map[string]integrationProperties{},
		routes:       map[string]routeProperties{},
		authorizers:  map[string]authorizerProperties{},
		answers:      map[string]bool{},
	}
}

// createAPI takes the one WebSocket API. Its id is its logical id, lower-cased.
func (g *Gathered) createAPI(r template.Resource) (template.Physical, error) {
	var p struct{ ProtocolType, RouteSelectionExpression string }
	if err := r.Decode(&p); err != nil {
		return template.Physical{}, err
	}
	if p.ProtocolType != "WEBSOCKET" {
		return template.Physical{}, fmt.Errorf("protocol %s does not run locally, only WEBSOCKET", p.ProtocolType)
	}
	if g.socket.id != "" {
		return template.Physical{}, errors.New("a second API does not run locally")
	}
	g.socket.id, g.socket.selection = strings.ToLower(r.LogicalID), p.RouteSelectionExpression
	return template.Physical{Ref: g.socket.id, Attributes: map[string]string{"ApiId": g.socket.id, "ApiEndpoint": g.location.Endpoint}}, nil
}

func (g *Gathered) createIntegration(r template.Resource) (template.Physical, error) {
	var p integrationProperties
	if err := r.Decode(&p); err != nil {
		return template.Physical{}, err
	}
	if p.IntegrationType != "AWS_PROXY" {
		return template.Physical{}, fmt.Errorf("integration type %s does not run locally, only AWS_PROXY", p.IntegrationType)
	}
	g.socket.integrations[r.LogicalID] = p
	return template.Physical{Ref: r.LogicalID}, nil
}

// createAuthorizer takes an authorizer that is invoked by a permission. Its id is its
// logical id.
func (g *Gathered) createAuthorizer(r template.Resource) (template.Physical, error) {
	var p authorizerProperties
	if err := r.Decode(&p); err != nil {
		return template.Physical{}, err
	}
	if p.AuthorizerType != "REQUEST" {
		return template.Physical{}, fmt.Errorf("authorizer type %s does not run locally, only REQUEST", p.AuthorizerType)
	}
	if p.AuthorizerCredentialsArn != "" {
		return template.Physical{}, errors.New("an authorizer with credentials does not run locally, only with a permission")
	}
	g.socket.authorizers[r.LogicalID] = p
	return template.Physical{Ref: r.LogicalID, Attributes: map[string]string{"AuthorizerId": r.LogicalID}}, nil
}

func (g *Gathered) createRoute(r template.Resource) (template.Physical, error) {
	var p routeProperties
	if err := r.Decode(&p); err != nil {
		return template.Physical{}, err
	}
	if err := p.checkAuthorization(); err != nil {
		return template.Physical{}, err
	}
	g.socket.routes[r.LogicalID] = p
	return template.Physical{Ref: r.LogicalID, Attributes: map[string]string{"RouteId": r.LogicalID}}, nil
}

// checkAuthorization refuses what WebSocket APIs do not have, and what does not run
// locally.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html
func (p routeProperties) checkAuthorization() error {
	switch p.AuthorizationType {
	case "", "NONE":
		return nil
	case "CUSTOM":
		if p.RouteKey != "$connect" {
			return fmt.Errorf("route %s cannot have an authorizer, only $connect can", p.RouteKey)
		}
		return nil
	}
	return fmt.Errorf("authorization type %s does not run locally", p.AuthorizationType)
}

func (g *Gathered) createRouteResponse(r template.Resource) (template.Physical, error) {
	var p struct{ RouteId, RouteResponseKey string }
	if err := r.Decode(&p); err != nil {
		return template.Physical{}, err
	}
	g.socket.answers[p.RouteId] = p.RouteResponseKey == "$default"
	return template.Physical{Ref: r.LogicalID}, nil
}

func (g *Gathered) createStage(r template.Resource) (template.Physical, error) {
	if g.socket.stage.StageName != "" {
		return template.Physical{}, errors.New("a second stage does not run locally")
	}
	err := r.Decode(&g.socket.stage)
	return template.Physical{Ref: g.socket.stage.StageName}, err
}

func (g *Gathered) createPermission(r template.Resource) (template.Physical, error) {
	var p permissionProperties
	if err := r.Decode(&p); err != nil {
		return template.Physical{}, err
	}
	g.permissions.all = append(g.permissions.all, p)
	return template.Physical{Ref: r.LogicalID}, nil
}

// definition puts the gathered resources together.
func (g gatheredSocket) definition(permissions permissions) (apigateway.API, error) {
	if g.id == "" || g.stage.StageName == "" {
		return apigateway.API{}, errors.New("template has no WebSocket API with a stage")
	}
	api := apigateway.API{
		ID: g.id, Stage: g.stage.StageName, Region: permissions.location.Region, Account: permissions.location.Account,
		RouteSelectionExpression: g.selection, Routes: map[string]apigateway.Route{},
		Throttle: g.stage.DefaultRouteSettings.throttle(), StageVariables: g.stage.StageVariables,
	}
	for id, p := range g.routes {
		route, err := g.route(id, p, permissions)
		if err != nil {
			return apigateway.API{}, fmt.Errorf("route %s: %w", p.RouteKey, err)
		}
		api.Routes[p.RouteKey] = route
	}
	return api, nil
}

func (g gatheredSocket) route(id string, p routeProperties, permissions permissions) (apigateway.Route, error) {
	route := apigateway.Route{
		TwoWay:   p.RouteResponseSelectionExpression == "$default" && g.answers[id],
		Throttle: g.stage.RouteSettings[p.RouteKey].throttle(),
	}
	integration, ok := g.integrations[path.Base(p.Target)]
	if !ok {
		return route, fmt.Errorf("target %q is no integration", p.Target)
	}
	functionARN, ok := invokedFunction(integration.IntegrationUri)
	if !ok {
		return route, fmt.Errorf("integration %q is no function", integration.IntegrationUri)
	}
	route.Function = functionARN
	route.Timeout = time.Duration(integration.TimeoutInMillis) * time.Millisecond
	route.Permitted = permissions.allow(g.id, functionARN, g.stage.StageName+"/"+p.RouteKey)
	if p.AuthorizationType == "CUSTOM" {
		return g.guarded(route, p.AuthorizerId, permissions)
	}
	return route, nil
}

// guarded adds its authorizer to a route.
func (g gatheredSocket) guarded(route apigateway.Route, id string, permissions permissions) (apigateway.Route, error) {
	p, ok := g.authorizers[id]
	if !ok {
		return route, fmt.Errorf("authorizer %q is not in the template", id)
	}
	functionARN, ok := invokedFunction(p.AuthorizerUri)
	if !ok {
		return route, fmt.Errorf("authorizer %q is no function", p.AuthorizerUri)
	}
	route.Authorizer = &apigateway.Authorizer{
		Function: functionARN, IdentitySources: p.IdentitySource, Permitted: permissions.allow(g.id, functionARN, "authorizers/"+id),
	}
	return route, nil
}

// invokedFunction takes the function's ARN out of an integration's, which ends in
// /functions/{ARN}/invocations.
func invokedFunction(uri string) (arn string, ok bool) {
	return integratedFunction(uri, "/invocations")
}

// integratedFunction is the same for an integration with another end.
func integratedFunction(uri, end string) (arn string, ok bool) {
	_, rest, found := strings.Cut(uri, "/functions/")
	arn, ok = strings.CutSuffix(rest, end)
	return arn, found && ok && !strings.Contains(arn, "/")
}

// allow reports whether a permission lets a part of an API invoke the function: the route
// {stage}/{key}, the method {stage}/{method}/{path}, or authorizers/{id}.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html
func (ps permissions) allow(api, functionARN, part string) bool {
	source := "arn:aws:execute-api:" + ps.location.Region + ":" + ps.location.Account + ":" + api + "/" + part
	return ps.permit("apigateway.amazonaws.com", functionARN, source)
}

// permit reports whether a permission lets a service invoke the function for a source.
func (ps permissions) permit(service, functionARN, sourceARN string) bool {
	return slices.ContainsFunc(ps.all, func(p permissionProperties) bool {
		return p.Principal == service && p.of(functionARN) && matches(p.SourceArn, sourceARN)
	})
}

// matches compares an ARN with a pattern, in which * stands for anything. No
// pattern is any ARN.
func matches(pattern, arn string) bool {
	if pattern == "" {
		return true
	}
	expression := "^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$"
	return regexp.MustCompile(expression).MatchString(arn)
}
