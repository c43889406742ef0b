package secrets

import (
	"cmp"
	"context"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
)

// maxStages is how many staging labels a version has at most.
//
// Source: https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
const maxStages = 20

type putInput struct {
	SecretId           string
	ClientRequestToken string
	VersionStages      []string
	value
}

// putSecretValue adds a version with its labels, AWSCURRENT if the request names none.
func (s *Service) putSecretValue(_ context.Context, in putInput) (any, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found, err := s.findLocked(in.SecretId)
	if err != nil {
		return nil, err
	}
	stages := in.VersionStages
	if len(stages) == 0 {
		stages = []string{current}
	}
	return found.put(&version{id: cmp.Or(in.ClientRequestToken, newVersionID()), created: s.now(), value: in.value}, stages...)
}

func (in putInput) check() error {
	if in.empty() {
		return awsjson.Errorf("InvalidRequestException", "You must provide either SecretString or SecretBinary.")
	}
	if len(in.VersionStages) > maxStages {
		return awsjson.Errorf("InvalidParameterException", "A version can have at most %d staging labels.", maxStages)
	}
	if err := checkToken(in.ClientRequestToken); err != nil {
		return err
	}
	return in.value.check()
}

// put adds a version and moves the labels to it. The first version is AWSCURRENT
// whatever it was to be. A version that exists stays as it is: to put it again is no
// error, to put another value under its id is.
func (s *secret) put(v *version, stages ...string) (*written, error) {
	old := s.versions[v.id]
	if old != nil && !old.equal(v.value) {
		return nil, awsjson.Errorf("ResourceExistsException", "A resource with the ID you requested already exists.")
	}
	if old == nil {
		s.add(v, stages)
	}
	return &written{ARN: s.arn, Name: s.name, VersionId: v.id, VersionStages: s.stages(v.id)}, nil
}

func (s *secret) add(v *version, stages []string) {
	if len(s.versions) == 0 {
		stages = append(stages, current)
	}
	s.versions[v.id], s.changed = v, v.created
	for _, stage := range stages {
		s.label(stage, v.id)
	}
}
