package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/watchroute/watchroute/localstack/deploy"
)

// checked fails if something is not as it should be.
type checked = func(*deployment, context.Context) error

// check is one thing that is checked of every emulator.
type check struct {
	// what AWS does, and so does an emulator that does not differ.
	what  string
	holds checked
	// differs are the emulators that do otherwise, by name.
	differs map[string]deviation
}

// deviation is what an emulator does otherwise than AWS. is fails if our side is not what it should be, or
// if the emulator does as AWS does now.
type deviation struct {
	what string
	is   checked
}

// run checks all of a list.
func (d *deployment) run(ctx context.Context, r *report, checks []check) {
	for _, c := range checks {
		if other, ok := c.differs[d.name]; ok {
			r.deviates(other.what, other.is(d, ctx))
		} else {
			r.holds(c.what, c.holds(d, ctx))
		}
	}
}

// checkAll bootstraps, deploys, checks, deploys again and destroys. It gives up
// where nothing could follow; a check that fails is reported and others go on.
func checkAll(ctx context.Context, r *report, t *toolbox, whole deploy.Assembly) error {
	if err := t.cdk.Bootstrap(ctx, t.dir); err != nil {
		return err
	}
	r.holds("cdk bootstrap", nil)
	switch t.name {
	case miniStack:
		r.deviates("its CloudFormation does not know "+routeResponses+
			": what follows is our template without these seven, and the same in all else", t.routeResponsesAreUnknown(ctx, whole))
	case localStack:
		r.deviates("it refuses a method of a REST API whose answer is streamed, and does not know the authorizer: "+
			"what follows is our template without the REST API, which our front serves from the whole template", t.restIsRefused(ctx, whole))
	}
	accepted, err := whole.Without(t.lacks, filepath.Join(t.dir, t.name, "accepted"))
	if err != nil {
		return err
	}
	if _, err := t.cdk.Deploy(ctx, accepted); err != nil {
		return err
	}
	d, err := t.inspect(ctx, whole, accepted)
	r.holds(fmt.Sprintf("cdk deploy: %d resources made", len(accepted.Template.Resources)), err)
	if err != nil {
		return err
	}
	d.run(ctx, r, declared)
	if d.name == miniStack {
		d.run(ctx, r, declaredAPIs)
	}
	d.run(ctx, r, running)
	d.run(ctx, r, admission)
	if d.name == localStack {
		d.run(ctx, r, failing)
		r.holds("a chat of another project, in Python and deployed with CloudFormation: our front gives it its WebSocket API", d.chatWithoutUs(ctx))
	}
	d.checkLifecycle(ctx, r)
	return ctx.Err()
}

// declared compare what was made with what the template asks for.
var declared = []check{
	{what: "six tables: keys, indexes, stream", holds: (*deployment).tablesAsDeclared},
	{what: "the tables' deletion protection", holds: (*deployment).protectionAsDeclared, differs: map[string]deviation{
		localStack: {"it leaves out deletion protection; our template sets it on four tables", (*deployment).protectionIsLeftOut},
	}},
	{what: "the tables' expiry: expiresAt on all six", holds: (*deployment).expiryAsDeclared, differs: map[string]deviation{
		miniStack: {"it leaves out the tables' expiry; our template sets expiresAt on all six", (*deployment).expiryIsLeftOut},
	}},
	{what: "point-in-time recovery of the four tables of user data", holds: (*deployment).recoveryAsDeclared, differs: map[string]deviation{
		miniStack:  {"it leaves out point-in-time recovery; our template sets it on the four of user data", (*deployment).recoveryIsLeftOut},
		localStack: {"it leaves out point-in-time recovery; our template sets it on the four of user data", (*deployment).recoveryIsLeftOut},
	}},
	{what: "eleven functions: provided.al2023, architecture, memory, time, role, log group, environment", holds: (*deployment).functionsAsDeclared},
	{what: "five mappings, Events to fan-out, Revocations to revoke, failed batches to salvage, pushes to push, and deliveries to deliver: source, function, batches, failures", holds: (*deployment).mappingsAsDeclared},
	{what: "a mapping of a queue has no starting position", holds: (*deployment).queueHasNoStartingPosition, differs: map[string]deviation{
		miniStack: {"it gives the mapping of the queue a starting position, which streams have only", (*deployment).queueHasAStartingPosition},
	}},
	{what: "six queues: order, retention, encryption, hiding, redrive; their policies", holds: (*deployment).queuesAsDeclared},
	{what: "permissions: each route may invoke its function, the REST API its own, both their authorizer, and the schedule the sweep", holds: (*deployment).permissionsAsDeclared},
	{what: "all outputs", holds: (*deployment).outputsAsDeclared},
	{what: "references to the WebSocket API and to the URL suffix", holds: (*deployment).referencesAsDeclared, differs: map[string]deviation{
		localStack: {"it takes all that is of a WebSocket API and makes nothing: Ref gives unknown, its API answers 501, the URL suffix is its own host, and https addresses of APIs become its own; " +
			"our front serves routes, authorizer and stage from the template", (*deployment).socketsAreUnknown},
	}},
	{what: "two secrets, of tokens and of the service: their lengths", holds: (*deployment).secretsAsDeclared},
	{what: "the secrets have no punctuation", holds: (*deployment).punctuationIsExcluded, differs: map[string]deviation{
		miniStack: {"it leaves punctuation in the secrets; our template excludes it", (*deployment).punctuationIsLeftIn},
	}},
	{what: "Ref of a secret is its ARN", holds: (*deployment).secretsAreReferredToByARN, differs: map[string]deviation{
		miniStack: {"its Ref of a secret is the name, not the ARN: so are the outputs and what the functions are given, " +
			"which works as well", (*deployment).secretsAreReferredToByName},
	}},
}

