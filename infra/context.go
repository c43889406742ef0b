package main

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
	"github.com/watchroute/watchroute/infra/stack"
)

// stackNames are those that CloudFormation takes.
//
// Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html
var stackNames = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,127}$`)

// settings reads context values, and remembers what was wrong with them, so that all of it
// is reported at once.
type settings struct {
	app  awscdk.App
	errs []error
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
		SetAccountLogRole:   s.flag("account-log-role", "set"),
		AllowedOrigins:      s.list("origins"),
		WithoutHTTP:         s.flag("http", "off"),
		WebACLARN:           s.text("web-acl"),
		Auth: stack.Auth{
			Issuer: s.text("issuer"), JWKSURL: s.text("jwks"), SecretARN: s.text("secret"), SecretKeyARN: s.text("secret-key"), Audience: s.text("audience"),
			OpenToEveryone: s.flag("auth", "open-to-everyone"), RefuseAtHandshake: s.flag("refuse", "handshake"),
		},
	}
	return name, props, errors.Join(s.errs...)
}

// text reads a context value that is a text; empty if it is not there. One that is there
// and empty is refused: it is a variable of somebody's script that was not set.
func (s *settings) text(name string) string {
	switch value := s.app.Node().TryGetContext(jsii.String(name)).(type) {
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
	given := s.app.Node().TryGetContext(jsii.String(name))
	if given != nil && fmt.Sprint(given) != value {
		s.refuse("context value %s is %q, known is %s", name, fmt.Sprint(given), value)
	}
	return given != nil
}

// list reads texts that are separated by commas.
func (s *settings) list(name string) []string {
	text := s.text(name)
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

// tags reads key=value pairs that are separated by commas, or an object of texts.
func (s *settings) tags(name string) map[string]string {
	object, ok := s.app.Node().TryGetContext(jsii.String(name)).(map[string]any)
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
