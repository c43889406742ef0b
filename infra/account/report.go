package main

import (
	"context"
	"errors"
	"fmt"
	"io"
)

const (
	// alwaysUnreserved is what Lambda keeps for the functions that have nothing reserved.
	// Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
	alwaysUnreserved = 100
	// enoughForFanout is an environment for each shard of a table at DynamoDB's default quota
	// of 40,000 write units, and some for the shards that a split adds for a while.
	enoughForFanout = 50
	// enoughForMessages answers about 10,000 requests a second, of 40 ms each. That is what
	// API Gateway lets through by default.
	enoughForMessages = 400
	// enoughForHTTP holds 80 streams and long polls, and answers other requests beside them.
	enoughForHTTP = 100
)

// reservations are the settings of stack.Props that reserve executions; 0 is none.
type reservations struct{ fanout, message, http int }

// recommended gives what to reserve of so many executions that no function has reserved.
// Fan-out comes first, because changes of everybody wait for it. The requests of clients get
// half of the rest, and those over HTTP half of what is left then, so that whatever they do,
// connecting, renewing, revoking and the account's other functions go on.
func recommended(unreserved int) reservations {
	free := max(0, unreserved-alwaysUnreserved)
	fanout := min(enoughForFanout, free/4)
	message := min(enoughForMessages, (free-fanout)/2)
	return reservations{fanout: fanout, message: message, http: min(enoughForHTTP, (free-fanout-message)/2)}
}

// report prints what the account allows. What one service refuses to say does not keep back
// what the other says; it is the error.
func (a account) report(ctx context.Context, out io.Writer) error {
	fmt.Fprintf(out, "Region %s\n", a.region)
	c, errLambda := a.concurrency(ctx)
	if errLambda == nil {
		printConcurrency(out, c)
	}
	s, errGateway := a.gatewaySettings(ctx)
	if errGateway == nil {
		printGateway(out, s)
	}
	return errors.Join(errLambda, errGateway)
}

// needLogRole fails if the account has no role for API Gateway's logs. Who may not ask is told
// so, and may be right to deploy all the same.
func (a account) needLogRole(ctx context.Context, out io.Writer) error {
	s, err := a.gatewaySettings(ctx)
	if err != nil {
		fmt.Fprintf(out, "Whether the account has a role for API Gateway's logs is not known: %v\n", err)
		return nil
	}
	if s.LogRole == "" {
		return fmt.Errorf("the account has no role for API Gateway's logs in %s, so AWS would refuse the stage: deploy with -c account-log-role=set, or set stack.Props.SetAccountLogRole", a.region)
	}
	return nil
}

func printConcurrency(out io.Writer, c concurrency) {
	fmt.Fprintf(out, "\nLambda runs %d executions at once. Of the %d that no function has reserved, %d may be: it keeps %d.\n",
		c.Whole, c.Unreserved, max(0, c.Unreserved-alwaysUnreserved), alwaysUnreserved)
	r := recommended(c.Unreserved)
	if r.fanout == 0 {
		fmt.Fprintln(out, "  Reserve nothing. Ask for more first: Service Quotas, AWS Lambda, Concurrent executions (L-B99A9384).")
		return
	}
	fmt.Fprintf(out, "  FanoutConcurrency   %d\n  MessageConcurrency  %d\n  HTTPConcurrency     %d\n", r.fanout, r.message, r.http)
	if r != (reservations{enoughForFanout, enoughForMessages, enoughForHTTP}) {
		fmt.Fprintf(out, "  With a larger quota: %d, %d and %d.\n", enoughForFanout, enoughForMessages, enoughForHTTP)
	}
}

// printGateway recommends a rate for each of the nine routes and for each HTTP method that
// leaves the posts to clients nearly half of the account's, as the defaults do for an account
// with the usual quota.
func printGateway(out io.Writer, s gatewaySettings) {
	fmt.Fprintf(out, "\nAPI Gateway takes %.0f requests a second and %d at once, of all APIs and of the posts to clients together.\n",
		s.Throttle.Rate, s.Throttle.Burst)
	fmt.Fprintf(out, "  ThrottlingRate      %.0f\n  ThrottlingBurst     %d\n", s.Throttle.Rate/20, s.Throttle.Burst/10)
	fmt.Fprintf(out, "  HTTPThrottlingRate  %.0f\n  HTTPThrottlingBurst %d\n", s.Throttle.Rate/50, s.Throttle.Burst/25)
	if s.LogRole != "" {
		fmt.Fprintf(out, "\nThe account has a role for API Gateway's logs, %s, which the deployment leaves alone.\n", s.LogRole)
		return
	}
	fmt.Fprintln(out, "\nThe account has no role for API Gateway's logs, which access logs need.\n  SetAccountLogRole   true, or -c account-log-role=set, for the first deployment")
}
