#!/usr/bin/env bash
# Starts LocalStack, deploys the CDK app into it and prints what to paste.
# `make localstack-docker` runs it with CDKLOCAL and AWS, the commands to use.
set -euo pipefail
cd "$(dirname "$0")/.."

docker compose -f localstack/compose.yaml up --detach --wait

# The functions run in containers, so what counts is the engine's architecture.
case "$(docker version --format '{{.Server.Arch}}')" in
amd64) architecture=x86_64 ;;
arm64) architecture=arm64 ;;
*) echo "Lambda has no functions for the Docker engine's architecture" >&2 && exit 1 ;;
esac

export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1
endpoint=http://localhost:4566
$CDKLOCAL bootstrap -c "architecture=$architecture"
$CDKLOCAL deploy -c "architecture=$architecture" --require-approval never

ask() { $AWS --endpoint-url "$endpoint" --output text "$@"; }
socket=$(ask apigatewayv2 get-apis --query "Items[?Name=='Watchroute'].ApiEndpoint | [0]")
output() { ask cloudformation describe-stacks --stack-name Watchroute --query "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue | [0]"; }
table=$(output EventsTable)
token=$(ask secretsmanager get-secret-value --secret-id "$(output TokenSecretArn)" --query SecretString |
	go run ./localstack/token --secret - --sub alice --topics 'stocks/*' --for 12h)
cat <<END

Watchroute runs in LocalStack. \`make localstack-docker-down\` ends it.

  WebSocket     $socket
  AWS APIs      $endpoint

Watch a topic, in a second terminal:

  npx wscat -c $socket -H "Authorization: Bearer $token"
  > {"action":"subscribe","id":"q1","topic":"stocks/AAPL"}

Put an item, in a third:

  aws --endpoint-url $endpoint --region us-east-1 --no-sign-request dynamodb put-item --table-name $table \\
    --item '{"topic":{"S":"stocks/AAPL"},"id":{"S":"quote"},"price":{"N":"150.75"}}'

END
