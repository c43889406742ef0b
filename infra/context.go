package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/agnivade/levenshtein"
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
	"github.com/watchroute/watchroute/infra/stack"
)

// stackNames are those that CloudFormation takes.
//
// Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html
var stackNames = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,127}$`)

// settings reads context values, and remembers which names it knows and what was wrong, so that all
// of it is reported at once.
type settings struct {
	app   awscdk.App
	known []string
	errs  []error
}

// propsOf reads what is deployed, and the name of its stack.
func propsOf(app awscdk.App) (name string, props stack.Props, err error) {
	s := &settings{app: app}
	name = s.text("name")
	switch {
	case name == "":
		name = "Watchroute"
	case !stackNames.MatchString(name):
		s.refuse("context value name is %q, not a letter and up to 127 letters, digits and hyphens", name)
	}
	props = stack.Props{
		Architecture:        s.architecture(),
		Account:             s.text("account"),
		Region:              s.text("region"),
		Stage:               s.text("stage"),
		Tags:                s.tags("tags"),
		ProtectFromDeletion: s.flag("protect", "true"),
		AllowTableDeletion:  s.flag("table-deletion", "allow"),
		SetAccountLogRole:   s.flag("account-log-role", "set"),
		AllowedOrigins:      s.list("origins"),
		Auth: stack.Auth{
			Issuer: s.text("issuer"), JWKSURL: s.text("jwks"), SecretARN: s.text("secret"), SecretKeyARN: s.text("secret-key"), Audience: s.text("audience"),
			OpenToEveryone: s.flag("auth", "open-to-everyone"), RefuseAtHandshake: s.flag("refuse", "handshake"), RefuseQueryTokens: s.flag("query-tokens", "off"),
		},
		MaxConnections:      s.count("max-connections"),
		MaxSubscriptions:    s.count("max-subscriptions"),
		MaxPublishBytes:     s.count("max-publish-bytes"),
		MaxSnapshotItems:    s.count("max-snapshot-items"),
		MaxMessageRate:      s.count("max-message-rate"),
		MaxSubjectUnits:     s.count("max-subject-units"),
		ShardSize:           s.count("shard-size"),
		MaxBatchPosts:       s.count("max-batch-posts"),
		PushConcurrency:     s.count("push-concurrency"),
		MaxDestinations:     s.count("max-destinations"),
		DeliverConcurrency:  s.count("deliver-concurrency"),
		Sources:             s.sources("sources"),
		IntakeConcurrency:   s.count("intake-concurrency"),
		FanoutConcurrency:   s.count("fanout-concurrency"),
		MessageConcurrency:  s.count("message-concurrency"),
		WithoutHTTP:         s.flag("http", "off"),
		HTTPConcurrency:     s.count("http-concurrency"),
		MaxSubjectHolds:     s.count("max-subject-holds"),
		StreamTime:          s.duration("stream-time"),
		WebSocketURL:        s.text("websocket-url"),
		HTTPURL:             s.text("http-url"),
		HTTPThrottlingRate:  s.rate("http-throttling-rate"),
		HTTPThrottlingBurst: s.count("http-throttling-burst"),
		WebACLARN:           s.text("web-acl"),
		ThrottlingRate:      s.rate("throttling-rate"),
		ThrottlingBurst:     s.count("throttling-burst"),
		ChangeRetention:     s.duration("change-retention"),
		LogDays:             s.count("log-days"),
		LogLevel:            s.text("log-level"),
		SystemLogLevel:      s.text("system-log-level"),
		RouteMetrics:        s.flag("route-metrics", "on"),
		BackUpConnections:   s.flag("connection-backups", "on"),
	}
	s.refuseUnknown()
	return name, props, errors.Join(s.errs...)
}

// value reads a context value, nil if it is not there.
func (s *settings) value(name string) any {
	s.known = append(s.known, name)
	return s.app.Node().TryGetContext(jsii.String(name))
}

// refuseUnknown refuses names that nothing has read: they are misspelt. The CDK's own have a colon
// or a slash.
func (s *settings) refuseUnknown() {
	given, _ := s.app.Node().GetAllContext(nil).(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !slices.Contains(s.known, name) && !strings.ContainsAny(name, ":/") {
			s.refuse("there is no context value %s: do you mean %s?", name, nearest(name, s.known))
		}
	}
}

// nearest gives the name that is made of another with the fewest changes of a character.
func nearest(name string, known []string) string {
	return slices.MinFunc(known, func(a, b string) int {
		return cmp.Compare(levenshtein.ComputeDistance(strings.ToLower(name), a), levenshtein.ComputeDistance(strings.ToLower(name), b))
	})
}

// text reads a context value that is a text; empty if it is not there. One that is there
// and empty is refused: it is a variable of somebody's script that was not set.
func (s *settings) text(name string) string {
	switch value := s.value(name).(type) {
	case nil:
		return ""
	case string:
		if value == "" {
			s.refuse("context value %s is empty: leave it out, or give it a value", name)
		}
		return value
	default:
		s.refuse("context value %s is %v, not a text", name, value)
		return ""
	}
}

func (s *settings) refuse(format string, args ...any) {
	s.errs = append(s.errs, fmt.Errorf(format, args...))
}

// flag tells whether a context value is there. It has one value only, which says what it does.
func (s *settings) flag(name, value string) bool {
	given := s.value(name)
	if given != nil && fmt.Sprint(given) != value {
		s.refuse("context value %s is %q, known is %s", name, fmt.Sprint(given), value)
	}
	return given != nil
}

// parsed reads a context value that is a text on the command line, and may be a number in cdk.json.
func parsed[T any](s *settings, name, what string, parse func(string) (T, error)) (value T) {
	given := s.value(name)
	if given == nil {
		return value
	}
	text := fmt.Sprint(given)
	if n, ok := given.(float64); ok {
		text = strconv.FormatFloat(n, 'f', -1, 64)
	}
	value, err := parse(text)
	if err != nil {
		s.refuse("context value %s is %q, not %s", name, text, what)
	}
	return value
}

func (s *settings) count(name string) int {
	return parsed(s, name, "a whole number above 0", func(text string) (int, error) {
		n, err := strconv.Atoi(text)
		return n, cmp.Or(err, positive(float64(n)))
	})
}

func (s *settings) rate(name string) float64 {
	return parsed(s, name, "a number above 0", func(text string) (float64, error) {
		n, err := strconv.ParseFloat(text, 64)
		return n, cmp.Or(err, positive(n))
	})
}

func (s *settings) duration(name string) time.Duration {
	return parsed(s, name, "a time such as 90s or 48h", func(text string) (time.Duration, error) {
		d, err := time.ParseDuration(text)
		return d, cmp.Or(err, positive(float64(d)))
	})
}

// positive refuses 0 as well: it would mean the default, without a word.
func positive(n float64) error {
	if n > 0 && !math.IsInf(n, 1) {
		return nil
	}
	return strconv.ErrRange
}

// list reads texts that are separated by commas.
func (s *settings) list(name string) []string {
	text := s.text(name)
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

// sources reads a list of [stack.Source]: one in cdk.json, or its text.
func (s *settings) sources(name string) (sources []stack.Source) {
	given := s.value(name)
	if given == nil {
		return nil
	}
	text, isText := given.(string)
	if !isText {
		list, err := json.Marshal(given)
		if err != nil {
			s.refuse("context value %s cannot be read: %w", name, err)
		}
		text = string(list)
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields() // a misspelt mapping would be none
	if err := decoder.Decode(&sources); err != nil || len(sources) == 0 {
		s.refuse("context value %s is not a list of sources: %w", name, cmp.Or(err, errors.New("it is empty")))
	}
	return sources
}

// tags reads key=value pairs that are separated by commas, or an object of texts.
func (s *settings) tags(name string) map[string]string {
	object, ok := s.value(name).(map[string]any)
	if !ok {
		return s.pairs(name)
	}
	tags := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		value, ok := object[key].(string)
		if !ok {
			s.refuse("context value %s: %s is %v, not a text", name, key, object[key])
		}
		tags[key] = value
	}
	return tags
}

func (s *settings) pairs(name string) map[string]string {
	tags := map[string]string{}
	for _, pair := range s.list(name) {
		key, value, ok := strings.Cut(pair, "=")
		if _, twice := tags[key]; !ok || key == "" || twice {
			s.refuse("context value %s has %q, not one key=value for each key", name, pair)
		}
		tags[key] = value
	}
	return tags
}

// architecture is the one that executables and template are made for.
func (s *settings) architecture() stack.Architecture {
	text := s.text("architecture")
	if text == "" {
		return stack.ARM64
	}
	architecture, err := stack.ParseArchitecture(text)
	if err != nil {
		s.refuse("context value architecture: %w", err)
	}
	return architecture
}
