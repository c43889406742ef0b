package stack

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
	"github.com/watchroute/watchroute/localstack/aws/iam"
	"github.com/watchroute/watchroute/localstack/aws/kinesis"
	"github.com/watchroute/watchroute/localstack/aws/template"
)

// scope is where all calls are made.
var scope = iam.Scope{Region: Region, Account: Account}

// functionsPath is where functions find the AWS APIs, each below its name. Its own
// path tells a function's calls from those of others, which sign with whatever
// credentials they have: only a function's calls are held to its role.
const functionsPath = "/_localstack/functions/"

// gatheredRoles holds the template's roles until their policies are known, which may
// come later than the functions that take them.
type gatheredRoles struct {
	roles      []*gatheredRole
	ofFunction map[string]string // a function's name to its role's ARN
}

type gatheredRole struct {
	name      string
	arn       string
	documents []json.RawMessage
	managed   []string // ARNs of policies that AWS keeps
}

func newGatheredRoles() gatheredRoles {
	return gatheredRoles{ofFunction: map[string]string{}}
}

// inlinePolicy is a policy as AWS::IAM::Role and AWS::IAM::Policy write it.
type inlinePolicy struct {
	PolicyName     string
	PolicyDocument json.RawMessage
}

// createRole takes a role with its inline policies.
func (d *deployment) createRole(r template.Resource) (template.Physical, error) {
	var p struct {
		RoleName          string
		Policies          []inlinePolicy
		ManagedPolicyArns []string
	}
	if err := r.Decode(&p); err != nil {
		return template.Physical{}, err
	}
	name := cmp.Or(p.RoleName, r.LogicalID)
	role := &gatheredRole{name: name, arn: "arn:aws:iam::" + Account + ":role/" + name, managed: p.ManagedPolicyArns}
	for _, policy := range p.Policies {
		role.documents = append(role.documents, policy.PolicyDocument)
	}
	d.roles.roles = append(d.roles.roles, role)
	return template.Physical{Ref: name, Attributes: map[string]string{"Arn": role.arn, "RoleId": r.LogicalID}}, nil
}

// createPolicy adds a policy to the roles that it names.
func (d *deployment) createPolicy(r template.Resource) (template.Physical, error) {
	var p struct {
		inlinePolicy
		Roles []string
	}
	if err := r.Decode(&p); err != nil {
		return template.Physical{}, err
	}
	for _, name := range p.Roles {
		role := d.roles.find(func(r *gatheredRole) bool { return r.name == name })
		if role == nil {
			return template.Physical{}, fmt.Errorf("role %s is not in the template", name)
		}
		role.documents = append(role.documents, p.PolicyDocument)
	}
	return template.Physical{Ref: r.LogicalID}, nil
}

func (g gatheredRoles) find(is func(*gatheredRole) bool) *gatheredRole {
	for _, r := range g.roles {
		if is(r) {
			return r
		}
	}
	return nil
}

// access is what the functions may do.
type access struct {
	api      string                  // the API's id
	sessions map[string]*iam.Session // by function name
}

// access reads the policies of the functions' roles. Other roles have no part here.
func (d *deployment) access(api string) (access, error) {
	a := access{api: api, sessions: map[string]*iam.Session{}}
	for _, f := range d.functions {
		arn := d.roles.ofFunction[f.Name]
		role := d.roles.find(func(r *gatheredRole) bool { return r.arn == arn })
		if role == nil {
			return a, fmt.Errorf("%s: role %q is not in the template", f.Name, arn)
		}
		parsed, err := iam.ParseRole(arn, role.documents...)
		if err != nil {
			return a, fmt.Errorf("%s: %w", f.Name, err)
		}
		for _, policy := range role.managed {
			d.stack.o.Logger.Warn("managed policy grants nothing locally", "role", role.name, "policy", policy)
		}
		a.sessions[f.Name] = parsed.Session(f.Name)
	}
	return a, nil
}

// authorizeMapping checks what Lambda's pollers will do with the function's role, as
// AWS does when a mapping is created.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-eventsourcemapping.html,
// https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-create.html,
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
func (d *deployment) authorizeMapping(p mappingProperties) error {
	session := d.stack.access.sessions[p.function()]
	if session == nil {
		return fmt.Errorf("function %s is not in the template", p.FunctionName)
	}
	for _, c := range polling(p) {
		if err := session.Authorize(c); err != nil {
			return fmt.Errorf("cannot access %s: please ensure the role can perform all actions that a mapping of it needs: %w", p.EventSourceArn, err)
		}
	}
	if destination := p.DestinationConfig.OnFailure.Destination; destination != "" {
		if err := session.Authorize(iam.Call{Action: "sqs:SendMessage", Resource: destination}); err != nil {
			return fmt.Errorf("the role cannot send to the failure destination: %w", err)
		}
	}
	return nil
}

