package stack

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/watchroute/watchroute/events"
	settings "github.com/watchroute/watchroute/shared/function"
	"github.com/watchroute/watchroute/shared/watch"
)

// MinChangeRetention is the shortest time the numbered log may be kept.
const MinChangeRetention = watch.MinRetention

// MaxStreamTime is the longest that a stream may be held: API Gateway's 15 minutes without what
// else a request takes.
const MaxStreamTime = 14 * time.Minute

// Architecture is an instruction set that Lambda offers; empty means ARM64.
type Architecture string

// The instruction sets of the provided.al2023 runtime.
const (
	ARM64 Architecture = "arm64"
	X8664 Architecture = "x86_64"
)

// ParseArchitecture reads an architecture by Lambda's name for it and refuses
// any other text.
func ParseArchitecture(text string) (Architecture, error) {
	architecture := Architecture(text)
	if !architecture.valid() {
		return "", fmt.Errorf("architecture is %q, not %s or %s", text, ARM64, X8664)
	}
	return architecture, nil
}

func (a Architecture) valid() bool { return a == ARM64 || a == X8664 }

// GOARCH is the architecture under the name that Go's compiler knows.
func (a Architecture) GOARCH() string {
	if a == X8664 {
		return "amd64"
	}
	return "arm64"
}