// declaredAPIs are the same for both APIs, where the emulator has them.
var declaredAPIs = []check{
	{what: "nine routes: key, integration, authorizer, answer", holds: (*deployment).routesAsDeclared},
	{what: "the authorizer: type, function", holds: (*deployment).authorizerAsDeclared},
	{what: "four integrations: function, timeout", holds: (*deployment).integrationsAsDeclared},
	{what: "the stage: name, automatic deployment, access log", holds: (*deployment).stageAsDeclared},
	{differs: map[string]deviation{
		miniStack: {"it leaves out the stage's throttling; our template sets rate and burst", (*deployment).throttlingIsLeftOut},
	}},
	{what: "the REST API's twelve methods: authorizer, integration, timeout", holds: (*deployment).methodsAsDeclared},
	{differs: map[string]deviation{
		miniStack: {"it leaves out how their answers are transferred; our template has them streamed", (*deployment).transferModeIsLeftOut},
	}},
	{what: "the REST API's authorizer: type, function, no cache", holds: (*deployment).restAuthorizerAsDeclared},
	{differs: map[string]deviation{
		miniStack: {"it gives it the header Authorization as identity source; our template gives none", (*deployment).headerIsNamed},
	}},
	{what: "its gateway responses: status, headers, body", holds: (*deployment).gatewayResponsesAsDeclared},
	{what: "its stage: name, deployment, throttle of each method", holds: (*deployment).restStageAsDeclared},
	{differs: map[string]deviation{
		miniStack: {"it leaves out the stage's access log; our template sets it", (*deployment).accessLogIsLeftOut},
	}},
}

// running check what the deployed binaries do.
var running = []check{
	{what: "an item put into Events is numbered and logged by the deployed fan-out", holds: (*deployment).itemIsNumbered},
	{what: "the same record delivered again keeps its number, and the next item gets the next", holds: (*deployment).recordKeepsItsNumber},
	{what: "an item that breaks the rules is in the failure queue, with the reason", holds: (*deployment).badItemIsRefused},
	{what: "a record that is given up is in the failure queue, with its image, by the deployed salvage", holds: (*deployment).recordIsSalvaged},
	{what: "posts are taken below the stage; the functions are told where", holds: (*deployment).postsAreTaken, differs: map[string]deviation{
		miniStack: {"it takes posts with the API and stage in the path only, not at the bare endpoint, as LocalStack is documented to: " +
			"the functions are told by " + managementVariable, func(d *deployment, ctx context.Context) error {
			return errors.Join(d.barePostsAreNotTaken(ctx), d.setEndpoints(ctx))
		}},
	}},
	{what: "over a WebSocket: connect with a token, subscribe, ping, auth; a put item is pushed; closing leaves no row", holds: (*deployment).watching},
	{what: "over HTTP: no token and a bad one are answered 401, what is no route 404, as problems with our codes", holds: (*deployment).httpRefusals},
	{what: "over HTTP: a topic's items with their cursor; a change comes while it is waited for", holds: (*deployment).itemsOverHTTP, differs: map[string]deviation{
		miniStack: {"it does not find the function in the URI of an integration that streams, which is answered 503", (*deployment).streamsAreNotInvoked},
	}},
	{what: "over HTTP: events come as they happen", holds: (*deployment).eventsOverHTTP, differs: map[string]deviation{
		miniStack:  {"so nothing comes as a stream of events either", (*deployment).streamsAreNotInvoked},
		localStack: {"its Lambda cannot stream (InvokeWithResponseStream): a stream of events comes whole, when the function ends it", (*deployment).eventsComeWhole},
	}},
	{what: "over HTTP: a revoked token is answered 403 with our code", holds: (*deployment).denialsNameTheCode, differs: map[string]deviation{
		miniStack: {"it leaves $context.authorizer.code in the answer to a revoked token (403); AWS puts in what our authorizer says", (*deployment).denialsNameNoCode},
	}},
}

