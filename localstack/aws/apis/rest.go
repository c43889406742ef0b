package apis

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/restapi"
	"github.com/watchroute/watchroute/localstack/aws/template"
	"github.com/watchroute/watchroute/localstack/aws/throttle"
)

// gatheredREST holds the resources of the template's REST API until all are known. References
// between them are by logical id.
type gatheredREST struct {
	id          string
	paths       map[string]string // by resource, the root among them
	methods     map[string]restMethodProperties
	authorizers map[string]restAuthorizerProperties
	responses   map[string]restapi.Response
	stage       restStageProperties
	deployment  string // until it is made, the others can be
}

type restStageProperties struct {
	StageName, DeploymentId string
	Variables               map[string]string
	CacheClusterEnabled     bool
	MethodSettings          []methodSetting
}

// methodSetting is for one method, or for all: * and /*.
type methodSetting struct {
	HttpMethod, ResourcePath string
	CachingEnabled           bool
	throttleProperties
}

type restMethodProperties struct {
	HttpMethod, ResourceId            string
	AuthorizationType, AuthorizerId   string
	ApiKeyRequired                    bool
	RequestValidatorId, OperationName string
	Integration                       struct {
		Type, IntegrationHttpMethod, Uri, Credentials string
		ResponseTransferMode                          string
		TimeoutInMillis                               int
	}
}

type restAuthorizerProperties struct {
	Type, AuthorizerUri, AuthorizerCredentials, IdentitySource string
	AuthorizerResultTtlInSeconds                               *int
}

func newGatheredREST() gatheredREST {
	return gatheredREST{
		paths: map[string]string{}, methods: map[string]restMethodProperties{},
		authorizers: map[string]restAuthorizerProperties{}, responses: map[string]restapi.Response{},
	}
}

// createREST takes the one REST API. Its id is its logical id, lower-cased.
func (g *Gathered) createREST(r template.Resource) (template.Physical, error) {
	var p struct {
		EndpointConfiguration struct{ Types []string }
	}
	if err := r.Decode(&p); err != nil {
		return template.Physical{}, err
	}
	switch {
	case g.rest.id != "":
		return template.Physical{}, errors.New("a second REST API does not run locally")
	case !slices.Equal(p.EndpointConfiguration.Types, []string{"REGIONAL"}):
		return template.Physical{}, fmt.Errorf("endpoints of types %v do not run locally, only REGIONAL", p.EndpointConfiguration.Types)
	}
	for _, name := range []string{"BinaryMediaTypes", "Body", "BodyS3Location", "MinimumCompressionSize", "Policy"} {
		if r.Properties[name] != nil {
			return template.Physical{}, fmt.Errorf("%s of a REST API does not run locally", name)
		}
	}
	g.rest.id = strings.ToLower(r.LogicalID)
	root := g.rest.id + "root"
	g.rest.paths[root] = "/"
	return template.Physical{Ref: g.rest.id, Attributes: map[string]string{"RestApiId": g.rest.id, "RootResourceId": root}}, nil
}

func (g *Gathered) createRESTResource(r template.Resource) (template.Physical, error) {
	var p struct{ ParentId, PathPart string }
	if err := r.Decode(&p); err != nil {
		return template.Physical{}, err
	}
	parent, ok := g.rest.paths[p.ParentId]
	if !ok {
		return template.Physical{}, fmt.Errorf("parent %q is no resource", p.ParentId)
	}
	g.rest.paths[r.LogicalID] = strings.TrimSuffix(parent, "/") + "/" + p.PathPart
	return template.Physical{Ref: r.LogicalID, Attributes: map[string]string{"ResourceId": r.LogicalID}}, nil
}

func (g *Gathered) createRESTMethod(r template.Resource) (template.Physical, error) {
	var p restMethodProperties
	if err := r.Decode(&p); err != nil {
		return template.Physical{}, err
	}
	if err := cmp.Or(p.check(), g.rest.undeployed()); err != nil {
		return template.Physical{}, err
	}
	g.rest.methods[r.LogicalID] = p
	return template.Physical{Ref: r.LogicalID}, nil
}

