package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
)

// checkAll bootstraps, deploys, checks, deploys again and destroys. It gives up
// where nothing could follow; a check that fails is reported and others go on.
func checkAll(ctx context.Context, r *report, t *toolbox) error {
	whole, err := t.cdk.Synthesize(ctx, ".", filepath.Join(t.dir, "cdk.out"))
	if err != nil {
		return err
	}
	if err := t.cdk.Bootstrap(ctx, t.dir); err != nil {
		return err
	}
	r.holds("cdk bootstrap", nil)
	r.deviates("its CloudFormation does not know "+routeResponses+
		": what follows is our template without these seven, and the same in all else", t.routeResponsesAreUnknown(ctx, whole))
	accepted, err := whole.Without(isRouteResponse, filepath.Join(t.dir, "accepted"))
	if err != nil {
		return err
	}
	if _, err := t.cdk.Deploy(ctx, accepted); err != nil {
		return err
	}
	d, err := t.inspect(ctx, accepted)
	r.holds(fmt.Sprintf("cdk deploy: %d resources made", len(accepted.Template.Resources)), err)
	if err != nil {
		return err
	}
	d.checkDeclared(ctx, r)
	d.checkRunning(ctx, r)
	d.checkLifecycle(ctx, r)
	return ctx.Err()
}

// checkDeclared compares what was made with what the template asks for.
func (d *deployment) checkDeclared(ctx context.Context, r *report) {
	r.holds("five tables: keys, index, stream, deletion protection", d.tablesAsDeclared(ctx))
	r.deviates("it leaves out the tables' expiry; our template sets expiresAt on all five", d.expiryIsLeftOut(ctx))
	r.deviates("it leaves out point-in-time recovery; our template sets it on the three of user data", d.recoveryIsLeftOut(ctx))
	r.holds("ten functions: provided.al2023, architecture, memory, time, role, log group, environment", d.functionsAsDeclared(ctx))
	r.holds("four mappings, Events to fan-out, Revocations to revoke, failed batches to salvage, and pushes to push: source, function, batches, failures", d.mappingsAsDeclared(ctx))
	r.deviates("it gives the mapping of the queue a starting position, which streams have only", d.queueHasAStartingPosition(ctx))
	r.holds("four queues: order, retention, encryption, hiding, redrive; their policies", d.queuesAsDeclared(ctx))
	r.holds("permissions: each route may invoke its function, the REST API its own, and both their authorizer", d.permissionsAsDeclared(ctx))
	r.holds("nine routes: key, integration, authorizer, answer", d.routesAsDeclared(ctx))
	r.holds("the authorizer: type, function", d.authorizerAsDeclared(ctx))
	r.holds("four integrations: function, timeout", d.integrationsAsDeclared(ctx))
	r.holds("the stage: name, automatic deployment, access log", d.stageAsDeclared(ctx))
	r.deviates("it leaves out the stage's throttling; our template sets rate and burst", d.throttlingIsLeftOut(ctx))
	r.holds("the REST API's six methods: authorizer, integration, timeout", d.methodsAsDeclared(ctx))
	r.deviates("it leaves out how their answers are transferred; our template has them streamed", d.transferModeIsLeftOut(ctx))
	r.holds("the REST API's authorizer: type, function, no cache", d.restAuthorizerAsDeclared(ctx))
	r.deviates("it gives it the header Authorization as identity source; our template gives none", d.headerIsNamed(ctx))
	r.holds("its gateway responses: status, headers, body", d.gatewayResponsesAsDeclared(ctx))
	r.holds("its stage: name, deployment, throttle of each method", d.restStageAsDeclared(ctx))
	r.deviates("it leaves out the stage's access log; our template sets it", d.accessLogIsLeftOut(ctx))
	r.holds("ten outputs", d.outputsAsDeclared(ctx))
	r.holds("two secrets, of tokens and of the service: their lengths", d.secretsAsDeclared(ctx))
	r.deviates("it leaves punctuation in the secrets; our template excludes it", d.punctuationIsLeftIn(ctx))
	r.deviates("its Ref of a secret is the name, not the ARN: so are the outputs and what the functions are given, "+
		"which works as well", d.secretsAreReferredToByName(ctx))
}

// checkRunning checks what the deployed binaries do.
func (d *deployment) checkRunning(ctx context.Context, r *report) {
	r.holds("an item put into Events is numbered and logged by the deployed fan-out", d.itemIsNumbered(ctx))
	r.holds("the same record delivered again keeps its number, and the next item gets the next", d.recordKeepsItsNumber(ctx))
	r.holds("an item that breaks the rules is in the failure queue, with the reason", d.badItemIsRefused(ctx))
	r.holds("a record that is given up is in the failure queue, with its image, by the deployed salvage", d.recordIsSalvaged(ctx))
	r.deviates("it takes posts with the API and stage in the path only, not at the bare endpoint, as LocalStack is documented to: "+
		"the functions are told by "+managementVariable, errors.Join(d.barePostsAreNotTaken(ctx), d.setEndpoints(ctx)))
	r.holds("over a WebSocket: connect with a token, subscribe, ping, auth; a put item is pushed; closing leaves no row", d.watching(ctx))
	r.holds("over HTTP: no token and a bad one are answered 401, what is no route 404, as problems with our codes", d.httpRefusals(ctx))
	r.deviates("it does not find the function in the URI of an integration that streams, which is answered 503", d.streamsAreNotInvoked(ctx))
	r.deviates("it leaves $context.authorizer.code in the answer to a revoked token (403); AWS puts in what our authorizer says", d.denialsNameNoCode(ctx))
	d.checkAdmission(ctx, r)
}

// checkAdmission checks who is let in, and who is thrown out.
func (d *deployment) checkAdmission(ctx context.Context, r *report) {
	r.holds("without a token the handshake is refused with 401", d.nobodyIsRefused(ctx))
	r.deviates("it answers a bad token with 500; our authorizer fails with Unauthorized, for which AWS answers 401", d.badTokenIsAnError(ctx))
	r.deviates("it demands the header Authorization of an authorizer without identity sources, as ours is: "+
		"a token in the query or a subprotocol is refused (401) before our authorizer is asked, which allows it", d.headerIsDemanded(ctx))
	r.holds("a row in Revocations: the connection is told, closed and forgotten; its token is refused with 403, a later one is not", d.revoking(ctx))
	r.holds("at the limit of a subject's connections one that does not exist is found out and makes room", d.goneMakesRoom(ctx))
	r.deviates("it answers 403 where our connect answers 429, for one connection more", d.refusalIsForbidden(ctx))
}

// checkLifecycle checks deploying again and destroying.
func (d *deployment) checkLifecycle(ctx context.Context, r *report) {
	zips, err := d.takeZips(ctx)
	r.holds("ten zips, none over 4.5 MB (arm64) or 5 MB (x86_64)", errors.Join(err, d.zipsAreSmall(zips)))
	r.holds("cdk deploy from a copy of the source changes nothing", d.deployingAgainChangesNothing(ctx))
	r.holds("and uploads the same zips, byte for byte", d.zipsAreTheSame(ctx, zips))
	r.holds("cdk destroy keeps Events, Changes, Revocations, both queues and both secrets, and nothing else", d.destroyKeepsData(ctx))
}
