// Package shared holds the rules of who may import whom.
package shared

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/watchroute/watchroute/"

// adapters are all packages of shared but the domain.
const adapters = module + "shared/"

// domain are the packages of shared that adapters and package delivery stand on. Package watch stands
// on all the others; that none of these imports watch is Go's own rule.
var domain = []string{module + "shared/grant", module + "shared/pattern", module + "shared/seal", module + "shared/watch"}

// jsonv2 is what Go 1.27 has as encoding/json/v2. It goes with that version.
const jsonv2 = "github.com/go-json-experiment/json"

// rules forbid imports, each for a reason.
var rules = []struct {
	of, forbidden, because string
}{
	{"events", "github.com/", "the wire contract must be usable by any client without our dependencies; but " + jsonv2 + " is Go 1.27's own"},
	{"shared/watch", "github.com/aws/", "the domain knows no cloud"},
	{"shared/watch", "os", "the domain reads no environment"},
	{"shared/watch", adapters, "adapters know the domain, not the other way round"},
	{"shared/delivery", "github.com/aws/", "what a destination is owed does not depend on where that is kept"},
	{"shared/delivery", "os", "the domain reads no environment"},
	{"shared/delivery", adapters, "adapters know the domain, not the other way round"},
	{"shared/intake", "github.com/aws/", "what a message means does not depend on what brings it"},
	{"shared/intake", "os", "the domain reads no environment"},
	{"shared/dynamo", module + "shared/cloudevents", "the store keeps items, whatever messages they came in"},
	{"shared/grant", "github.com/aws/", "what a token allows does not depend on who asks"},
	{"shared/grant", adapters, "adapters know the domain, not the other way round"},
	{"shared/pattern", "github.com/", "patterns are of any JSON"},
	{"shared/dynamo", module + "shared/apigw", "adapters do not know each other"},
	{"shared/apigw", module + "shared/dynamo", "adapters do not know each other"},
	{"shared/dynamo", module + "shared/deliveries", "adapters do not know each other"},
	{"shared/deliveries", module + "shared/dynamo", "adapters do not know each other"},
	{"shared/deliveries", module + "shared/webhook", "adapters do not know each other"},
	{"shared/targets", module + "shared/dynamo", "adapters do not know each other"},
	{"shared/targets", module + "shared/webhook", "adapters do not know each other"},
	{"functions/deliver", "github.com/aws/aws-sdk-go-v2/service/", "how a message is put to AWS's queues, topics, buses and streams is known to shared/targets alone"},
	{"shared/webhook", "github.com/", "a call signs with a few lines of our own; the reference library is for tests"},
	{"shared/cloudevents", "github.com/", "an event is a few members of JSON; the SDK is for tests"},
	{"functions", "code.dny.dev/ssrf", "which addresses may be called is known to shared/webhook alone"},
	{"functions/message", module + "shared/token", "what reads every client's frames does not know the secret of tokens"},
	{"functions/message", module + "shared/authn", "what reads every client's frames does not know the secret of tokens"},
	{"shared/identity", module + "shared/token", "whoever reads whose connection it is does not carry the verifying of tokens along"},
	{"shared", module + "functions", "functions are programs, not libraries"},
	{"shared", module + "infra", "what runs does not know how it is deployed"},
	{"functions", module + "infra", "what runs does not know how it is deployed"},
	{"functions", module + "localstack", "functions cannot tell where they run"},
	{"functions", "github.com/twmb/franz-go", "Lambda reads Kafka for the function; the client is for the local stack"},
	{"shared", "github.com/twmb/franz-go", "Lambda reads Kafka for the function; the client is for the local stack"},
	{"localstack", module + "functions", "the local stack runs binaries"},
	{"localstack", module + "infra", "the local stack reads the template"},
	{"functions", "github.com/aws/aws-cdk-go", "only infra declares infrastructure"},
	{"shared", "github.com/aws/aws-cdk-go", "only infra declares infrastructure"},
	{"localstack", "github.com/aws/aws-cdk-go", "only infra declares infrastructure"},
}

func TestImports(t *testing.T) {
	list := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...")
	list.Dir = ".."
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := 0
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		checkImports(t, strings.TrimPrefix(fields[0], module), fields[1:])
		packages++
	}
	if packages < 10 {
		t.Errorf("only %d packages were listed", packages)
	}
}

func checkImports(t *testing.T, name string, imports []string) {
	for _, rule := range rules {
		if name != rule.of && !strings.HasPrefix(name, rule.of+"/") {
			continue
		}
		for _, path := range imports {
			own := strings.HasPrefix(path, module+"events") || strings.HasPrefix(path, jsonv2) || // which everybody may import
				rule.forbidden == adapters && slices.Contains(domain, path)
			if !own && (path == rule.forbidden || rule.forbidden != "os" && strings.HasPrefix(path, rule.forbidden)) {
				t.Errorf("%s imports %s: %s", name, path, rule.because)
			}
		}
	}
}

// encoders may use package json's own encoders, each for a reason. All others take
// events.Marshal, else users' data is longer in one place than in another.
var encoders = map[string]string{
	"events/exactjson/exactjson.go":  "it is what events.Marshal calls",
	"functions/authorizer/inside.go": "it measures what the Lambda runtime sends",
}

// TestUsersDataIsEncodedInOnePlace looks for the encoders that make text longer than it is.
func TestUsersDataIsEncodedInOnePlace(t *testing.T) {
	others := regexp.MustCompile(`\bjson\.(Marshal|MarshalIndent|NewEncoder)\(`)
	read := 0
	for _, folder := range []string{"events", "shared", "functions"} {
		err := fs.WalkDir(os.DirFS(".."), folder, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(filepath.Dir(path), "test") {
				return err
			}
			source, err := os.ReadFile(filepath.Join("..", path))
			if call := others.Find(source); (call != nil) != (encoders[path] != "") {
				t.Errorf("%s has %q, its reason to have one is %q: use events.Marshal", path, call, encoders[path])
			}
			read++
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if read < 100 {
		t.Errorf("only %d files were read", read)
	}
}