// check refuses what does not run locally.
func (p restMethodProperties) check() error {
	i := p.Integration
	switch {
	case i.Type != "AWS_PROXY":
		return fmt.Errorf("integration type %s does not run locally, only AWS_PROXY", i.Type)
	case i.IntegrationHttpMethod != "POST":
		return fmt.Errorf("the IntegrationHttpMethod of a function is POST, not %q", i.IntegrationHttpMethod)
	case i.Credentials != "":
		return errors.New("an integration with credentials does not run locally, only with a permission")
	case p.ApiKeyRequired || p.RequestValidatorId != "":
		return errors.New("API keys and request validators do not run locally")
	case !slices.Contains([]string{"", "NONE", "CUSTOM"}, p.AuthorizationType):
		return fmt.Errorf("authorization type %s does not run locally", p.AuthorizationType)
	case !slices.Contains([]string{"", "BUFFERED", "STREAM"}, i.ResponseTransferMode):
		return fmt.Errorf("the ResponseTransferMode %s is neither BUFFERED nor STREAM", i.ResponseTransferMode)
	}
	return nil
}

// createRESTAuthorizer takes an authorizer without a cache. A cached answer would be for all
// methods, and for whatever else the request has beside the identity sources.
func (g *Gathered) createRESTAuthorizer(r template.Resource) (template.Physical, error) {
	var p restAuthorizerProperties
	if err := r.Decode(&p); err != nil {
		return template.Physical{}, err
	}
	switch {
	case p.Type != "REQUEST":
		return template.Physical{}, fmt.Errorf("authorizer type %s does not run locally, only REQUEST", p.Type)
	case p.AuthorizerCredentials != "":
		return template.Physical{}, errors.New("an authorizer with credentials does not run locally, only with a permission")
	case p.AuthorizerResultTtlInSeconds == nil || *p.AuthorizerResultTtlInSeconds != 0:
		return template.Physical{}, errors.New("an authorizer with a cache does not run locally: set AuthorizerResultTtlInSeconds to 0")
	}
	g.rest.authorizers[r.LogicalID] = p
	return template.Physical{Ref: r.LogicalID, Attributes: map[string]string{"AuthorizerId": r.LogicalID}}, g.rest.undeployed()
}

func (g *Gathered) createGatewayResponse(r template.Resource) (template.Physical, error) {
	var p struct {
		ResponseType       string
		StatusCode         int
		ResponseParameters map[string]string
		ResponseTemplates  map[string]string
	}
	if err := r.Decode(&p); err != nil {
		return template.Physical{}, err
	}
	response := restapi.Response{Status: p.StatusCode, Headers: map[string]string{}, Templates: p.ResponseTemplates}
	for name, value := range p.ResponseParameters {
		header, ok := strings.CutPrefix(name, "gatewayresponse.header.")
		if !ok {
			return template.Physical{}, fmt.Errorf("response parameter %s is no header", name)
		}
		response.Headers[header] = value
	}
	g.rest.responses[p.ResponseType] = response
	return template.Physical{Ref: r.LogicalID, Attributes: map[string]string{"Id": r.LogicalID}}, g.rest.undeployed()
}

// createRESTDeployment takes a picture of the API as it is by now.
//
// Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-apigateway-deployment.html
func (g *Gathered) createRESTDeployment(r template.Resource) (template.Physical, error) {
	if err := g.rest.undeployed(); err != nil {
		return template.Physical{}, err
	}
	if r.Properties["StageName"] != nil {
		return template.Physical{}, errors.New("a deployment that makes a stage does not run locally, only AWS::ApiGateway::Stage")
	}
	g.rest.deployment = r.LogicalID
	return template.Physical{Ref: r.LogicalID, Attributes: map[string]string{"DeploymentId": r.LogicalID}}, nil
}

// undeployed is an error if there is a deployment, which what comes later is no part of.
func (g *gatheredREST) undeployed() error {
	if g.deployment != "" {
		return fmt.Errorf("it is made after deployment %s, and no part of it: let the deployment depend on it", g.deployment)
	}
	return nil
}

func (g *Gathered) createRESTStage(r template.Resource) (template.Physical, error) {
	if g.rest.stage.StageName != "" {
		return template.Physical{}, errors.New("a second stage does not run locally")
	}
	if err := r.Decode(&g.rest.stage); err != nil {
		return template.Physical{}, err
	}
	caching := g.rest.stage.CacheClusterEnabled || slices.ContainsFunc(g.rest.stage.MethodSettings, func(s methodSetting) bool { return s.CachingEnabled })
	if caching {
		return template.Physical{}, errors.New("caches do not run locally")
	}
	return template.Physical{Ref: g.rest.stage.StageName}, nil
}

