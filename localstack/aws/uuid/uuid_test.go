package uuid_test

import (
	"regexp"
	"testing"

	"github.com/watchroute/watchroute/localstack/aws/uuid"
)

func TestNewIsARandomUUID(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	first, second := uuid.New(), uuid.New()
	if !form.MatchString(first) || !form.MatchString(second) || first == second {
		t.Errorf("made %s and %s", first, second)
	}
}
