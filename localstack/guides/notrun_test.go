package guides_test

// exception is a block that this package does not run.
type exception struct {
	page, first string // how its first line begins
	because     string
	test        string // the file and the test that runs it, if one does
}

// Why a block is not run here.
const (
	drawing  = "it is a drawing, a table or data"
	tested   = "another test runs it"
	account  = "it needs an AWS account"
	part     = "it is a part of a conversation or of an app, which tests have whole"
	compiled = "it is a part of a CDK app, which a test compiles"
	target   = "it is a target of the Makefile, which a reader waits for"
)

var notRun = []exception{
	{"README.md", "your writes ──►", drawing, ""},
	{"README.md", "make local", target, "localstack/main_test.go TestWhatIsPrintedWorksForEveryClient"},
	{"README.md", "make test", target, ""},
	{"README.md", "import { WatchClient }", tested, "localstack/stack/frontpage_test.go TestFrontPagesCodeWatches"},
	{"README.md", "make deploy", account, "localstack/stack/token_test.go TestTokenOfTheDeployedRecipeConnects"},
	{"CONTRIBUTING.md", "make quick", target, ""},

	{"events/README.md", "$ npx wscat", part, "localstack/stack/resume_test.go TestReconnectResumes"},
	{"events/README.md", `< {"type":"subscribed","id":"q2"`, part, "localstack/stack/resume_test.go TestResumeWithinAndBeyondRetention"},
	{"events/README.md", `> {"action":"ping"`, part, "localstack/stack/resume_test.go TestReconnectResumes"},
	{"events/README.md", `> {"action":"subscribe","id":"q5","topic":"stocks/*"}`, part, "localstack/stack/pattern_test.go TestWatchAPattern"},
	{"events/README.md", `> {"action":"subscribe","id":"q1","topic":"prices/nyse"`, part, "localstack/stack/latest_test.go TestLatestByWebSocketAndStream"},
	{"events/README.md", `> {"action":"subscribe","id":"q1","topic":"rooms/1"`, part, "localstack/stack/presence_test.go TestPresence"},
	{"events/README.md", `let place = ""`, tested, "localstack/stack/sources_test.go TestEventSourcesSurviveWhatPasses"},
	{"events/README.md", `import { Webhook }`, part, "localstack/stack/webhooks_test.go TestForeignLibrariesVerifyWebhooks"},
	{"events/README.md", `{"source": ["watchroute"]`, drawing, ""},

	{"functions/README.md", "curl, EventSource ──http─►", drawing, ""},

	{"infra/README.md", "make deploy", account, ""},
	{"infra/README.md", "output() {", account, "localstack/stack/token_test.go TestTokenOfTheDeployedRecipeConnects"},
	{"infra/README.md", "queue := awssqs.NewQueue", compiled, "localstack/guides/cdk_test.go TestTheStacksSnippetsCompile"},
	{"infra/README.md", "aws secretsmanager get-secret-value", account, ""},
	{"infra/README.md", "Sources: []stack.Source{", compiled, "localstack/guides/cdk_test.go TestTheStacksSnippetsCompile"},

	{"localstack/README.md", "npx aws-cdk", target, ""},
	{"localstack/README.md", "aws --endpoint-url http://localhost:4566", part, "localstack/stack/intake_test.go TestWhatFlowsElsewhereIsWatched"},
	{"localstack/README.md", "make local ", target, ""},
	{"localstack/README.md", "make browser", target, ""},
	{"localstack/README.md", "make chaos", target, ""},
	{"localstack/README.md", "make mutants", target, ""},
	{"localstack/README.md", "make localstack", target, ""},
	{"localstack/README.md", "go run ./localstack/front", target, ""},

	{"shared/README.md", `{"topic":"orders/17"`, drawing, ""},
	{"shared/README.md", `{"topic":"orders/{detail.customer}"`, drawing, ""},
	{"shared/README.md", `{"v":1,"allow":[`, drawing, ""},
	{"shared/README.md", "subject                      segment", drawing, "events/subject_test.go TestREADMESubjectsAreOurs"},
	{"shared/README.md", "const segment = ", tested, "events/subject_test.go TestREADMESegmentIsOurs"},
	{"shared/README.md", `> {"action":"auth"`, part, "localstack/stack/presence_test.go TestPresence"},
	{"shared/README.md", "aws dynamodb put-item", account, ""},
}
