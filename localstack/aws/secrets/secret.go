package secrets

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
)

// The staging labels that move by themselves.
const (
	current  = "AWSCURRENT"
	previous = "AWSPREVIOUS"
)

// MaxValueBytes is the size of a value.
//
// Source: https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
const MaxValueBytes = 65_536

// secret is one secret. It is guarded by the service's mutex.
type secret struct {
	name, arn   string
	description string
	created     time.Time
	changed     time.Time
	versions    map[string]*version // by id
	labels      map[string]string   // a staging label to the id of the version that has it
}

// version is a value that a secret has or had.
type version struct {
	id      string
	created time.Time
	value
}

// value is what is secret: text or bytes.
type value struct {
	SecretString string `json:",omitempty"`
	SecretBinary []byte `json:",omitempty"`
}

func (v value) empty() bool { return v.SecretString == "" && len(v.SecretBinary) == 0 }

func (v value) equal(other value) bool {
	return v.SecretString == other.SecretString && bytes.Equal(v.SecretBinary, other.SecretBinary)
}

// check gives what is wrong with a value; it may be empty.
func (v value) check() error {
	if v.SecretString != "" && len(v.SecretBinary) > 0 {
		return awsjson.Errorf("InvalidParameterException", "You can't specify both a binary secret value and a string secret value in the same secret.")
	}
	if len(v.SecretString) > MaxValueBytes || len(v.SecretBinary) > MaxValueBytes {
		return awsjson.Errorf("ValidationException", "The secret value must have length less than or equal to %d.", MaxValueBytes)
	}
	return nil
}

// checkToken gives what is wrong with a client's token, which becomes the id of a
// version.
func checkToken(token string) error {
	if n := len(token); n > 0 && n < 32 || n > 64 {
		return awsjson.Errorf("InvalidParameterException", "You must provide a ClientRequestToken value between 32-64 characters long.")
	}
	return nil
}

// newVersionID makes the id of a version for which the client sent no token.
func newVersionID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails, see crypto/rand
	return hex.EncodeToString(id[:])
}

// label moves a staging label to a version. The version that loses AWSCURRENT gets
// AWSPREVIOUS.
func (s *secret) label(stage, id string) {
	if former, ok := s.labels[current]; ok && stage == current && former != id {
		s.labels[previous] = former
	}
	s.labels[stage] = id
}

// stages lists the labels of a version, in alphabetical order.
func (s *secret) stages(id string) []string {
	var stages []string
	for stage, of := range s.labels {
		if of == id {
			stages = append(stages, stage)
		}
	}
	slices.SortFunc(stages, strings.Compare)
	return stages
}

// seconds is a time as the protocol has it: seconds since 1970, to the millisecond.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
