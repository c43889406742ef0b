# Every target does its own set-up. `make help` lists them.
.DEFAULT_GOAL := help

# 3.0.0, tagged latest, refuses the assembly schema of awscdk/v2 v2.220.0.
CDK_CLI     := aws-cdk@2.1148.1
CDK         := npx --yes $(CDK_CLI)
CDKLOCAL    := npx --yes --package aws-cdk-local@3.0.4 --package $(CDK_CLI) cdklocal
STATICCHECK := go run honnef.co/go/tools/cmd/staticcheck@v0.8.2
MISSPELL    := go run github.com/golangci/misspell/cmd/misspell@v0.7.0
FUZZTIME    ?= 10s
SOAKTIME    ?= 30m
SEEDS       ?= 10
CHANGES     ?= 10000
MUTANTS     ?= numbering lock report known order departure resume repeats healing js-healing js-gaps js-repeats early-id swapped-id last-flush poll-back poll-head stale-head lane lanes shards rows latest added-removed cursor-first mark message-id generation
MUTANTSEEDS ?= 3
VENV        := .build/venv
NPM         := .build/npm
PYTHON      := .build/python
LOCALSTACK  := .build/localstack
JUDGES      := .build/judges
KEPT        := .build/kept
COMPARE     := .build/compare
OASDIFF     := github.com/oasdiff/oasdiff@v1.37.0
COMPARERS   := $(COMPARE)/oasdiff $(if $(shell command -v npm),$(COMPARE)/node)
GUIDES      := .build/guides

# run builds a program and becomes it. After Ctrl-C, go run would report an error that is none.
run = mkdir -p .build/bin && go build -o .build/bin/$(notdir $(1)) $(1) && exec .build/bin/$(notdir $(1))

.PHONY: help local token ticker npm python test quick bench costs intake browser chromium chaos mutants soak fuzz contracts docs release-contracts judges guides synth conformance emulators lint fmt build account deploy localstack localstack-install executor localstack-docker localstack-docker-down localstack-token

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-22s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

local: ## run everything on this machine: WebSockets, Lambda, DynamoDB, SQS (ARGS="--faults all")
	@$(call run,./localstack) $(ARGS)

token: ## print a token for `make local`: SUB=alice TOPICS="stocks/* users/{sub}/**" (ARGS="--actions read")
	@go run ./localstack/token --sub "$(SUB)" --topics "$(TOPICS)" $(ARGS)

ticker: ## change prices in the tables of `make local`, for the page that shows them: localstack/examples/ticker
	@$(call run,./localstack/examples/ticker/writer) $(ARGS)

# One package more than there are processors is tested at a time, because some tests wait. Properties are
# tried RAPID_CHECKS (50) times. make lint vets. At last comes what tests held to the contracts in events.
test: npm python ## run all tests, with the race detector
	@rm -rf $(KEPT) && mkdir -p $(KEPT)
	RAPID_CHECKS=$${RAPID_CHECKS:-50} WATCHROUTE_KEPT=$(CURDIR)/$(KEPT) go test -p $$(( $$(getconf _NPROCESSORS_ONLN) + 1 )) -race -vet=off -count=1 -timeout 20m ./...
	@go run ./localstack/contract/tally $(KEPT)

quick: ## go vet, and the tests that run no stack, as far as a change concerns them: for every save
	go vet ./...
	go test -short ./...
	go test -count=1 ./shared

bench: ## measure the local stack: deliveries, many topics, a crowd, resume, HTTP, zips, a flood, attacks (ARGS="-part http")
	@$(call run,./localstack/bench) $(ARGS)

costs: ## print what each request may cost at most, what the worst does cost, what is held over HTTP, a delivery, and a change by size
	@go test -count=1 -v -run '^TestWorstCost$$' ./shared/reply
	@go test -count=1 -v -run '^TestCostOf' ./functions/http
	@go test -count=1 -v -run '^TestCostOf' ./shared/delivery
	@go test -count=1 -v -run '^TestCostOfIntake' ./shared/dynamo
	@go test -count=1 -v -run '^TestCostOf(HTTP|AChangeBySize)$$' ./localstack/stack

intake: ## bring 10,000 messages each from Kafka, SQS and Kinesis to intake, with all that goes wrong there: CHANGES (10000)
	go test -count=1 -v -run '^Test(EachMessage|ASourceWithout)' ./functions/intake -args -changes $(CHANGES)
	go test -count=1 -run '^TestManyMessagesOfEachSource$$' -timeout 20m -v ./localstack/stack -args -messages $(CHANGES)

