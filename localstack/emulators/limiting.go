package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// nobody is the well-formed id of a connection that does not exist.
const nobody = "L0SM9cOFvHcCIhw="

// crowd is the subject that reaches its limit.
const crowd = "bob"

// goneMakesRoom allows one connection a subject, has the row of one that does not
// exist, and connects: our connect asks the emulator for the connection and forgets it.
func (d *deployment) goneMakesRoom(ctx context.Context) error {
	if err := d.setVariable(ctx, "Connect", "MAX_CONNECTIONS", "1"); err != nil {
		return err
	}
	_, err := d.dynamodb.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: aws.String(d.physical["Connections"]),
		Item: map[string]types.AttributeValue{
			"subject":      &types.AttributeValueMemberS{Value: crowd},
			"connectionId": &types.AttributeValueMemberS{Value: nobody},
			"connectedAt":  &types.AttributeValueMemberN{Value: "1"},
		},
	})
	if err != nil {
		return err
	}
	raw, err := d.sign(ctx, crowd, time.Now())
	if err != nil {
		return err
	}
	status, err := d.handshake(ctx, "", bearer(raw))
	return errors.Join(err, same("status", status, http.StatusSwitchingProtocols), d.rows(ctx, "Connections", 0))
}

func (d *deployment) refusalIsOurs(ctx context.Context) error {
	raw, err := d.sign(ctx, crowd, time.Now())
	if err != nil {
		return err
	}
	socket, _, err := d.dial(ctx, "", bearer(raw))
	if err != nil {
		return err
	}
	defer func() { _ = socket.CloseNow() }() // the client has nothing more to say
	status, err := d.handshake(ctx, "", bearer(raw))
	return errors.Join(err, same("status", status, http.StatusTooManyRequests))
}

// refusalIsForbidden is true of an emulator that answers a handshake with 403 whatever
// status our connect gives. It needs the limit that goneMakesRoom sets.
func (d *deployment) refusalIsForbidden(ctx context.Context) error {
	raw, err := d.sign(ctx, crowd, time.Now())
	if err != nil {
		return err
	}
	socket, _, err := d.dial(ctx, "", bearer(raw))
	if err != nil {
		return err
	}
	defer func() { _ = socket.CloseNow() }() // the client has nothing more to say
	ours, err := d.connect(ctx, crowd)
	if err != nil {
		return err
	}
	status, err := d.handshake(ctx, "", bearer(raw))
	if status == ours {
		return errors.New("our status is handed on now: check it as ok")
	}
	return errors.Join(err, same("what our connect answers", ours, http.StatusTooManyRequests), same("status", status, http.StatusForbidden))
}

// connect asks our connect for one more connection of a subject.
func (d *deployment) connect(ctx context.Context, subject string) (status int, err error) {
	var answer awsevents.APIGatewayProxyResponse
	err = d.invoke(ctx, "Connect", awsevents.APIGatewayWebsocketProxyRequest{RequestContext: awsevents.APIGatewayWebsocketProxyRequestContext{
		ConnectionID: "another", Authorizer: map[string]any{"principalId": subject, "issued": "0", "expires": "0"},
	}}, &answer)
	return answer.StatusCode, err
}
