package stack_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path"
	"path/filepath"
	"sync"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/watchroute/watchroute/infra/stack"
	"github.com/watchroute/watchroute/shared/build"
	"github.com/watchroute/watchroute/shared/needs"
)

const golden = "../testdata/watchroute.template.json"

var (
	update      = flag.Bool("update", false, "rewrite the golden template")
	synthesized = flag.String("synthesized", "",
		"also compare the golden template with this one, which `cdk synth` made, such as ../../cdk.out/Watchroute.template.json")
)

// TestGolden holds the committed template, which the local stack runs, to what
// the code declares. Rewrite it with -update.
func TestGolden(t *testing.T) {
	holdTo(t, golden, normalize(t, defaultTemplate(t)))
}

// holdTo compares a template with a committed one, or rewrites that.
func holdTo(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	compareGolden(t, file, got)
}

// TestGoldenIsWhatTheCLIMakes compares the golden template with the one that
// `cdk synth` has made with the real functions; `make synth` runs it.
func TestGoldenIsWhatTheCLIMakes(t *testing.T) {
	if *synthesized == "" {
		t.Skip("no -synthesized template given")
	}
	made, err := os.ReadFile(*synthesized)
	if err != nil {
		t.Fatal(err)
	}
	compareGolden(t, golden, normalize(t, made))
}

func compareGolden(t *testing.T, file string, got []byte) {
	t.Helper()
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if line, g, w := firstDifference(got, want); line > 0 {
		t.Errorf("template differs from %s at line %d:\n got %s\nwant %s\nif that is meant, run: go test ./infra/stack -update",
			file, line, g, w)
	}
}

// firstDifference gives the number and text of the first line that differs; 0
// if none does.
func firstDifference(got, want []byte) (line int, g, w []byte) {
	gots, wants := bytes.Split(got, []byte("\n")), bytes.Split(want, []byte("\n"))
	for i := range max(len(gots), len(wants)) {
		g, w = lineOf(gots, i), lineOf(wants, i)
		if !bytes.Equal(g, w) {
			return i + 1, g, w
		}
	}
	return 0, nil, nil
}

func lineOf(lines [][]byte, i int) []byte {
	if i >= len(lines) {
		return []byte("(end of file)")
	}
	return lines[i]
}

// normalize makes a template independent of the functions' code: the S3 key of
// an asset, a hash of its bytes, becomes the function's name.
func normalize(t *testing.T, template []byte) []byte {
	t.Helper()
	decoded := decode[map[string]any](t, template)
	for _, resource := range decoded["Resources"].(map[string]any) {
		declared := resource.(map[string]any)
		if declared["Type"] == "AWS::Lambda::Function" {
			source := declared["Metadata"].(map[string]any)["Source"].(string)
			code := declared["Properties"].(map[string]any)["Code"].(map[string]any)
			code["S3Key"] = path.Base(source) + ".zip"
		}
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(decoded); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// defaultTemplate is the template of a stack with default settings, made once.
func defaultTemplate(t *testing.T) []byte {
	t.Helper()
	needsNode(t)
	template, err := synthesizeOnce()
	if err != nil {
		t.Fatal(err)
	}
	return template
}

var synthesizeOnce = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "watchroute-infra")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // only litter if it fails
	return makeTemplate(dir, stack.Props{})
})

// needsNode skips a test of what the CDK library makes, where it cannot run.
func needsNode(t testing.TB) {
	t.Helper()
	needs.Program(t, "node", "the CDK library needs Node.js")
}

// synthesize makes the template in dir, with placeholders for the functions.
func synthesize(t testing.TB, dir string, props stack.Props) ([]byte, error) {
	t.Helper()
	needsNode(t)
	return makeTemplate(dir, props)
}

// makeTemplate is synthesize for what many tests share. They need Node.
func makeTemplate(dir string, props stack.Props) ([]byte, error) {
	props.Code = filepath.Join(dir, "code")
	if err := placeExecutables(props.Code); err != nil {
		return nil, err
	}
	out := filepath.Join(dir, "cdk.out")
	app := awscdk.NewApp(&awscdk.AppProps{AnalyticsReporting: jsii.Bool(false), Outdir: jsii.String(out)})
	if _, err := stack.New(app, "Watchroute", props); err != nil {
		return nil, err
	}
	app.Synth(nil)
	return os.ReadFile(filepath.Join(out, "Watchroute.template.json"))
}

// placeExecutables puts a placeholder where the build puts each function.
func placeExecutables(code string) error {
	for _, name := range []string{"connect", "disconnect", "message", "renew", "fanout", "push", "deliver", "revoke", "salvage", "authorizer", "http", "intake"} {
		if err := os.MkdirAll(filepath.Join(code, name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(code, name, build.Executable), []byte(name), 0o755); err != nil {
			return err
		}
	}
	return nil
}

func decode[T any](t *testing.T, data []byte) T {
	t.Helper()
	var into T
	if err := json.Unmarshal(data, &into); err != nil {
		t.Fatal(err)
	}
	return into
}