browser: npm chromium docs ## open the console, the reference, the examples and the browser client in Chromium, and take pictures into .build/screens (ARGS="-only chat")
	@go test -count=1 -v -timeout 30m -run '^TestPages$$' ./localstack/pages -args -browser $(ARGS)

CHROMIUMS := chromium-headless-shell chromium chromium-browser google-chrome

# Debian's Chromium, unless this machine has one.
chromium:
	@for name in $(CHROMIUMS); do command -v $$name >/dev/null && exit 0; done; \
	if command -v apt-get >/dev/null && test "$$(id -u)" = 0; then \
		apt-get update -qq && apt-get install -y -qq chromium-headless-shell || apt-get install -y -qq chromium; \
	else \
		echo "There is no Chromium here. Install one, so that one of these is on the PATH: $(CHROMIUMS)."; \
		echo "On Debian: sudo apt-get install chromium-headless-shell"; exit 1; \
	fi >&2

chaos: ## break the local stack in every way and check what 200 watchers see: SEEDS (10) seeds, and as many with hostile watchers, some that change transports, one topic that all watch, and webhooks
	@go run ./localstack/chaos --seeds $(SEEDS)
	@go run ./localstack/chaos --seeds $(SEEDS) --hostile
	@go run ./localstack/chaos --seeds $(SEEDS) --wander
	@go run ./localstack/chaos --seeds $(SEEDS) --crowd
	@go run ./localstack/chaos --seeds $(SEEDS) --webhooks --watchers 40

mutants: ## break the service itself, one place at a time, and see that each of MUTANTSEEDS (3) seeds of chaos catches it
	@for mutant in $(MUTANTS); do go run ./localstack/chaos --mutant $$mutant --seeds $(MUTANTSEEDS) || exit 1; done

soak: ## write for SOAKTIME (30m) with faults, and watch memory and goroutines
	@$(call run,./localstack/chaos) --soak $(SOAKTIME)

