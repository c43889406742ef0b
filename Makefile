# Every target does its own set-up. `make help` lists them.
.DEFAULT_GOAL := help

# 3.0.0, tagged latest, refuses the assembly schema of awscdk/v2 v2.220.0.
CDK         := npx --yes aws-cdk@2.1148.1
STATICCHECK := go run honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME    ?= 10s

.PHONY: help local test bench fuzz synth conformance lint fmt build deploy

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

local: ## run everything on this machine: WebSockets, Lambda, DynamoDB, SQS
	@go run ./localstack

test: ## run all tests, with the race detector
	go test -race -count=1 ./...

bench: ## measure the local stack: deliveries, latency, memory, zips, start-up
	@go run ./localstack/bench

fuzz: ## run each fuzz target for FUZZTIME (10s)
	@go list -f '{{$$p := .ImportPath}}{{range .TestGoFiles}}{{$$p}} {{$$.Dir}}/{{.}}{{"\n"}}{{end}}{{range .XTestGoFiles}}{{$$p}} {{$$.Dir}}/{{.}}{{"\n"}}{{end}}' ./... | \
	while read -r pkg file; do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9]*\)(.*/\1/p' "$$file"); do \
			go test "$$pkg" -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) || exit 1; \
		done; \
	done

synth: ## make the CloudFormation template with the CDK CLI and compare it with the committed one
	$(CDK) synth --quiet
	go test -count=1 -run TestGolden ./infra/stack -args -synthesized $(CURDIR)/cdk.out/Watchroute.template.json

conformance: ## run the DynamoDB behaviour suite on Amazon's DynamoDB Local (needs Java 17)
	go run ./localstack/dynamodb/conformance/local

lint: ## gofmt, go vet, staticcheck
	@test -z "$$(gofmt -l .)" || { gofmt -d .; exit 1; }
	go vet ./...
	$(STATICCHECK) ./...

fmt: ## format the Go source
	gofmt -w .

build: ## build the functions for Lambda into .build/linux-arm64
	go run ./infra --build-only

deploy: ## build the functions and deploy the stack to the AWS account of your credentials
	$(CDK) deploy
