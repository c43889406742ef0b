package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/watchroute/watchroute/events"
)

// restMethod is what a method's definition and its description have in common. They name the
// integration differently.
type restMethod struct {
	HttpMethod, AuthorizationType, AuthorizerId string
	Integration, MethodIntegration              restIntegration
}

type restIntegration struct {
	Type, Uri            string
	TimeoutInMillis      int
	ResponseTransferMode string
}

// restMethods is how many methods the REST API has.
const restMethods = 12

// methodsAsDeclared compares the methods of the REST API, but for how the answer is transferred.
func (d *deployment) methodsAsDeclared(ctx context.Context) error {
	return d.eachMethod(ctx, func(id string, got, want restMethod) error {
		got.Integration, got.MethodIntegration = got.MethodIntegration, restIntegration{}
		got.Integration.ResponseTransferMode, want.Integration.ResponseTransferMode = "", ""
		return same(id, got, want)
	})
}

// transferModeIsLeftOut is true of an emulator that does not know ResponseTransferMode.
func (d *deployment) transferModeIsLeftOut(ctx context.Context) error {
	return d.eachMethod(ctx, func(id string, got, want restMethod) error {
		if got.MethodIntegration.ResponseTransferMode != "" {
			return errors.New(id + " has a transfer mode now: check it as ok")
		}
		return same("ours of "+id, want.Integration.ResponseTransferMode, "STREAM")
	})
}

func (d *deployment) eachMethod(ctx context.Context, check func(id string, got, want restMethod) error) error {
	var faults []error
	ids := d.Template.IDs("AWS::ApiGateway::Method")
	for _, id := range ids {
		var got restMethod
		var want struct {
			restMethod
			ResourceId string
		}
		if err := d.want(id, &want); err != nil {
			return err
		}
		if err := d.runAWS(ctx, &got, "apigateway", "get-method", "--rest-api-id", d.physical["HttpApi"], "--resource-id", want.ResourceId, "--http-method", want.HttpMethod); err != nil {
			return err
		}
		faults = append(faults, check(id, got, want.restMethod))
	}
	return errors.Join(append(faults, same("number of methods", len(ids), restMethods))...)
}

// restAuthorizer is what the authorizer's definition and its description have in common.
type restAuthorizer struct {
	Name, Type, AuthorizerUri, IdentitySource string
	AuthorizerResultTtlInSeconds              *int
}

func (d *deployment) restAuthorizers(ctx context.Context) (got, want restAuthorizer, err error) {
	if err := d.want("HttpAuthorizer", &want); err != nil {
		return got, want, err
	}
	err = d.runAWS(ctx, &got, "apigateway", "get-authorizer", "--rest-api-id", d.physical["HttpApi"], "--authorizer-id", d.physical["HttpAuthorizer"])
	return got, want, err
}

// restAuthorizerAsDeclared compares the authorizer of the REST API, but for its identity source.
func (d *deployment) restAuthorizerAsDeclared(ctx context.Context) error {
	got, want, err := d.restAuthorizers(ctx)
	got.IdentitySource, want.IdentitySource = "", ""
	return errors.Join(err, same("authorizer", got, want))
}

// headerIsNamed is true of an emulator that gives the authorizer an identity source where the
// template gives none.
func (d *deployment) headerIsNamed(ctx context.Context) error {
	got, want, err := d.restAuthorizers(ctx)
	return errors.Join(err, same("our identity source", want.IdentitySource, ""), same("its identity source", got.IdentitySource, "method.request.header.Authorization"))
}

// gatewayResponsesAsDeclared compares what API Gateway is to answer itself.
func (d *deployment) gatewayResponsesAsDeclared(ctx context.Context) error {
	type response struct {
		ResponseType, StatusCode              string
		ResponseParameters, ResponseTemplates map[string]string
	}
	var faults []error
	for _, id := range d.Template.IDs("AWS::ApiGateway::GatewayResponse") {
		var got, want response
		if err := d.want(id, &want); err != nil {
			return err
		}
		if err := d.runAWS(ctx, &got, "apigateway", "get-gateway-response", "--rest-api-id", d.physical["HttpApi"], "--response-type", want.ResponseType); err != nil {
			return err
		}
		faults = append(faults, same(id, got, want))
	}
	return errors.Join(faults...)
}

// methodThrottle is that of a REST API's methods.
type methodThrottle struct {
	ThrottlingRateLimit  float64
	ThrottlingBurstLimit int
}