// Props are the settings of the stack. The zero value of a field means its
// default; a value out of bounds is refused before anything is synthesized.
type Props struct {
	// Code is the folder that holds every function's executable as
	// <function>/bootstrap, built for Architecture. Required.
	Code string

	// Architecture is what the functions run on. Default: ARM64.
	Architecture Architecture

	// Auth says whose tokens let clients in. Default: those that are signed with a
	// secret which the stack makes.
	Auth Auth

	// AllowedOrigins are the origins of pages that may connect and may read HTTP answers, as
	// browsers write them: scheme://host or scheme://host:port, without a path or a wildcard. A
	// handshake or a request with another Origin is answered 403, whatever its token. The browser's
	// own credentials, such as cookies, are never asked for. What API Gateway answers without the
	// function, such as 401, says nothing of topics, and pages of any origin may read it. Set it if
	// tokens are for your own pages only: one that was lured out of a user then works in no other
	// page. Programs that are not browsers can send any Origin or none, and go by their token
	// alone. It needs an authorizer, so not OpenToEveryone. Default: pages of any origin, as
	// browsers send no token by themselves.
	AllowedOrigins []string

	// MaxConnections is how many connections a subject may have at a time. Default:
	// 100.
	MaxConnections int

	// MaxSubscriptions is how many topics and patterns a connection may watch at a time,
	// at most 100. Default: 100.
	MaxSubscriptions int

	// MaxPublishBytes bounds the data of an item that a client publishes, as JSON, in
	// bytes. What is larger than events.MaxDataBytes would reach no watcher whole.
	// Default: events.MaxDataBytes, 124 KB.
	MaxPublishBytes int

	// MaxSnapshotItems is how many items one answer reads; a client asks on for more.
	// Each 4 KB of them are a read unit. Default: 2,000.
	MaxSnapshotItems int

	// MaxMessageRate is how many messages a second a client may send over a
	// connection, as far as one function process sees them; a hundred more at once, for
	// it to subscribe to all its topics. Default: 20.
	MaxMessageRate int

	// MaxSubjectUnits is what all requests of one subject together may cost in a minute, over
	// all its connections, in read units of DynamoDB. A twelfth of it may be spent in each 5
	// seconds. A write unit counts as 5, which is its price, and a publish pays for its
	// numbering, too. So one subject costs at most about $0.015 a minute at $0.125 for a million
	// read units, see watch.ReadPrice. Default: 120,000.
	MaxSubjectUnits int

	// ShardSize is how many subscriptions to a topic, and to the patterns of the topics below it,
	// may lie in one shard. A shard is read at once, and about 40 subscriptions take a read unit. If
	// there are more, the number of shards doubles; it never shrinks. Default: 1,000.
	ShardSize int

	// MaxBatchPosts is about how many connections fan-out itself pushes to for a batch of changes.
	// All topics of the stream's shard wait for these posts. If the watchers of a batch do not fit,
	// the function push serves the topics with the most watchers from then on. This costs a
	// message, an invocation and a write unit for each change and each ShardSize watchers. Default:
	// 1,000.
	MaxBatchPosts int

	// PushConcurrency is how many executions of push there are at most, 2 to 1,000. Each makes up
	// to 32 posts at a time. 10 executions can use up most of the 10,000 requests a second that an
	// account has. Default: 10.
	PushConcurrency int

	// MaxDestinations is how many destinations a subject may have, such as webhooks: 1 to 100, because one
	// answer lists all of them, with a read for each. Default: 10.
	MaxDestinations int

	// DeliverConcurrency is how many executions of deliver there are at most, 2 to 1,000. Each calls one
	// webhook at a time, which may take 15 seconds to answer. Default: 20.
	DeliverConcurrency int

	// Destinations are where changes are delivered to, besides what clients register: webhooks, and
	// queues, topics, buses and streams of AWS, which clients cannot name. As JSON they have at most
	// 8,192 characters together, which is about 20 to 60 of them. Default: none.
	Destinations []Destination

	// Sources are the queues, buses and streams whose messages become items. Default: none, and then
	// there is no function intake.
	Sources []Source

	// IntakeConcurrency is how many executions of intake there are at most for each queue, 2 to 1,000,
	// those of rules included. A stream and Kafka have one for each shard or partition. Default: 10.
	IntakeConcurrency int

	// FanoutConcurrency is how many executions Lambda keeps for fan-out alone, so that
	// nothing else in the account can take the last ones. It is an upper bound, too: fan-out
	// needs one for each shard of the stream of Events, of which a table at DynamoDB's
	// default quota has about 40. Recommended: 50. Lambda keeps 100 executions unreserved,
	// so an account with a small quota cannot reserve any; `make account` says what yours
	// allows. Default: none are reserved, because a template cannot know the quota.
	FanoutConcurrency int

	// MessageConcurrency is how many executions Lambda keeps for message, which answers
	// clients, and gives it at most. The bound is what helps. Whatever clients ask for, they
	// cannot take all of the account's 1,000 executions, not even one subject with many
	// connections. Connecting, renewing, revoking and other applications need some, too. The
	// bound also limits what clients can spend: 400 executions of 256 MB cost about $5 an hour.
	// Requests beyond it
	// are answered with an error by API Gateway, and clients ask again. Recommended: 400,
	// which answer 10,000 requests a second that take 40 ms each. Default: no bound.
	MessageConcurrency int

	// WithoutHTTP leaves out the HTTP routes: the REST API and its function. Clients then have
	// WebSockets alone.
	WithoutHTTP bool

	// HTTPConcurrency is how many executions Lambda keeps for the function that answers HTTP
	// requests, and gives it at most. A request that waits for changes takes one for as long as
	// it waits, so set it wherever clients do that. It bounds what they can take of the
	// account's 1,000 executions, and spend: 100 executions of 128 MB that are always taken cost
	// about $0.60 an hour. Four fifths of it are for requests that wait, the rest is always left
	// for those that are answered at once. Requests beyond it are answered 503 by API Gateway.
	// Recommended: 100, and more for more streams. Default: no bound, and 80 requests that wait.
	HTTPConcurrency int

	// MaxSubjectHolds is how many HTTP requests of one subject may wait for changes at a time;
	// without a token, of one address. More are told to come again later. Default: 6, as many
	// connections as a browser opens to one host.
	MaxSubjectHolds int

	// StreamTime is how long a stream of Server-Sent Events is held at least. By chance it is up
	// to twice as long, so that not all clients come again at once, which they do by themselves
	// and without loss. A longer time costs fewer requests; the function's time costs the same.
	// At least a second, at most MaxStreamTime. Default: a minute.
	StreamTime time.Duration

	// WebSocketURL and HTTPURL are where clients come, if that is not the APIs' own address: behind a custom
	// domain or a CDN, such as wss://live.example.com and https://live.example.com/v1. The service only tells
	// them, in asyncapi.json and openapi.json. Default: the WebSocket API's own address; and the domain by
	// which a client asks for the document, which can be a custom domain of API Gateway.
	WebSocketURL, HTTPURL string

	// HTTPThrottlingRate is how many HTTP requests per second each method (GET, HEAD, POST,
	// DELETE, OPTIONS and all others together) takes. They count towards the account's limit, see
	// ThrottlingRate. Requests beyond it are answered 429. Default: 200.
	HTTPThrottlingRate float64

	// HTTPThrottlingBurst is how many HTTP requests a method takes at once before the rate
	// holds. Default: 200.
	HTTPThrottlingBurst int

	// WebACLARN is a web ACL of AWS WAF that filters HTTP requests: a Regional one, of the
	// stack's Region. WAF knows no WebSocket APIs. Default: none.
	// Source: https://docs.aws.amazon.com/waf/latest/APIReference/API_AssociateWebACL.html
	WebACLARN string

	// ChangeRetention is how long a numbered change can be replayed. At least
	// MinChangeRetention. Default: 48 hours.
	ChangeRetention time.Duration

	// LogDays is how many days CloudWatch keeps the functions' logs and the
	// access log: one of the numbers CloudWatch offers (1, 3, 5, 7, 14, 30, …).
	// Default: 14.
	LogDays int

	// ThrottlingRate is how many client messages per second each route takes.
	// The account has 10,000 for all its APIs and the posts to clients together: by default a
	// flood of all nine routes and of all HTTP methods leaves the posts nearly half.
	// Default: 500.
	ThrottlingRate float64

	// ThrottlingBurst is how many client messages a route takes at once before
	// the rate holds. The account has 5,000, for posts, too. Default: 500.
	ThrottlingBurst int

	// Account and Region are where the stack is deployed: 12 digits, and a name such as
	// eu-central-1. Default: where the credentials of the deployment are.
	Account, Region string

	// Stage names the only stage of each API, the path in every client's URL: 1 to 128 letters,
	// digits, hyphens and underscores. Default: live.
	Stage string

	// Tags are those of the stack, which CloudFormation gives to all its resources. AWS takes
	// 50, keys of 128 and values of 256 characters, and no key that begins with aws:.
	Tags map[string]string

	// ProtectFromDeletion lets CloudFormation refuse to delete the stack until it is turned
	// off (termination protection). The tables of user data and the secrets stay either way.
	ProtectFromDeletion bool

	// RouteMetrics counts messages, errors and latencies of each route, too. CloudWatch
	// charges for them as for custom metrics; those of the whole stage are free.
	RouteMetrics bool

	// BackUpConnections turns on point-in-time recovery of the tables that describe open
	// sockets. They are worthless without these. The tables of user data always have it.
	BackUpConnections bool

	// LogLevel is the least important of the functions' own log lines that is kept: DEBUG,
	// INFO, WARN or ERROR. Default: INFO.
	LogLevel string

	// SystemLogLevel is the same of Lambda's lines about a function: DEBUG, INFO or WARN.
	// With INFO there is a report of each invocation. Default: WARN, with which there is one
	// if an invocation fails.
	SystemLogLevel string

	// AllowTableDeletion turns off DynamoDB's deletion protection of the tables
	// that hold user data. `cdk destroy` leaves them in place either way.
	AllowTableDeletion bool

	// SetAccountLogRole makes the role with which API Gateway writes access logs the account's,
	// in place of one that may be there. It is one setting of the account in a Region, for all
	// its APIs, and without a role AWS refuses the stage. Set it for the first deployment in an
	// account that has none; `make account` says so. The role stays when the setting or the
	// stack goes.
	SetAccountLogRole bool
}

