package secrets

import "context"

type describeInput struct{ SecretId string }

type describeOutput struct {
	ARN                string
	Name               string
	Description        string `json:",omitempty"`
	CreatedDate        float64
	LastChangedDate    float64
	VersionIdsToStages map[string][]string // those that have labels
}

// describeSecret tells all of a secret but its values.
func (s *Service) describeSecret(_ context.Context, in describeInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, err := s.findLocked(in.SecretId)
	if err != nil {
		return nil, err
	}
	out := &describeOutput{
		ARN: found.arn, Name: found.name, Description: found.description,
		CreatedDate: seconds(found.created), LastChangedDate: seconds(found.changed), VersionIdsToStages: map[string][]string{},
	}
	for _, id := range found.labels {
		out.VersionIdsToStages[id] = found.stages(id)
	}
	return out, nil
}
