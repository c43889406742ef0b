package stack

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
)

// What AWS takes as names.
//
// Source: https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-stages.html,
// https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html
var (
	stageNames   = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)
	accountIDs   = regexp.MustCompile(`^[0-9]{12}$`)
	regions      = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]+$`)
	tagCharacter = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+@-]*$`)
)

const (
	maxTags     = 50
	maxTagKey   = 128 // characters
	maxTagValue = 256
)

// placeFaults are those of where the stack goes and how it is marked.
func (p Props) placeFaults() []error {
	var faults []error
	refuse := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if !stageNames.MatchString(p.Stage) {
		refuse("Stage is %q, not 1 to 128 letters, digits, hyphens and underscores", p.Stage)
	}
	if p.Account != "" && !unresolved(p.Account) && !accountIDs.MatchString(p.Account) {
		refuse("Account is %q, not 12 digits", p.Account)
	}
	if p.Region != "" && !unresolved(p.Region) && !regions.MatchString(p.Region) {
		refuse("Region is %q, not a name such as eu-central-1", p.Region)
	}
	if elsewhere := regionOf(p.Auth.SecretARN); regions.MatchString(p.Region) && elsewhere != "" && elsewhere != p.Region {
		refuse("Auth.SecretARN is of %s, where functions in %s do not find it", elsewhere, p.Region)
	}
	if len(p.Tags) > maxTags {
		refuse("Tags has %d, more than %d", len(p.Tags), maxTags)
	}
	for _, key := range slices.Sorted(maps.Keys(p.Tags)) {
		if reserved := strings.HasPrefix(strings.ToLower(key), "aws:"); key == "" || reserved || utf8.RuneCountInString(key) > maxTagKey || !tagCharacter.MatchString(key) {
			refuse("Tags has the key %q, which AWS does not take", key)
		}
		if value := p.Tags[key]; utf8.RuneCountInString(value) > maxTagValue || !tagCharacter.MatchString(value) {
			refuse("Tags has the value %q of %s, which AWS does not take", value, key)
		}
	}
	return faults
}

// regionOf is the Region in an ARN; empty if that is none.
func regionOf(arn string) string {
	if parts := strings.Split(arn, ":"); len(parts) > 5 && !unresolved(arn) {
		return parts[3]
	}
	return ""
}

// stackProps are those of the stack itself.
func (p Props) stackProps() *awscdk.StackProps {
	props := &awscdk.StackProps{
		Description:           jsii.String("Watchroute: watch DynamoDB items over WebSocket and HTTP, in order and without loss"),
		TerminationProtection: jsii.Bool(p.ProtectFromDeletion),
	}
	if p.Account != "" || p.Region != "" {
		props.Env = &awscdk.Environment{Account: orNil(p.Account), Region: orNil(p.Region)}
	}
	if len(p.Tags) > 0 {
		tags := map[string]*string{}
		for key, value := range p.Tags {
			tags[key] = jsii.String(value)
		}
		props.Tags = &tags
	}
	return props
}

// orNil is nil for a text that is not set.
func orNil(text string) *string {
	if text == "" {
		return nil
	}
	return jsii.String(text)
}