// withDefaults fills what is not set and reports every value out of bounds at
// once.
func (p Props) withDefaults() (Props, error) {
	setDefault(&p.Architecture, ARM64)
	setDefault(&p.ChangeRetention, 48*time.Hour)
	setDefault(&p.StreamTime, time.Minute)
	setDefault(&p.LogDays, 14)
	setDefault(&p.LogLevel, "INFO")
	setDefault(&p.SystemLogLevel, "WARN")
	setDefault(&p.Stage, "live")
	setDefault(&p.MaxConnections, 100)
	setDefault(&p.MaxSubjectHolds, 6)
	setDefault(&p.MaxMessageRate, 20)
	setDefault(&p.MaxSubscriptions, events.MaxSubscriptions)
	setDefault(&p.MaxPublishBytes, events.MaxDataBytes)
	setDefault(&p.MaxSnapshotItems, 2_000)
	setDefault(&p.MaxSubjectUnits, 120_000)
	setDefault(&p.ShardSize, 1_000)
	setDefault(&p.MaxBatchPosts, 1_000)
	setDefault(&p.PushConcurrency, 10)
	setDefault(&p.MaxDestinations, 10)
	setDefault(&p.DeliverConcurrency, 20)
	setDefault(&p.IntakeConcurrency, 10)
	setDefault(&p.ThrottlingRate, 500)
	setDefault(&p.ThrottlingBurst, 500)
	setDefault(&p.HTTPThrottlingRate, 200)
	setDefault(&p.HTTPThrottlingBurst, 200)
	return p, errors.Join(p.faults()...)
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (p Props) faults() []error {
	var faults []error
	refuse := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if p.Code == "" {
		refuse("Code is not set")
	}
	if !p.Architecture.valid() {
		refuse("Architecture is %q, not %s or %s", p.Architecture, ARM64, X8664)
	}
	if p.ChangeRetention < MinChangeRetention {
		refuse("ChangeRetention is %s, less than %s", p.ChangeRetention, MinChangeRetention)
	}
	if p.StreamTime < time.Second || p.StreamTime > MaxStreamTime {
		refuse("StreamTime is %s, not between a second and %s", p.StreamTime, MaxStreamTime)
	}
	if !slices.Contains(logDays(), p.LogDays) {
		refuse("LogDays is %d, not one of %d", p.LogDays, logDays())
	}
	for name, n := range map[string]int{
		"MaxConnections": p.MaxConnections, "MaxMessageRate": p.MaxMessageRate, "MaxSubscriptions": p.MaxSubscriptions,
		"MaxPublishBytes": p.MaxPublishBytes, "MaxSnapshotItems": p.MaxSnapshotItems, "MaxSubjectUnits": p.MaxSubjectUnits,
		"MaxSubjectHolds": p.MaxSubjectHolds, "ShardSize": p.ShardSize, "MaxBatchPosts": p.MaxBatchPosts,
		"MaxDestinations": p.MaxDestinations,
	} {
		if err := settings.CheckCount(n); err != nil {
			refuse("%s is %d, %w", name, n, err)
		}
	}
	if levels := []string{"DEBUG", "INFO", "WARN", "ERROR"}; !slices.Contains(levels, p.LogLevel) {
		refuse("LogLevel is %q, not one of %q", p.LogLevel, levels)
	}
	if levels := []string{"DEBUG", "INFO", "WARN"}; !slices.Contains(levels, p.SystemLogLevel) {
		refuse("SystemLogLevel is %q, not one of %q", p.SystemLogLevel, levels)
	}
	for name, n := range map[string]int{"PushConcurrency": p.PushConcurrency, "DeliverConcurrency": p.DeliverConcurrency, "IntakeConcurrency": p.IntakeConcurrency} {
		if n < 2 || n > 1_000 {
			refuse("%s is %d, must be from 2 to 1000", name, n)
		}
	}
	if p.HTTPConcurrency == 1 {
		refuse("HTTPConcurrency is 1, which leaves no room beside a request that waits: at least 2, or 0 for no bound")
	}
	for name, n := range map[string]int{
		"FanoutConcurrency": p.FanoutConcurrency, "MessageConcurrency": p.MessageConcurrency, "HTTPConcurrency": p.HTTPConcurrency,
		"ThrottlingBurst": p.ThrottlingBurst, "HTTPThrottlingBurst": p.HTTPThrottlingBurst,
	} {
		if n < 0 {
			refuse("%s is %d, less than 0", name, n)
		}
	}
	if p.MaxSubscriptions > events.MaxSubscriptions {
		refuse("MaxSubscriptions is %d, more than %d", p.MaxSubscriptions, events.MaxSubscriptions)
	}
	if p.MaxDestinations > maxDestinations {
		refuse("MaxDestinations is %d, more than %d", p.MaxDestinations, maxDestinations)
	}
	faults = append(faults, p.placeFaults()...)
	faults = append(faults, p.sourceFaults()...)
	faults = append(faults, p.Auth.faults()...)
	faults = append(faults, p.addressFaults()...)
	faults = append(faults, p.originFaults()...)
	faults = append(faults, p.destinationFaults()...)
	for name, rate := range map[string]float64{"ThrottlingRate": p.ThrottlingRate, "HTTPThrottlingRate": p.HTTPThrottlingRate} {
		if !(rate >= 0) || math.IsInf(rate, 1) {
			refuse("%s is %v, not a number of at least 0", name, rate)
		}
	}
	if p.WebACLARN != "" && !unresolved(p.WebACLARN) && !webACLARN.MatchString(p.WebACLARN) {
		refuse("WebACLARN is %q, not the ARN of a Regional web ACL", p.WebACLARN)
	}
	if p.WithoutHTTP && p.WebACLARN != "" {
		refuse("WebACLARN is set, which filters HTTP requests, and WithoutHTTP, too")
	}
	return faults
}

// maxDestinations bounds MaxDestinations.
const maxDestinations = 100

// addressFaults reports addresses that no client could use, and texts that the function http cannot be told.
func (p Props) addressFaults() (faults []error) {
	for name, scheme := range map[string]string{"WebSocketURL": "wss", "HTTPURL": "https"} {
		address := map[string]string{"WebSocketURL": p.WebSocketURL, "HTTPURL": p.HTTPURL}[name]
		if address == "" || unresolved(address) {
			continue
		}
		at, err := url.Parse(address)
		if err != nil || at.Scheme != scheme || at.Host == "" || at.User != nil || at.RawQuery != "" || at.Fragment != "" || strings.HasSuffix(address, "/") {
			faults = append(faults, fmt.Errorf("%s is %q, not %s://, a host and perhaps a path that does not end in a slash", name, address, scheme))
		}
	}
	if n := len(strings.Join(p.AllowedOrigins, ",")) + len(p.Auth.Issuer) + len(p.Auth.Audience) + len(p.WebSocketURL) + len(p.HTTPURL); n > maxTold {
		faults = append(faults, fmt.Errorf("AllowedOrigins, Auth.Issuer, Auth.Audience, WebSocketURL and HTTPURL take %d bytes, more than %d", n, maxTold))
	}
	return faults
}

// maxTold bounds all texts together that the function http is told, in bytes. With the names of tables that
// is less than the 4 KB that Lambda takes for all environment variables.
const maxTold = 2_560

// webACLARN is the ARN of a web ACL that can be a REST API's.
// Source: https://docs.aws.amazon.com/waf/latest/APIReference/API_AssociateWebACL.html
var webACLARN = regexp.MustCompile(`^arn:aws[a-z-]*:wafv2:[a-z0-9-]+:[0-9]{12}:regional/webacl/[A-Za-z0-9_-]{1,128}/[A-Za-z0-9-]+$`)

// logDays are the retention times that CloudWatch Logs offers, in days.
// Source: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
func logDays() []int {
	return []int{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731,
		1096, 1827, 2192, 2557, 2922, 3288, 3653}
}
