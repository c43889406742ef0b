package stack

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/watchroute/watchroute/localstack/apigateway"
	"github.com/watchroute/watchroute/localstack/template"
)

// gatheredAPI holds the resources of the template's WebSocket API until all are
// known. References between them are by logical id.
type gatheredAPI struct {
	id           string
	selection    string
	stage        stageProperties
	integrations map[string]integrationProperties
	routes       map[string]routeProperties
	answers      map[string]bool // routes that have a $default response
	permissions  []permissionProperties
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

type routeProperties struct {
	RouteKey                         string
	Target                           string
	RouteResponseSelectionExpression string
}

type permissionProperties struct {
	FunctionName string
	Principal    string
	SourceArn    string
}

func newGatheredAPI() gatheredAPI {
	return gatheredAPI{
		integrations: map[string]integrationProperties{},
		routes:       map[string]routeProperties{},
		answers:      map[string]bool{},
	}
}

// createAPI takes the one WebSocket API. Its id is its logical id, lower-cased.
func (d *deployment) createAPI(r template.Resource) (template.Physical, error) {
	var p struct{ ProtocolType, RouteSelectionExpression string }
	if err := r.Decode(&p); err != nil {
		return template.Physical{}, err
	}
	if p.ProtocolType != "WEBSOCKET" {
		return template.Physical{}, fmt.Errorf("protocol %s does not run locally, only WEBSOCKET", p.ProtocolType)
	}
	if d.api.id != "" {
		return template.Physical{}, errors.New("a second API does not run locally")
	}
	d.api.id, d.api.selection = strings.ToLower(r.LogicalID), p.RouteSelectionExpression
	return template.Physical{Ref: d.api.id, Attributes: map[string]string{"ApiId": d.api.id, "ApiEndpoint": d.stack.URL()}}, nil
}

func (d *deployment) createIntegration(r template.Resource) (template.Physical, error) {
	var p integrationProperties
	if err := r.Decode(&p); err != nil {
		return template.Physical{}, err
	}
	if p.IntegrationType != "AWS_PROXY" {
		return template.Physical{}, fmt.Errorf("integration type %s does not run locally, only AWS_PROXY", p.IntegrationType)
	}
	d.api.integrations[r.LogicalID] = p
	return template.Physical{Ref: r.LogicalID}, nil
}

func (d *deployment) createRoute(r template.Resource) (template.Physical, error) {
	var p struct {
		routeProperties
		AuthorizationType string
	}
	if err := r.Decode(&p); err != nil {
		return template.Physical{}, err
	}
	if p.AuthorizationType != "" && p.AuthorizationType != "NONE" {
		return template.Physical{}, fmt.Errorf("authorization type %s does not run locally", p.AuthorizationType)
	}
	d.api.routes[r.LogicalID] = p.routeProperties
	return template.Physical{Ref: r.LogicalID, Attributes: map[string]string{"RouteId": r.LogicalID}}, nil
}

func (d *deployment) createRouteResponse(r template.Resource) (template.Physical, error) {
	var p struct{ RouteId, RouteResponseKey string }
	if err := r.Decode(&p); err != nil {
		return template.Physical{}, err
	}
	d.api.answers[p.RouteId] = p.RouteResponseKey == "$default"
	return template.Physical{Ref: r.LogicalID}, nil
}

func (d *deployment) createStage(r template.Resource) (template.Physical, error) {
	if d.api.stage.StageName != "" {
		return template.Physical{}, errors.New("a second stage does not run locally")
	}
	err := r.Decode(&d.api.stage)
	return template.Physical{Ref: d.api.stage.StageName}, err
}

func (d *deployment) createPermission(r template.Resource) (template.Physical, error) {
	var p permissionProperties
	if err := r.Decode(&p); err != nil {
		return template.Physical{}, err
	}
	d.api.permissions = append(d.api.permissions, p)
	return template.Physical{Ref: r.LogicalID}, nil
}

// definition puts the gathered resources together.
func (g gatheredAPI) definition() (apigateway.API, error) {
	if g.id == "" || g.stage.StageName == "" {
		return apigateway.API{}, errors.New("template has no WebSocket API with a stage")
	}
	api := apigateway.API{
		ID: g.id, Stage: g.stage.StageName, Region: Region, Account: Account,
		RouteSelectionExpression: g.selection, Routes: map[string]apigateway.Route{},
		Throttle: g.stage.DefaultRouteSettings.throttle(), StageVariables: g.stage.StageVariables,
	}
	for id, p := range g.routes {
		route, err := g.route(id, p)
		if err != nil {
			return apigateway.API{}, fmt.Errorf("route %s: %w", p.RouteKey, err)
		}
		api.Routes[p.RouteKey] = route
	}
	return api, nil
}

func (g gatheredAPI) route(id string, p routeProperties) (apigateway.Route, error) {
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
	route.Permitted = g.permitted(functionARN, p.RouteKey)
	return route, nil
}

// invokedFunction takes the function's ARN out of an integration's, which ends in
// /functions/{ARN}/invocations.
func invokedFunction(uri string) (arn string, ok bool) {
	_, rest, found := strings.Cut(uri, "/functions/")
	arn, ok = strings.CutSuffix(rest, "/invocations")
	return arn, found && ok
}

// permitted reports whether a permission lets the route invoke the function.
func (g gatheredAPI) permitted(functionARN, routeKey string) bool {
	source := "arn:aws:execute-api:" + Region + ":" + Account + ":" + g.id + "/" + g.stage.StageName + "/" + routeKey
	for _, p := range g.permissions {
		if p.Principal == "apigateway.amazonaws.com" && p.FunctionName == functionARN && matches(p.SourceArn, source) {
			return true
		}
	}
	return false
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