// definition puts the gathered resources together.
func (g gatheredREST) definition(permissions permissions) (restapi.API, error) {
	if g.stage.StageName == "" || g.deployment != g.stage.DeploymentId {
		return restapi.API{}, errors.New("template has a REST API without a stage of its deployment")
	}
	api := restapi.API{
		ID: g.id, Stage: g.stage.StageName, Region: permissions.location.Region, Account: permissions.location.Account, DeploymentID: strings.ToLower(g.deployment),
		StageVariables: g.stage.Variables, Responses: g.responses,
	}
	resources := map[string]map[string]restapi.Method{}
	for _, id := range slices.Sorted(maps.Keys(g.methods)) {
		p := g.methods[id]
		method, err := g.method(p, permissions)
		if err != nil {
			return restapi.API{}, fmt.Errorf("method %s: %w", id, err)
		}
		if resources[p.ResourceId] == nil {
			resources[p.ResourceId] = map[string]restapi.Method{}
		}
		resources[p.ResourceId][p.HttpMethod] = method
	}
	for id, path := range g.paths {
		api.Resources = append(api.Resources, restapi.Resource{ID: id, Path: path, Methods: resources[id]})
	}
	return api, g.checkSettings()
}

// uris end in one of these, by the mode in which the function's answer is transferred.
var uris = map[string]string{"": "/invocations", "BUFFERED": "/invocations", "STREAM": "/response-streaming-invocations"}

func (g gatheredREST) method(p restMethodProperties, permissions permissions) (restapi.Method, error) {
	path, ok := g.paths[p.ResourceId]
	if !ok {
		return restapi.Method{}, fmt.Errorf("%q is no resource", p.ResourceId)
	}
	end := uris[p.Integration.ResponseTransferMode]
	functionARN, ok := integratedFunction(p.Integration.Uri, end)
	if !ok {
		return restapi.Method{}, fmt.Errorf("integration %q does not end in a function's ARN and %s", p.Integration.Uri, end)
	}
	m := restapi.Method{
		Function: functionARN, Stream: p.Integration.ResponseTransferMode == "STREAM",
		Timeout:   time.Duration(p.Integration.TimeoutInMillis) * time.Millisecond,
		Permitted: permissions.allow(g.id, functionARN, g.stage.StageName+"/"+p.HttpMethod+path),
		Throttle:  g.throttle(p.HttpMethod, path),
	}
	if p.AuthorizationType != "CUSTOM" {
		return m, nil
	}
	guard, ok := g.authorizers[p.AuthorizerId]
	if !ok {
		return m, fmt.Errorf("authorizer %q is not in the template", p.AuthorizerId)
	}
	guardARN, ok := invokedFunction(guard.AuthorizerUri)
	if !ok {
		return m, fmt.Errorf("authorizer %q is no function", p.AuthorizerId)
	}
	m.Authorizer = &restapi.Authorizer{Function: guardARN, Permitted: permissions.allow(g.id, guardARN, "authorizers/"+p.AuthorizerId)}
	for source := range strings.SplitSeq(guard.IdentitySource, ",") {
		if source = strings.TrimSpace(source); source != "" {
			m.Authorizer.IdentitySources = append(m.Authorizer.IdentitySources, source)
		}
	}
	return m, nil
}

// path is the resource's, whose slashes but the first are written ~1.
func (s methodSetting) path() string {
	return "/" + strings.TrimPrefix(strings.ReplaceAll(strings.TrimPrefix(s.ResourcePath, "/"), "~1", "/"), "/")
}

// throttle is that of a method: its own, or that of all methods.
func (g gatheredREST) throttle(method, path string) throttle.Limit {
	var limit throttle.Limit
	for _, s := range g.stage.MethodSettings {
		switch {
		case s.HttpMethod == method && s.path() == path:
			return s.throttle()
		case s.HttpMethod == "*" && s.ResourcePath == "/*":
			limit = s.throttle()
		}
	}
	return limit
}

// checkSettings refuses settings that are for no method: nobody would notice.
func (g gatheredREST) checkSettings() error {
	for _, s := range g.stage.MethodSettings {
		found := s.HttpMethod == "*" && s.ResourcePath == "/*"
		for _, m := range g.methods {
			found = found || m.HttpMethod == s.HttpMethod && g.paths[m.ResourceId] == s.path()
		}
		if !found {
			return fmt.Errorf("MethodSettings of %s %s are for no method", s.HttpMethod, s.ResourcePath)
		}
	}
	return nil
}