// accessLog is where a REST API's stage writes, and what.
type accessLog struct{ DestinationArn, Format string }

// restStage is a description of the REST API's stage, and declaredRESTStage its definition.
type (
	restStage struct {
		StageName, DeploymentId string
		MethodSettings          map[string]methodThrottle
		AccessLogSettings       accessLog
	}
	declaredRESTStage struct {
		StageName, DeploymentId string
		MethodSettings          []methodThrottle
		AccessLogSetting        accessLog
	}
)

func (d *deployment) restStages(ctx context.Context) (got restStage, want declaredRESTStage, err error) {
	if err := d.want("HttpStage", &want); err != nil {
		return got, want, err
	}
	err = d.runAWS(ctx, &got, "apigateway", "get-stage", "--rest-api-id", d.physical["HttpApi"], "--stage-name", want.StageName)
	return got, want, err
}

// restStageAsDeclared compares the stage of the REST API, but for the access log.
func (d *deployment) restStageAsDeclared(ctx context.Context) error {
	got, want, err := d.restStages(ctx)
	if err != nil {
		return err
	}
	return errors.Join(same("name", got.StageName, want.StageName), same("deployment", got.DeploymentId, want.DeploymentId),
		same("throttle", got.MethodSettings["*/*"], want.MethodSettings[0]))
}

// accessLogIsLeftOut is true of an emulator that ignores AccessLogSetting.
func (d *deployment) accessLogIsLeftOut(ctx context.Context) error {
	got, want, err := d.restStages(ctx)
	if err != nil {
		return err
	}
	if want.AccessLogSetting.Format == "" {
		return errors.New("our template has no access log")
	}
	if got.AccessLogSettings != (accessLog{}) {
		return errors.New("the stage has an access log now: check it as ok")
	}
	return nil
}

// problem asks for a topic over HTTP and gives the code of the answer, which must be a problem
// that pages can read.
func (d *deployment) problem(ctx context.Context, path, token string) (status int, code events.Code, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.rest+path, nil)
	if err != nil {
		return 0, "", err
	}
	if token != "" {
		request.Header = bearer(token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	var problem events.Problem
	if err := json.NewDecoder(response.Body).Decode(&problem); err != nil {
		return 0, "", fmt.Errorf("%s is answered %s: %w", path, response.Status, err)
	}
	return response.StatusCode, problem.Code, errors.Join(
		same("content type", response.Header.Get("Content-Type"), events.ProblemType), same("pages that may read", response.Header.Get("Access-Control-Allow-Origin"), "*"),
		same("status in the body", problem.Status, response.StatusCode))
}

// answered wants a request to be answered with a problem.
func (d *deployment) answered(ctx context.Context, path, token string, status int, code events.Code) error {
	gotStatus, gotCode, err := d.problem(ctx, path, token)
	return errors.Join(err, same("status of "+path, gotStatus, status), same("code of "+path, gotCode, code))
}

// httpRefusals asks without a token, with a bad one, and for what is no route.
func (d *deployment) httpRefusals(ctx context.Context) error {
	bad, err := signWith(strings.Repeat("x", 64), "mallory", time.Now())
	return errors.Join(err,
		d.answered(ctx, "/topics/a", "", http.StatusUnauthorized, events.CodeBadToken),
		d.answered(ctx, "/topics/a", bad, http.StatusUnauthorized, events.CodeBadToken),
		d.answered(ctx, "/", "", http.StatusNotFound, events.CodeNotFound))
}

// streamsAreNotInvoked is true of an emulator that does not find the function in the URI of an
// integration that streams.
func (d *deployment) streamsAreNotInvoked(ctx context.Context) error {
	good, err := d.sign(ctx, "alice", time.Now())
	if err != nil {
		return err
	}
	status, code, err := d.problem(ctx, "/topics/a", good)
	if status == http.StatusOK {
		return errors.New("the function is invoked now: check it as ok")
	}
	return errors.Join(err, same("status", status, http.StatusServiceUnavailable), same("code", code, events.CodeUnavailable))
}

// overHTTP asks for a path with a token and the headers given.
func (d *deployment) overHTTP(ctx context.Context, path string, headers ...string) (*http.Response, error) {
	good, err := d.sign(ctx, "alice", time.Now())
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.rest+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header = bearer(good)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	return http.DefaultClient.Do(request)
}

// readOverHTTP decodes an answer that must be 200.
func (d *deployment) readOverHTTP(ctx context.Context, into any, path string, headers ...string) error {
	response, err := d.overHTTP(ctx, path, headers...)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return errors.Join(err, fmt.Errorf("%s is answered %s: %s", path, response.Status, body))
	}
	return json.Unmarshal(body, into)
}

