"""A chat, as many have written it for API Gateway's WebSocket APIs: who joins gets what others send."""

import json
import os

import boto3

table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def handler(event, context):
    caller = event["requestContext"]
    connection = {"connectionId": caller["connectionId"]}
    match caller["routeKey"]:
        case "$connect":
            table.put_item(Item=connection)
        case "$disconnect":
            table.delete_item(Key=connection)
        case "sendmessage":
            send_to_all(caller, json.loads(event["body"])["data"])
        case _:
            return {"statusCode": 200, "body": "say sendmessage, " + caller["connectionId"]}
    return {"statusCode": 200}


def send_to_all(caller, data):
    address = f"https://{caller['domainName']}/{caller['stage']}"
    gateway = boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=os.environ.get("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", address),
    )
    for item in table.scan()["Items"]:
        try:
            gateway.post_to_connection(ConnectionId=item["connectionId"], Data=data.encode())
        except gateway.exceptions.GoneException:
            table.delete_item(Key=item)