// polling are the calls that a mapping makes to read its source.
func polling(p mappingProperties) []iam.Call {
	var actions []string
	switch {
	case p.ofKafka(): // brokers elsewhere know nothing of IAM
		return nil
	case p.ofQueue():
		actions = []string{"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
	case p.ofKinesis():
		actions = []string{"kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"}
	default:
		actions = []string{"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"}
	}
	var calls []iam.Call
	for _, action := range actions {
		calls = append(calls, iam.Call{Action: action, Resource: p.EventSourceArn})
	}
	if !p.ofQueue() && !p.ofKinesis() {
		calls = append(calls, iam.Call{Action: "dynamodb:ListStreams", Resource: "*"})
	}
	return calls
}

func (a access) usage() iam.Usage {
	u := iam.Usage{Functions: map[string]iam.SessionUsage{}}
	for name, session := range a.sessions {
		of := session.Usage()
		for _, n := range of.Denied {
			u.Denied += n
		}
		u.Functions[name] = of
	}
	return u
}

func (a access) resetUsage() {
	for _, session := range a.sessions {
		session.ResetUsage()
	}
}

// callerKey is the context key of the calling function, a caller.
type callerKey struct{}

// caller is a function that makes a call.
type caller struct {
	session   *iam.Session
	accessKey string // with which it signs its call
}

// functionsFirst serves calls of functions before anything else is checked, because most calls are
// theirs.
func (s *Stack) functionsFirst(functions, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, functionsPath) {
			functions.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// asFunction serves the requests of a function below its path.
func (s *Stack) asFunction(next http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !s.ready.Load() {
			http.Error(w, "the stack is starting", http.StatusServiceUnavailable)
			return
		}
		name, path := belowFunction(r.URL.Path)
		session := s.access.sessions[name]
		if session == nil {
			http.Error(w, "no function "+name, http.StatusNotFound)
			return
		}
		address := *r.URL
		address.Path = path
		_, address.RawPath = belowFunction(r.URL.RawPath)
		r = r.WithContext(context.WithValue(r.Context(), callerKey{}, &caller{session, accessKey(r)})) // a copy, so that it may change
		r.URL = &address
		next.ServeHTTP(w, r)
	}
}

// belowFunction cuts a path into the function's name and what is below it.
func belowFunction(path string) (name, below string) {
	path = strings.TrimPrefix(path, functionsPath)
	if at := strings.IndexByte(path, '/'); at >= 0 {
		return path[:at], path[at:]
	}
	return path, "" // the SDK cuts the slash off
}

// authorize gives a *iam.Denied if the caller is a function whose role does not
// allow all the calls. Whoever else calls may do everything.
func (s *Stack) authorize(ctx context.Context, calls func() []iam.Call) error {
	from, _ := ctx.Value(callerKey{}).(*caller)
	if from == nil {
		return nil
	}
	err := from.session.Authorize(calls()...)
	if denied := (*iam.Denied)(nil); errors.As(err, &denied) {
		s.o.Logger.Warn("call denied", "user", denied.User, "action", denied.Action, "resource", denied.Resource)
	}
	return err
}

// How services say that a call is denied.
var (
	denied    = awsjson.Error{Type: "AccessDeniedException"}
	deniedSQS = awsjson.Error{Type: "AccessDeniedException", QueryCode: "AccessDenied"}
	deniedSNS = awsjson.Error{Type: "AuthorizationError", Status: http.StatusForbidden}
)

// guarded is a service whose operations functions may carry out as far as their
// roles allow. calls says what an operation is to IAM.
func (s *Stack) guarded(service *awsjson.Service, calls func(operation string, body []byte) []iam.Call, denied awsjson.Error) *awsjson.Service {
	guarded := *service
	guarded.Operations = map[string]awsjson.Operation{}
	for name, operation := range service.Operations {
		guarded.Operations[name] = func(ctx context.Context, body []byte) (any, error) {
			if err := s.authorize(ctx, func() []iam.Call { return calls(name, body) }); err != nil {
				refusal := denied
				refusal.Message = err.Error()
				return nil, &refusal
			}
			return operation(ctx, body)
		}
	}
	return &guarded
}

// secretCalls gives the call that an operation of Secrets Manager is, on the secret that
// the request means, however it names it.
func (s *Stack) secretCalls(operation string, body []byte) []iam.Call {
	return scope.SecretsManager(operation, body, s.secrets.ARN)
}

// dynamoDBCalls gives the calls that an operation of DynamoDB is, with the partition key of its item.
func (s *Stack) dynamoDBCalls(operation string, body []byte) []iam.Call {
	scope := scope
	scope.PartitionKey = s.db.PartitionKey
	return scope.DynamoDB(operation, body)
}

// kinesisCalls gives the calls that an operation of Kinesis is.
func kinesisCalls(operation string, body []byte) []iam.Call {
	return scope.Kinesis(operation, body, kinesis.StreamOf)
}

// authorizeConnection holds calls of @connections to the caller's role.
func (s *Stack) authorizeConnection(r *http.Request) error {
	id, managed := s.managedConnection(r)
	if !managed {
		return nil
	}
	return s.authorize(r.Context(), func() []iam.Call {
		return []iam.Call{scope.ManageConnections(s.access.api, s.stage, r.Method, id)}
	})
}

// managedConnection gives the id of the connection that a call of @connections is for.
func (s *Stack) managedConnection(r *http.Request) (id string, managed bool) {
	return strings.CutPrefix(r.URL.Path, "/"+s.stage+"/@connections/")
}

// forbidden answers as API Gateway does for callers that may not.
func forbidden(w http.ResponseWriter, err error) {
	w.Header().Set("X-Amzn-ErrorType", "ForbiddenException")
	writeJSON(w, http.StatusForbidden, map[string]string{"message": err.Error()})
}
