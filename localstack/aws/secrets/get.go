package secrets

import (
	"cmp"
	"context"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
)

type getInput struct{ SecretId, VersionId, VersionStage string }

type getOutput struct {
	ARN           string
	Name          string
	VersionId     string
	VersionStages []string
	CreatedDate   float64 // of the version
	value
}

// getSecretValue gives the version that the request names, AWSCURRENT if it names none.
func (s *Service) getSecretValue(_ context.Context, in getInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, err := s.findLocked(in.SecretId)
	if err != nil {
		return nil, err
	}
	v, err := found.version(in.VersionId, in.VersionStage)
	if err != nil {
		return nil, err
	}
	return &getOutput{
		ARN: found.arn, Name: found.name, VersionId: v.id, VersionStages: found.stages(v.id),
		CreatedDate: seconds(v.created), value: v.value,
	}, nil
}

// version gives the version with an id, a label, or both.
func (s *secret) version(id, stage string) (*version, error) {
	if id == "" {
		stage = cmp.Or(stage, current)
		if v := s.versions[s.labels[stage]]; v != nil {
			return v, nil
		}
		return nil, awsjson.Errorf("ResourceNotFoundException", "Secrets Manager can't find the specified secret value for staging label: %s", stage)
	}
	v := s.versions[id]
	if v == nil {
		return nil, awsjson.Errorf("ResourceNotFoundException", "Secrets Manager can't find the specified secret value for VersionId: %s", id)
	}
	if stage != "" && s.labels[stage] != id {
		return nil, awsjson.Errorf("InvalidRequestException", "You provided a VersionStage that is not associated to the provided VersionId.")
	}
	return v, nil
}
