package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/coder/websocket"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/token"
)

// claim lets whoever has the token do everything.
const claim = `{"v":1,"allow":[{"topics":["**"],"actions":["subscribe","read","publish"]}]}`

// sign makes a token for an hour with the stack's secret.
func (d *deployment) sign(ctx context.Context, subject string, issued time.Time) (string, error) {
	secret, err := d.tokenSecret(ctx)
	if err != nil {
		return "", err
	}
	return signWith(secret, subject, issued)
}

func signWith(secret, subject string, issued time.Time) (string, error) {
	return token.Sign([]byte(secret), token.Token{
		Subject: subject, Issued: issued, Expires: issued.Add(time.Hour), Claim: json.RawMessage(claim),
	})
}

// bearer is the header with a token.
func bearer(raw string) http.Header { return http.Header{"Authorization": {"Bearer " + raw}} }

// offering is the header that offers our subprotocol and one with a token, as browsers
// send it.
func offering(raw string) http.Header {
	header := http.Header{}
	header.Set("Sec-WebSocket-Protocol", events.Subprotocol+", "+events.SubprotocolBearer+raw)
	return header
}

// dial opens a WebSocket. If that is refused, there is an answer beside the error.
func (d *deployment) dial(ctx context.Context, query string, header http.Header) (*websocket.Conn, *http.Response, error) {
	address := "ws" + strings.TrimPrefix(d.socket, "http") + query
	return websocket.Dial(ctx, address, &websocket.DialOptions{HTTPHeader: header})
}

// handshake opens a WebSocket, leaves at once if it is let in, and gives the status of
// the answer.
func (d *deployment) handshake(ctx context.Context, query string, header http.Header) (status int, err error) {
	socket, answer, err := d.dial(ctx, query, header)
	if err == nil {
		return answer.StatusCode, socket.Close(websocket.StatusNormalClosure, "")
	}
	if answer == nil {
		return 0, fmt.Errorf("connect: %w", err)
	}
	return answer.StatusCode, nil
}

// authorize asks our authorizer, as API Gateway does.
func (d *deployment) authorize(ctx context.Context, query string, header http.Header) (effect string, err error) {
	asked := awsevents.APIGatewayCustomAuthorizerRequestTypeRequest{
		Type: "REQUEST", MethodArn: "arn:aws:execute-api:" + region + ":" + account + ":" + d.physical["Api"] + "/live/$connect",
		Headers: map[string]string{}, QueryStringParameters: map[string]string{},
	}
	for name := range header {
		asked.Headers[name] = header.Get(name)
	}
	parameters, err := url.ParseQuery(strings.TrimPrefix(query, "?"))
	if err != nil {
		return "", err
	}
	for name := range parameters {
		asked.QueryStringParameters[name] = parameters.Get(name)
	}
	var answer awsevents.APIGatewayCustomAuthorizerResponse
	if err := d.invoke(ctx, "Authorizer", asked, &answer); err != nil {
		return "", err
	}
	if err := same("number of statements", len(answer.PolicyDocument.Statement), 1); err != nil {
		return "", err
	}
	return answer.PolicyDocument.Statement[0].Effect, nil
}

// weRefuse holds that our authorizer fails with the text for which API Gateway answers
// 401.
func (d *deployment) weRefuse(ctx context.Context, header http.Header) error {
	effect, err := d.authorize(ctx, "", header)
	if failed, ok := errors.AsType[*failure](err); !ok || failed.ErrorMessage != "Unauthorized" {
		return fmt.Errorf("our authorizer does not fail with Unauthorized but says %q: %v", effect, err)
	}
	return nil
}

// nobodyIsRefused connects without a token. That the emulator does not ask our
// authorizer, headerIsDemanded sees; so that is asked here.
func (d *deployment) nobodyIsRefused(ctx context.Context) error {
	status, err := d.handshake(ctx, "", nil)
	return errors.Join(err, same("status", status, http.StatusUnauthorized), d.weRefuse(ctx, nil))
}

func (d *deployment) badTokenIsRefused(ctx context.Context) error {
	bad, err := signWith(strings.Repeat("x", 64), "mallory", time.Now())
	if err != nil {
		return err
	}
	status, err := d.handshake(ctx, "", bearer(bad))
	return errors.Join(err, same("status", status, http.StatusUnauthorized), d.weRefuse(ctx, bearer(bad)))
}

// tokenAnywhere connects as browsers do, which cannot set the header.
func (d *deployment) tokenAnywhere(ctx context.Context) error {
	good, err := d.sign(ctx, "alice", time.Now())
	if err != nil {
		return err
	}
	inQuery, errQuery := d.handshake(ctx, "?token="+good, nil)
	inProtocol, errProtocol := d.handshake(ctx, "", offering(good))
	return errors.Join(errQuery, errProtocol,
		same("status with a token in the query", inQuery, http.StatusSwitchingProtocols),
		same("status with a token in a subprotocol", inProtocol, http.StatusSwitchingProtocols), d.rows(ctx, "Connections", 0))
}

// badTokenIsAnError is true of an emulator that does not know the text with which an
// authorizer has API Gateway answer 401.
func (d *deployment) badTokenIsAnError(ctx context.Context) error {
	bad, err := signWith(strings.Repeat("x", 64), "mallory", time.Now())
	if err != nil {
		return err
	}
	if err := d.weRefuse(ctx, bearer(bad)); err != nil {
		return err
	}
	status, err := d.handshake(ctx, "", bearer(bad))
	if status == http.StatusUnauthorized {
		return errors.New("the status is 401 now: check it as ok")
	}
	return errors.Join(err, same("status", status, http.StatusInternalServerError))
}

// headerIsDemanded is true of an emulator that gives an authorizer an identity source
// where the template gives none.
func (d *deployment) headerIsDemanded(ctx context.Context) error {
	got, want, err := d.authorizers(ctx)
	if err != nil {
		return err
	}
	if err := errors.Join(same("our identity sources", len(want.IdentitySource), 0),
		same("its identity sources", got.IdentitySource, []string{"$request.header.Authorization"})); err != nil {
		return err
	}
	good, err := d.sign(ctx, "alice", time.Now())
	if err != nil {
		return err
	}
	return errors.Join(d.isNotAsked(ctx, "?token="+good, nil), d.isNotAsked(ctx, "", offering(good)))
}

// isNotAsked connects in a way that our authorizer allows and the emulator refuses.
func (d *deployment) isNotAsked(ctx context.Context, query string, header http.Header) error {
	effect, err := d.authorize(ctx, query, header)
	if err != nil {
		return err
	}
	status, err := d.handshake(ctx, query, header)
	if status == http.StatusSwitchingProtocols {
		return errors.New("it is let in now: check it as ok")
	}
	return errors.Join(err, same("what our authorizer says", effect, "Allow"), same("status", status, http.StatusUnauthorized))
}
