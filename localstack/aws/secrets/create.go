package secrets

import (
	"cmp"
	"context"
	"regexp"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
)

// secretName is what a secret may be called.
var secretName = regexp.MustCompile(`^[A-Za-z0-9/_+=.@!-]{1,512}$`)

type createInput struct {
	Name               string
	Description        string
	ClientRequestToken string
	value
}

// written tells what a secret or a version has become.
type written struct {
	ARN           string
	Name          string
	VersionId     string   `json:",omitempty"`
	VersionStages []string `json:",omitempty"`
}

// createSecret makes a secret, without a version if it has no value yet.
func (s *Service) createSecret(_ context.Context, in createInput) (any, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if existing := s.secrets[in.Name]; existing != nil {
		return existing.again(in)
	}
	now := s.now()
	made := &secret{
		name: in.Name, arn: s.prefix + in.Name + "-" + draw(6, lowercase+uppercase+numbers), description: in.Description,
		created: now, changed: now, versions: map[string]*version{}, labels: map[string]string{},
	}
	s.secrets[in.Name] = made
	if in.empty() {
		return &written{ARN: made.arn, Name: made.name}, nil
	}
	v := &version{id: cmp.Or(in.ClientRequestToken, newVersionID()), created: now, value: in.value}
	if _, err := made.put(v, current); err != nil {
		return nil, err
	}
	return &written{ARN: made.arn, Name: made.name, VersionId: v.id}, nil
}

func (in createInput) check() error {
	if !secretName.MatchString(in.Name) {
		return awsjson.Errorf("ValidationException", "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!")
	}
	if err := checkToken(in.ClientRequestToken); err != nil {
		return err
	}
	return in.value.check()
}

// again answers for a secret that exists: only the request that has made it may come
// again, as its token tells.
func (s *secret) again(in createInput) (any, error) {
	v := s.versions[in.ClientRequestToken]
	if v == nil || !v.equal(in.value) {
		return nil, awsjson.Errorf("ResourceExistsException", "The operation failed because the secret %s already exists.", in.Name)
	}
	return &written{ARN: s.arn, Name: s.name, VersionId: v.id}, nil
}
