package main

import (
	"context"
	"fmt"
	"path/filepath"
)

// checkAll bootstraps, deploys, checks, deploys again and destroys. It gives up
// where nothing could follow; a check that fails is reported and others go on.
func checkAll(ctx context.Context, r *report, t *toolbox) error {
	whole, err := t.synthesize(ctx, ".", filepath.Join(t.dir, "cdk.out"))
	if err != nil {
		return err
	}
	if _, err := t.runCDK(ctx, ".", "--app", whole.dir, "bootstrap"); err != nil {
		return err
	}
	r.holds("cdk bootstrap", nil)
	r.deviates("its CloudFormation does not know "+routeResponses+
		": what follows is our template without these six, and the same in all else", t.routeResponsesAreUnknown(ctx, whole))
	accepted, err := whole.without(routeResponses, filepath.Join(t.dir, "accepted"))
	if err != nil {
		return err
	}
	if err := t.deploy(ctx, accepted); err != nil {
		return err
	}
	d, err := t.inspect(ctx, accepted)
	r.holds(fmt.Sprintf("cdk deploy: %d resources made", len(accepted.template.Resources)), err)
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
	r.holds("four tables: keys, index, stream, deletion protection", d.tablesAsDeclared(ctx))
	r.deviates("it leaves out the tables' expiry; our template sets expiresAt on all four", d.expiryIsLeftOut(ctx))
	r.deviates("it leaves out point-in-time recovery; our template sets it on all four", d.recoveryIsLeftOut(ctx))
	r.holds("four functions: provided.al2023, architecture, memory, time, role, log group, environment", d.functionsAsDeclared(ctx))
	r.holds("the mapping from the stream of Events to the fan-out, failures to the queue", d.mappingAsDeclared(ctx))
	r.holds("permissions: each route may invoke its function", d.permissionsAsDeclared(ctx))
	r.holds("eight routes: key, integration, answer", d.routesAsDeclared(ctx))
	r.holds("three integrations: function, timeout", d.integrationsAsDeclared(ctx))
	r.holds("the stage: name, automatic deployment, access log", d.stageAsDeclared(ctx))
	r.deviates("it leaves out the stage's throttling; our template sets rate and burst", d.throttlingIsLeftOut(ctx))
}

// checkRunning checks what the deployed binaries do.
func (d *deployment) checkRunning(ctx context.Context, r *report) {
	r.holds("an item put into Events is numbered and logged by the deployed fan-out", d.itemIsNumbered(ctx))
	r.holds("the same record delivered again keeps its number, and the next item gets the next", d.recordKeepsItsNumber(ctx))
	r.holds("an item that breaks the rules is in the failure queue, with the reason", d.badItemIsRefused(ctx))
	r.deviates("it takes posts with the API and stage in the path only, not at the bare endpoint, as LocalStack is documented to: "+
		"the functions are told by AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", d.barePostsAreNotTaken(ctx))
	r.holds("over a WebSocket: connect, subscribe, ping; a put item is pushed; closing leaves no row", d.watching(ctx))
}

// checkLifecycle checks deploying again and destroying.
func (d *deployment) checkLifecycle(ctx context.Context, r *report) {
	zips, err := d.takeZips(ctx)
	r.holds("four zips, none over 4.5 MB", err)
	r.holds("cdk deploy from a copy of the source changes nothing", d.deployingAgainChangesNothing(ctx))
	r.holds("and uploads the same zips, byte for byte", d.zipsAreTheSame(ctx, zips))
	r.holds("cdk destroy keeps Events, Changes, the failure queue and the account's log role, and nothing else", d.destroyKeepsData(ctx))
}