// admission checks who is let in, and who is thrown out.
var admission = []check{
	{what: "without a token the handshake is refused with 401", holds: (*deployment).nobodyIsRefused},
	{what: "a bad token is answered 401", holds: (*deployment).badTokenIsRefused, differs: map[string]deviation{
		miniStack: {"it answers a bad token with 500; our authorizer fails with Unauthorized, for which AWS answers 401", (*deployment).badTokenIsAnError},
	}},
	{what: "a token is taken in the query and in a subprotocol", holds: (*deployment).tokenAnywhere, differs: map[string]deviation{
		miniStack: {"it demands the header Authorization of an authorizer without identity sources, as ours is: " +
			"a token in the query or a subprotocol is refused (401) before our authorizer is asked, which allows it", (*deployment).headerIsDemanded},
	}},
	{what: "a row in Revocations: the connection is told, closed and forgotten; its token is refused with 403, a later one is not", holds: (*deployment).revoking},
	{what: "at the limit of a subject's connections one that does not exist is found out and makes room", holds: (*deployment).goneMakesRoom},
	{what: "one connection more is refused with the status of our connect, 429", holds: (*deployment).refusalIsOurs, differs: map[string]deviation{
		miniStack: {"it answers 403 where our connect answers 429, for one connection more", (*deployment).refusalIsForbidden},
	}},
}

// failing break the deployed fan-out.
var failing = []check{
	{what: "200 puts while the fan-out fails: healed, it numbers all of them in order, and a watcher who stayed gets each", holds: (*deployment).fanoutHeals},
	{what: "a mapping that is changed goes on where it was", holds: (*deployment).mappingGoesOn, differs: map[string]deviation{
		localStack: {"it reads the stream from its beginning when its mapping is changed: what our fan-out gets again keeps its number", func(d *deployment, ctx context.Context) error {
			return d.mappingBeginsAnew(ctx, "--batch-size", "100")
		}},
	}},
	{what: "records on which the function fails are cut out of their batch, given up when their retries are exhausted, and salvaged; the next is numbered",
		holds: (*deployment).recordsAreCutOut, differs: map[string]deviation{
			localStack: {"it does not split a batch on which the function fails (BisectBatchOnFunctionError): the batch is given up whole when its retries are exhausted; " +
				"our salvage takes each record of it out, and the next is numbered", (*deployment).batchesAreGivenUpWhole},
		}},
}

// checkLifecycle checks deploying again and destroying.
func (d *deployment) checkLifecycle(ctx context.Context, r *report) {
	zips, err := d.takeZips(ctx)
	r.holds("eleven zips, none over 4.5 MB (arm64) or 5 MB (x86_64)", errors.Join(err, d.zipsAreSmall(zips)))
	r.holds("cdk deploy from a copy of the source changes nothing", d.deployingAgainChangesNothing(ctx))
	r.holds("and uploads the same zips, byte for byte", d.zipsAreTheSame(ctx, zips))
	if d.name == localStack {
		r.holds("a changed function is deployed while watchers stay connected: it is in use, and they miss nothing", d.watchersStay(ctx))
	}
	r.holds("cdk destroy keeps Events, Changes, Revocations, Destinations, both queues and both secrets, and nothing else", d.destroyKeepsData(ctx))
}
