package main

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/coder/websocket"
	"github.com/watchroute/watchroute/events"
)

// revoking takes back the tokens of a subject who is connected.
func (d *deployment) revoking(ctx context.Context) error {
	const subject = "mallory"
	now := time.Now()
	raw, err := d.sign(ctx, subject, now)
	if err != nil {
		return err
	}
	if err := d.isCutOff(ctx, raw, func() error { return d.revoke(ctx, subject, now) }); err != nil {
		return err
	}
	later, err := d.sign(ctx, subject, now.Add(time.Second))
	if err != nil {
		return err
	}
	refused, errRefused := d.handshake(ctx, "", bearer(raw))
	taken, errTaken := d.handshake(ctx, "", bearer(later))
	return errors.Join(errRefused, errTaken,
		same("status of the token that was taken back", refused, http.StatusForbidden),
		same("status of a later token", taken, http.StatusSwitchingProtocols),
		d.rows(ctx, "Connections", 0))
}

// isCutOff connects and subscribes with a token that is then revoked, and waits for
// the last frame, the close, and the rows to go.
func (d *deployment) isCutOff(ctx context.Context, raw string, revoke func() error) error {
	socket, _, err := d.dial(ctx, "", bearer(raw))
	if err != nil {
		return err
	}
	defer func() { _ = socket.CloseNow() }() // it is closed already, unless something failed
	var subscribed events.Subscribed
	if err := ask(ctx, socket, `{"action":"subscribe","topic":"`+topic+`"}`, &subscribed); err != nil {
		return err
	}
	if err := errors.Join(d.rows(ctx, "Connections", 1), d.rows(ctx, "Subscriptions", 1), revoke()); err != nil {
		return err
	}
	var last events.Error
	if err := receive(ctx, socket, &last); err != nil {
		return err
	}
	end := receive(ctx, socket, &last)
	return errors.Join(
		same("the last frame", last.Code, events.CodeRevoked),
		same("the close", websocket.CloseStatus(end), websocket.StatusNormalClosure),
		d.rows(ctx, "Connections", 0), d.rows(ctx, "Subscriptions", 0))
}

// revoke writes what an operator does: all tokens of a subject, as far as they were
// issued by then, are taken back.
func (d *deployment) revoke(ctx context.Context, subject string, before time.Time) error {
	_, err := d.dynamodb.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: aws.String(d.physical["Revocations"]),
		Item: map[string]types.AttributeValue{
			"subject": &types.AttributeValueMemberS{Value: subject},
			"tokenId": &types.AttributeValueMemberS{Value: "*"},
			"before":  &types.AttributeValueMemberN{Value: strconv.FormatInt(before.Unix(), 10)},
		},
	})
	return err
}
