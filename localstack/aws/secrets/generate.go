package secrets

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"math/big"
	"strings"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
)

// The characters of passwords, by type.
const (
	lowercase   = "abcdefghijklmnopqrstuvwxyz"
	uppercase   = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	numbers     = "0123456789"
	punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
)

// Lengths of a generated password, in characters.
//
// Source: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetRandomPassword.html
const (
	DefaultPasswordLength = 32
	MaxPasswordLength     = 4096
)

// Generator says what a random secret is made of, as the GenerateSecretString of
// CloudFormation does: of all four types of characters, unless some are excluded.
//
// Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-secretsmanager-secret-generatesecretstring.html
type Generator struct {
	PasswordLength     int    // characters; DefaultPasswordLength if 0, at most MaxPasswordLength
	ExcludeCharacters  string // single characters that are not to be in it
	ExcludeLowercase   bool
	ExcludeUppercase   bool
	ExcludeNumbers     bool
	ExcludePunctuation bool
	IncludeSpace       bool
	// RequireEachIncludedType wants at least one character of each type; true if nil. A
	// type of which ExcludeCharacters leave nothing counts as excluded.
	RequireEachIncludedType *bool
	// SecretStringTemplate is a JSON object that gets the password as its member
	// GenerateStringKey. Without both the secret is the password alone.
	SecretStringTemplate string
	GenerateStringKey    string
}

// Generate makes a secret, another each time. The error is an
// InvalidParameterException.
func (g Generator) Generate() (string, error) {
	password, err := g.password()
	if err != nil || g.SecretStringTemplate == "" && g.GenerateStringKey == "" {
		return password, err
	}
	var object map[string]any
	if g.GenerateStringKey == "" || json.Unmarshal([]byte(g.SecretStringTemplate), &object) != nil || object == nil {
		return "", awsjson.Errorf("InvalidParameterException", "SecretStringTemplate must be a JSON object and come with GenerateStringKey.")
	}
	object[g.GenerateStringKey] = password
	secret, err := json.Marshal(object)
	return string(secret), err
}

// password draws until each type is there, so that all passwords that may be are
// equally likely.
func (g Generator) password() (string, error) {
	types := g.types()
	characters := strings.Join(types, "")
	if g.IncludeSpace {
		characters += g.allowed(" ")
	}
	if g.RequireEachIncludedType != nil && !*g.RequireEachIncludedType {
		types = nil
	}
	length := cmp.Or(g.PasswordLength, DefaultPasswordLength)
	if characters == "" || length < max(1, len(types)) || length > MaxPasswordLength {
		return "", awsjson.Errorf("InvalidParameterException", "A password of length %d can't be generated of the characters that are included.", length)
	}
	for {
		if password := draw(length, characters); containsEach(password, types) {
			return password, nil
		}
	}
}

// types gives the characters of each type that is included.
func (g Generator) types() []string {
	var types []string
	for characters, excluded := range map[string]bool{
		lowercase: g.ExcludeLowercase, uppercase: g.ExcludeUppercase, numbers: g.ExcludeNumbers, punctuation: g.ExcludePunctuation,
	} {
		if left := g.allowed(characters); !excluded && left != "" {
			types = append(types, left)
		}
	}
	return types
}

// allowed leaves out the characters that are excluded one by one.
func (g Generator) allowed(characters string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(g.ExcludeCharacters, r) {
			return -1
		}
		return r
	}, characters)
}

func containsEach(password string, types []string) bool {
	for _, characters := range types {
		if !strings.ContainsAny(password, characters) {
			return false
		}
	}
	return true
}

// draw gives so many characters at random, each as likely as any other.
func draw(length int, characters string) string {
	drawn := make([]byte, length)
	for i := range drawn {
		n, _ := rand.Int(rand.Reader, big.NewInt(int64(len(characters)))) // never fails, see crypto/rand
		drawn[i] = characters[n.Int64()]
	}
	return string(drawn)
}