fuzz: ## run each fuzz target for FUZZTIME (10s)
	@go list -f '{{$$p := .ImportPath}}{{range .TestGoFiles}}{{$$p}} {{$$.Dir}}/{{.}}{{"\n"}}{{end}}{{range .XTestGoFiles}}{{$$p}} {{$$.Dir}}/{{.}}{{"\n"}}{{end}}' ./... | \
	while read -r pkg file; do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9]*\)(.*/\1/p' "$$file"); do \
			go test "$$pkg" -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) || exit 1; \
		done; \
	done

contracts: ## write the schema, AsyncAPI, OpenAPI and the types for TypeScript, of the Go types in events/
	go run ./localstack/contracts

docs: .build/docs/index.html ## render the contracts for readers into .build/docs, which `make local` serves at /docs/ (needs Node)

.build/docs/index.html: $(JUDGES)/node $(wildcard localstack/contracts/docs/* events/*.yaml events/schema/*)
	@node localstack/contracts/docs/docs.mjs $(JUDGES) .build/docs

release-contracts: ## take the present contracts as those of a release, which make lint compares with later ones
	@mkdir -p localstack/contracts/released/schema
	cp events/openapi.yaml events/asyncapi.yaml localstack/contracts/released
	cp events/schema/*.json localstack/contracts/released/schema

judges: $(JUDGES)/installed $(COMPARERS) $(JUDGES)/clients/installed ## have Redocly, AsyncAPI's own parser, Schemathesis and clients that others generate judge the contracts (needs Node, Python 3)
	cd $(JUDGES) && REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true npx --no-install redocly lint --config redocly.yaml $(CURDIR)/events/openapi.yaml $(CURDIR)/events/asyncapi.yaml $(CURDIR)/events/asyncapi.client.yaml
	cd $(JUDGES) && node asyncapi.mjs $(CURDIR)/events/asyncapi.yaml
	cd $(JUDGES) && node asyncapi.mjs $(CURDIR)/events/asyncapi.client.yaml
	go test -count=1 ./localstack/contracts/compare -args -tools $(COMPARE)
	go test -count=1 -run '^TestJudgesTakeWhatAServiceSaysOfItself$$' ./localstack/contracts -args -judges $(JUDGES)
	go test -count=1 -run '^TestSchemathesisAgrees$$' ./localstack/contracts -args -schemathesis $(JUDGES)/venv/bin/schemathesis
	go test -count=1 -v -run '^TestForeignClients' ./localstack/contracts -args -clients $(JUDGES)/clients

$(JUDGES)/node: $(addprefix localstack/contracts/judges/,package.json package-lock.json)
	@mkdir -p $(JUDGES)
	@cp $^ $(JUDGES)
	@npm ci --prefix $(JUDGES) --ignore-scripts --no-audit --no-fund --loglevel error
	@touch $@

$(JUDGES)/installed: $(JUDGES)/node $(addprefix localstack/contracts/judges/,redocly.yaml asyncapi.mjs requirements.txt)
	@cp $(filter-out $<,$^) $(JUDGES)
	@python3 -m venv --clear $(JUDGES)/venv
	@$(JUDGES)/venv/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement $(JUDGES)/requirements.txt
	@touch $@

# Apart from the judges, as these programs need a Node of their own, which is among the packages.
$(JUDGES)/clients/installed: $(addprefix localstack/contracts/clients/,package.json package-lock.json requirements.txt)
	@mkdir -p $(JUDGES)/clients
	@cp $^ $(JUDGES)/clients
	@npm ci --prefix $(JUDGES)/clients --ignore-scripts --no-audit --no-fund --loglevel error
	@python3 -m venv --clear $(JUDGES)/clients/venv
	@$(JUDGES)/clients/venv/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement $(JUDGES)/clients/requirements.txt
	@touch $@

guides: $(GUIDES)/installed ## run the snippets of the READMEs in Go, Python, TypeScript and shell (needs Node, Python 3, jq)
	go test -count=1 -timeout 20m -run '^Test(Guides|TheBrowsersSnippets|TheStacksSnippets)' ./localstack/guides -args -guides

$(GUIDES)/installed: $(addprefix localstack/guides/,package.json package-lock.json requirements.txt)
	@mkdir -p $(GUIDES)
	@cp $^ $(GUIDES)
	@npm ci --prefix $(GUIDES) --ignore-scripts --no-audit --no-fund --loglevel error
	@python3 -m venv --clear $(GUIDES)/venv
	@$(GUIDES)/venv/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement $(GUIDES)/requirements.txt
	@touch $@

synth: ## make the CloudFormation template with the CDK CLI and compare it with the committed one
	$(CDK) synth --quiet
	go test -count=1 -run TestGolden ./infra/stack -args -synthesized $(CURDIR)/cdk.out/Watchroute.template.json

conformance: ## run the DynamoDB behaviour suite on Amazon's DynamoDB Local (needs Java 17)
	go run ./localstack/aws/dynamodb/conformance/local

emulators: $(VENV)/installed ## deploy into MiniStack and LocalStack and check what came of it (needs Linux, Python 3.13, Java 17; ARGS="-only LocalStack")
	go run ./localstack/emulators -cdk "$(CDK)" -venv $(VENV) $(ARGS)

lint: $(VENV)/installed $(COMPARERS) ## gofmt, go vet, staticcheck, spelling, cfn-lint, the compose file, and whether the contracts break those released (needs Python 3; without Node that leaves out frames' names, and fails where CI is set)
	@test -z "$$(gofmt -l .)" || { gofmt -d .; exit 1; }
	go vet ./...
	$(STATICCHECK) ./...
	$(MISSPELL) -error $$(git ls-files '*.go' '*.md')
	@! git grep -nE '//[[:space:]]*nolint' -- '*.go' # no tool here reads it
	@! git ls-files | grep testdata/rapid/ # rapid's failures belong to the machine where it failed
	$(VENV)/bin/cfn-lint --template infra/testdata/watchroute.template.json --regions us-east-1
	$(VENV)/bin/check-jsonschema --builtin-schema vendor.compose-spec localstack/compose.yaml
	go run ./localstack/contracts/compare -tools $(COMPARE)

$(COMPARE)/oasdiff: Makefile
	@GOBIN=$(CURDIR)/$(COMPARE) go install $(OASDIFF)
	@touch $@

$(COMPARE)/node: $(addprefix localstack/contracts/compare/,package.json package-lock.json asyncapi.mjs)
	@mkdir -p $(COMPARE)
	@cp $^ $(COMPARE)
	@npm ci --prefix $(COMPARE) --ignore-scripts --no-audit --no-fund --loglevel error
	@touch $@

fmt: ## format the Go source
	gofmt -w .

build: ## build the functions for Lambda into .build/linux-arm64
	go run ./infra --build-only

account: ## say what the account of your credentials allows, and what to reserve of it
	@go run ./infra/account

deploy: ## build the functions and deploy the stack to the AWS account of your credentials (ARGS="-c name=Staging")
	@$(if $(findstring account-log-role,$(ARGS)$(shell cat cdk.json)),,go run ./infra/account --log-role)
	$(CDK) deploy $(ARGS)

localstack: ## run everything in LocalStack's community edition, with our APIs in front (needs Linux, Python 3.13, Java 17, Node.js)
	@mkdir -p .build && go build -o .build/localstack-local ./localstack/community/local
	@exec .build/localstack-local -cdk "$(CDKLOCAL)" $(ARGS)

localstack-install:
	go run ./localstack/community/local -install

executor: localstack-install ## check the plug-in that runs LocalStack's functions: ruff, mypy, its own tests (needs Linux, Python 3.13, Java 17)
	@$(LOCALSTACK)/venv/bin/uv venv --quiet --allow-existing --python $(LOCALSTACK)/venv/bin/python $(LOCALSTACK)/lint
	@$(LOCALSTACK)/venv/bin/uv pip install --quiet --python $(LOCALSTACK)/lint/bin/python --require-hashes --requirement localstack/community/lint.txt
	$(LOCALSTACK)/lint/bin/ruff format --no-cache --check --config localstack/community/pyproject.toml localstack
	$(LOCALSTACK)/lint/bin/ruff check --no-cache --config localstack/community/pyproject.toml localstack
	cd localstack/community && $(CURDIR)/$(LOCALSTACK)/lint/bin/mypy --cache-dir $(CURDIR)/$(LOCALSTACK)/mypy --python-executable $(CURDIR)/$(LOCALSTACK)/venv/bin/python process_executor tests ../leash/supervise.py
	cd localstack/community && PYTHONDONTWRITEBYTECODE=1 $(CURDIR)/$(LOCALSTACK)/venv/bin/python -m unittest discover --top-level-directory . --start-directory tests

localstack-docker: localstack-token $(VENV)/installed ## run everything in LocalStack's image (needs Docker and LOCALSTACK_AUTH_TOKEN)
	@CDKLOCAL="$(CDKLOCAL)" AWS="$(VENV)/bin/aws" localstack/deploy.sh

localstack-docker-down: ## end that LocalStack and forget what it holds
	LOCALSTACK_AUTH_TOKEN=none docker compose -f localstack/compose.yaml down --volumes

localstack-token:
	@test -n "$$LOCALSTACK_AUTH_TOKEN" || { \
		echo "LOCALSTACK_AUTH_TOKEN is not set. LocalStack starts with a token only, from https://app.localstack.cloud,"; \
		echo "and its WebSocket APIs need one of a paid plan. 'make localstack' needs none, and 'make local' no LocalStack at all."; exit 1; } >&2

# The packages of npm that tests run, as package-lock.json pins them by their hashes. Without them
# those tests are skipped and say so; where CI is set they fail.
npm: $(if $(shell command -v npm),$(NPM)/installed)

$(NPM)/installed: $(addprefix localstack/stack/testdata/npm/,package.json package-lock.json)
	@mkdir -p $(NPM)
	@cp $^ $(NPM)
	@npm ci --prefix $(NPM) --ignore-scripts --no-audit --no-fund --loglevel error && touch $@ || { \
		echo "npm could not install these packages. The tests that need them are skipped."; test -z "$$CI"; } >&2

# The packages of PyPI that tests run, pinned by their hashes, in the same way.
python: $(if $(shell command -v python3),$(PYTHON)/installed)

$(PYTHON)/installed: localstack/stack/testdata/python/requirements.txt
	@python3 -m venv --clear $(PYTHON) && $(PYTHON)/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement $< && touch $@ || { \
		echo "pip could not install these packages. The tests that need them are skipped."; test -z "$$CI"; } >&2

$(VENV)/installed: localstack/emulators/requirements.txt
	@command -v python3 >/dev/null || { echo "Python 3 is needed for the programs of $<" >&2; exit 1; }
	python3 -m venv --clear $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@