// itemsOverHTTP reads a topic, and waits for the next change.
func (d *deployment) itemsOverHTTP(ctx context.Context) error {
	const polled = "polled"
	if err := d.put(ctx, polled, "quote", "1"); err != nil {
		return err
	}
	if err := d.isLogged(ctx, polled, `1 added quote {"price":1}`); err != nil {
		return err
	}
	var page struct {
		Cursor string
		Items  []struct{ ID, Data any }
	}
	if err := d.readOverHTTP(ctx, &page, "/topics/"+polled); err != nil {
		return err
	}
	if err := same("items", page.Items, []struct{ ID, Data any }{{"quote", map[string]any{"price": 1}}}); err != nil {
		return err
	}
	if err := d.put(ctx, polled, "quote", "2"); err != nil {
		return err
	}
	return eventually(ctx, func() error {
		var next struct{ Changes []struct{ Seq int } }
		err := d.readOverHTTP(ctx, &next, "/topics/"+polled+"?after="+page.Cursor, "Prefer", "wait=20")
		return errors.Join(err, same("changes", next.Changes, []struct{ Seq int }{{2}}))
	})
}

// streamSeconds is how long a stream of events is held, from when it is asked for.
const streamSeconds = 10

// events asks for a stream of events and gives how long the first byte took, with all there is.
func (d *deployment) events(ctx context.Context) (first time.Duration, all string, err error) {
	if err := d.setVariable(ctx, "Http", "STREAM_TIME", fmt.Sprintf("%ds", streamSeconds)); err != nil {
		return 0, "", err
	}
	began := time.Now()
	response, err := d.overHTTP(ctx, "/topics/"+topic, "Accept", "text/event-stream")
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return 0, "", errors.New("answered " + response.Status)
	}
	body := bufio.NewReader(response.Body)
	_, err = body.Peek(1)
	first = time.Since(began)
	rest, errRest := io.ReadAll(body)
	return first, string(rest), errors.Join(err, errRest)
}

func (d *deployment) eventsOverHTTP(ctx context.Context) error {
	first, all, err := d.events(ctx)
	if err == nil && first > streamSeconds*time.Second/2 {
		err = fmt.Errorf("the first event came after %s", first)
	}
	return errors.Join(err, isSubscribed(all))
}

// eventsComeWhole is true of an emulator whose functions cannot stream their answers.
func (d *deployment) eventsComeWhole(ctx context.Context) error {
	first, all, err := d.events(ctx)
	if err == nil && first < streamSeconds*time.Second/2 {
		err = errors.New("events come as they happen now: check it as ok")
	}
	return errors.Join(err, isSubscribed(all))
}

// isSubscribed wants a stream that begins as ours do.
func isSubscribed(stream string) error {
	if !strings.Contains(stream, "event: subscribed") || !strings.Contains(stream, "retry:") {
		return fmt.Errorf("the stream is %s", stream)
	}
	return nil
}

func (d *deployment) denialsNameTheCode(ctx context.Context) error {
	issued := time.Now()
	revoked, err := d.sign(ctx, "trudy", issued)
	if err != nil {
		return err
	}
	return errors.Join(d.revoke(ctx, "trudy", issued), d.answered(ctx, "/topics/a", revoked, http.StatusForbidden, events.CodeRevoked))
}

// denialsNameNoCode is true of an emulator that leaves a variable of the authorizer's in an
// answer as it is.
func (d *deployment) denialsNameNoCode(ctx context.Context) error {
	issued := time.Now()
	revoked, err := d.sign(ctx, "trudy", issued)
	if err != nil {
		return err
	}
	if err := d.revoke(ctx, "trudy", issued); err != nil {
		return err
	}
	status, code, err := d.problem(ctx, "/topics/a", revoked)
	if code == events.CodeRevoked {
		return errors.New("the code is revoked now: check it as ok")
	}
	return errors.Join(err, same("status", status, http.StatusForbidden), same("code", code, "$context.authorizer.code"))
}
