package secrets_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/watchroute/watchroute/localstack/aws/secrets"
)

func TestGenerate(t *testing.T) {
	for name, c := range map[string]struct {
		generator secrets.Generator
		length    int
		form      string
		each      []string // of which each is in it
	}{
		"by default":         {secrets.Generator{}, 32, `^[!-~]*$`, []string{`[a-z]`, `[A-Z]`, `[0-9]`, `[^A-Za-z0-9]`}},
		"shortest":           {secrets.Generator{PasswordLength: 4}, 4, `^[!-~]*$`, []string{`[a-z]`, `[A-Z]`, `[0-9]`, `[^A-Za-z0-9]`}},
		"longest":            {secrets.Generator{PasswordLength: 4096}, 4096, `^[!-~]*$`, nil},
		"no punctuation":     {secrets.Generator{PasswordLength: 64, ExcludePunctuation: true}, 64, `^[A-Za-z0-9]*$`, []string{`[a-z]`, `[A-Z]`, `[0-9]`}},
		"numbers alone":      {secrets.Generator{ExcludePunctuation: true, ExcludeLowercase: true, ExcludeUppercase: true}, 32, `^[0-9]*$`, nil},
		"letters alone":      {secrets.Generator{ExcludePunctuation: true, ExcludeNumbers: true}, 32, `^[A-Za-z]*$`, nil},
		"single characters":  {secrets.Generator{ExcludePunctuation: true, ExcludeCharacters: "0123456789abc"}, 32, `^[A-Zd-z]*$`, nil},
		"any type":           {secrets.Generator{PasswordLength: 1, RequireEachIncludedType: aws.Bool(false)}, 1, `^[!-~]*$`, nil},
		"space":              {secrets.Generator{PasswordLength: 4096, IncludeSpace: true}, 4096, `^[ -~]*$`, []string{` `}},
		"no space after all": {secrets.Generator{PasswordLength: 4096, IncludeSpace: true, ExcludeCharacters: " "}, 4096, `^[!-~]*$`, nil},
	} {
		got, err := c.generator.Generate()
		if err != nil || len(got) != c.length || !regexp.MustCompile(c.form).MatchString(got) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		for _, form := range c.each {
			if !regexp.MustCompile(form).MatchString(got) {
				t.Errorf("%s: %q has none of %s", name, got, form)
			}
		}
	}
}

func TestGenerateIsAnotherEachTime(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		got, err := secrets.Generator{}.Generate()
		if err != nil || seen[got] {
			t.Fatalf("%q again, %v", got, err)
		}
		seen[got] = true
	}
}

func TestGenerateIntoATemplate(t *testing.T) {
	generator := secrets.Generator{SecretStringTemplate: `{"user":"admin"}`, GenerateStringKey: "password"}
	got, err := generator.Generate()
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]string
	if err := json.Unmarshal([]byte(got), &object); err != nil || object["user"] != "admin" || len(object["password"]) != 32 || len(object) != 2 {
		t.Errorf("%s: %v", got, err)
	}
}

func TestGenerateWhatCannotBe(t *testing.T) {
	for name, generator := range map[string]secrets.Generator{
		"nothing left":       {ExcludeLowercase: true, ExcludeUppercase: true, ExcludeNumbers: true, ExcludePunctuation: true},
		"too short":          {PasswordLength: 3},
		"negative":           {PasswordLength: -1, RequireEachIncludedType: aws.Bool(false)},
		"too long":           {PasswordLength: 4097},
		"template alone":     {SecretStringTemplate: `{}`},
		"key alone":          {GenerateStringKey: "password"},
		"template no JSON":   {SecretStringTemplate: `{`, GenerateStringKey: "password"},
		"template no object": {SecretStringTemplate: `[]`, GenerateStringKey: "password"},
		"template null":      {SecretStringTemplate: `null`, GenerateStringKey: "password"},
	} {
		if got, err := generator.Generate(); err == nil || !strings.HasPrefix(err.Error(), "InvalidParameterException: ") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
