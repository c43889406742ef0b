// Package secrets is the only place that knows Secrets Manager: secrets, their
// versions and staging labels over the AWS JSON protocol, kept in memory.
//
// Offered: CreateSecret, GetSecretValue, PutSecretValue and DescribeSecret, and the
// random secrets that CloudFormation makes. Nothing is encrypted, deleted or rotated
// by a schedule; tags, KMS keys and replicas are ignored.
//
// A version never changes. What moves are labels, each of which one version has:
//
//	PutSecretValue ─► AWSCURRENT ──PutSecretValue──► AWSPREVIOUS ──PutSecretValue──► none
//
// No error and no log tells a value.
//
// Source: https://docs.aws.amazon.com/secretsmanager/latest/apireference/
package secrets

import (
	"cmp"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
)

// Options configure a service.
type Options struct {
	Account string           // default "000000000000"
	Region  string           // default "us-east-1"
	Now     func() time.Time // default time.Now
}

// Service holds the secrets of one account and Region. Safe for concurrent use.
type Service struct {
	now    func() time.Time
	prefix string // of every ARN, before the name

	mu      sync.Mutex
	secrets map[string]*secret // by name
}

// New makes a service without secrets.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{
		now:     o.Now,
		prefix:  "arn:aws:secretsmanager:" + cmp.Or(o.Region, "us-east-1") + ":" + cmp.Or(o.Account, "000000000000") + ":secret:",
		secrets: map[string]*secret{},
	}
}

// Service gives the operations as they are spoken over HTTP.
func (s *Service) Service() *awsjson.Service {
	return &awsjson.Service{
		Target:  "secretsmanager",
		Version: "1.1",
		Operations: map[string]awsjson.Operation{
			"CreateSecret":   awsjson.Typed(s.createSecret),
			"GetSecretValue": awsjson.Typed(s.getSecretValue),
			"PutSecretValue": awsjson.Typed(s.putSecretValue),
			"DescribeSecret": awsjson.Typed(s.describeSecret),
		},
	}
}

// ARN gives the ARN of the secret that a request names in any of the forms it may, ""
// if there is none.
func (s *Service) ARN(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, err := s.findLocked(id)
	if err != nil {
		return ""
	}
	return found.arn
}

// ending is how a complete ARN ends: a hyphen and six random characters.
var ending = regexp.MustCompile(`-[A-Za-z0-9]{6}$`)

// findLocked gives a secret by its name, its ARN, or its ARN without the ending. An ARN
// that ends as if it were complete is taken for complete, as on AWS.
//
// Source: https://docs.aws.amazon.com/secretsmanager/latest/userguide/troubleshoot.html#ARN_secretnamehyphen
func (s *Service) findLocked(id string) (*secret, error) {
	if id == "" {
		return nil, awsjson.Errorf("InvalidParameterException", "You must provide a value for the SecretId parameter.")
	}
	name, isARN := strings.CutPrefix(id, s.prefix)
	complete := isARN && ending.MatchString(name)
	if complete {
		name = ending.ReplaceAllString(name, "")
	}
	found := s.secrets[name]
	if found == nil || complete && found.arn != id {
		return nil, awsjson.Errorf("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
	}
	return found, nil
}
