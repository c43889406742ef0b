// Package beside serves the APIs of a template whose functions another emulator of AWS has deployed, such
// as LocalStack's community edition, which has no WebSocket APIs. It takes routes, authorizers and stages
// from the template, and the functions' names from the deployed stack; it invokes the functions by
// Lambda's own API, and takes their posts to connections.
package beside

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/watchroute/watchroute/localstack/aws/apigateway"
	"github.com/watchroute/watchroute/localstack/aws/apis"
	"github.com/watchroute/watchroute/localstack/aws/restapi"
)

// ManagementVariable is the setting of AWS's SDKs for where functions post to connections.
const ManagementVariable = "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"

// Changing a function takes a moment.
const (
	waitStep  = 200 * time.Millisecond
	waitLimit = time.Minute
)

// key is what signs calls: emulators take any credentials, and an account's own must not go there.
const key = "test"

// Options say what is deployed where.
type Options struct {
	// Endpoint of the other emulator, such as http://localhost:4566.
	Endpoint string
	// Region of the stack.
	Region string
	// Stack is its name; "" means the only one there is, apart from the CDK's own.
	Stack string
	// Template in JSON; nil means the one that the stack was deployed from. A stack may lack the
	// template's APIs, but not its functions.
	Template []byte
	// URL is where this front is reached, such as http://localhost:4567.
	URL string
	// DomainName is what events call the WebSocket API; "" means AWS's own form.
	DomainName string
	// Gateway changes API Gateway's limits and timers for the WebSocket API, and REST those of the REST
	// API. Their Logger is used for both.
	Gateway apigateway.Options
	REST    restapi.Options
}

// Front serves the APIs of one stack. Make one with Open; its methods may be called concurrently. Serve it
// with Listen, or as a handler.
type Front struct {
	// Stage is the WebSocket API's.
	Stage string
	// RESTStage is the REST API's, "" if the template has none.
	RESTStage string
	// Outputs are the stack's.
	Outputs map[string]string

	log       *slog.Logger
	lambda    *lambda.Client
	functions []string // deployed names of all functions
	socket    *apigateway.Gateway
	rest      *restapi.Gateway
}

// Open finds the stack and puts its APIs together. The error says what is missing, or what in the
// template does not run locally. Callers must Close the front.
func Open(ctx context.Context, o Options) (*Front, error) {
	config := aws.Config{
		Region: o.Region, BaseEndpoint: aws.String(o.Endpoint), Credentials: credentials.NewStaticCredentialsProvider(key, key, ""),
		HTTPClient: awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.MaxIdleConnsPerHost = 256 }),
	}
	found, err := look(ctx, cloudformation.NewFromConfig(config), o.Stack, o.Template)
	if err != nil {
		return nil, err
	}
	gathered, err := found.gather(o.Region, o.URL)
	if err != nil {
		return nil, err
	}
	f := &Front{functions: found.functions, Outputs: found.outputs}
	f.lambda = lambda.NewFromConfig(config, func(o *lambda.Options) { o.Retryer = aws.NopRetryer{} })
	if err := f.serve(gathered, o); err != nil {
		return nil, err
	}
	return f, nil
}

// serve makes the gateways.
func (f *Front) serve(gathered *apis.Gathered, o Options) error {
	api, err := gathered.WebSocket()
	if err != nil {
		return err
	}
	api.DomainName, f.Stage = o.DomainName, api.Stage
	if o.Gateway.Logger == nil {
		o.Gateway.Logger = slog.Default()
	}
	f.log = o.Gateway.Logger
	run := &invoker{client: f.lambda}
	f.socket = apigateway.New(api, run, o.Gateway)
	rest, declared, err := gathered.REST()
	if left, ok := errors.AsType[apis.LeftOut](err); ok {
		f.log.Warn(left.Error())
		return nil
	}
	if err == nil && declared {
		o.REST.Account, o.REST.Logger = f.socket.Account(), o.Gateway.Logger
		f.RESTStage = rest.Stage
		f.rest, err = restapi.New(rest, run, o.REST)
	}
	if err != nil {
		f.socket.Close()
	}
	return err
}

// ServeHTTP serves the WebSocket API at /{stage} with @connections below it, and the REST API below its
// own /{stage}.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.rest != nil && f.rest.Serves(r) && !apis.ForWebSocket(r, f.Stage) {
		f.rest.ServeHTTP(w, r)
		return
	}
	f.socket.ServeHTTP(w, r)
}

// Close closes every socket and ends all requests. Functions run on.
func (f *Front) Close() {
	f.socket.Close()
	if f.rest != nil {
		f.rest.Close()
	}
}

// TellFunctions sets ManagementVariable in the environment of every function of the stack, as an operator
// would, and waits until the change is in effect. A function that has the value already is left alone.
func (f *Front) TellFunctions(ctx context.Context, url string) error {
	return f.tellAll(ctx, func(variables map[string]string) { variables[ManagementVariable] = url })
}

// tellAll changes the environment of every function of the stack, and waits until that is in effect.
func (f *Front) tellAll(ctx context.Context, change func(variables map[string]string)) error {
	for _, name := range f.functions {
		if err := f.tell(ctx, name, change); err != nil {
			return fmt.Errorf("tell function %s where the APIs are: %w", name, err)
		}
	}
	return nil
}

func (f *Front) tell(ctx context.Context, name string, change func(variables map[string]string)) error {
	is, err := f.lambda.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &name})
	if err != nil {
		return err
	}
	variables := map[string]string{}
	if is.Environment != nil {
		maps.Copy(variables, is.Environment.Variables)
	}
	before := maps.Clone(variables)
	if change(variables); maps.Equal(variables, before) {
		return nil
	}
	_, err = f.lambda.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{
		FunctionName: &name, Environment: &types.Environment{Variables: variables},
	})
	if err != nil {
		return err
	}
	return lambda.NewFunctionUpdatedV2Waiter(f.lambda, func(o *lambda.FunctionUpdatedV2WaiterOptions) { o.MinDelay = waitStep }).
		Wait(ctx, &lambda.GetFunctionInput{FunctionName: &name}, waitLimit)
}
