package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	management "github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi"
	gonetypes "github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/coder/websocket"
	"github.com/watchroute/watchroute/events"
)

// managementVariable is the SDK's setting for where posts go.
const managementVariable = "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"

// frameTime bounds the wait for one frame. A push takes a poll of the mapping's: a second, or ten after a
// quiet time.
const frameTime = time.Minute

// postsAreTaken posts to a connection that does not exist, signed as functions sign.
func (d *deployment) postsAreTaken(ctx context.Context) error {
	client := management.New(management.Options{
		Region: region, BaseEndpoint: aws.String(d.socket), Credentials: credentials.NewStaticCredentialsProvider(key, key, ""),
	})
	_, err := client.PostToConnection(ctx, &management.PostToConnectionInput{ConnectionId: aws.String(nobody), Data: []byte("x")})
	if _, gone := errors.AsType[*gonetypes.GoneException](err); !gone {
		return fmt.Errorf("a post to nobody is answered %w, want 410", err)
	}
	return nil
}

// barePostsAreNotTaken posts to a connection that does not exist: where posts
// are taken, that is answered with 410.
func (d *deployment) barePostsAreNotTaken(ctx context.Context) error {
	bare, err := post(ctx, d.endpoint+"/@connections/none")
	if err != nil {
		return err
	}
	inPath, err := post(ctx, d.socket+"/@connections/none")
	if err != nil {
		return err
	}
	if bare == http.StatusGone {
		return errors.New("posts are taken at the bare endpoint now: leave out the variable")
	}
	return same("status of a post with API and stage in the path", inPath, http.StatusGone)
}

func post(ctx context.Context, url string) (status int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("x"))
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

// watching connects with a token, subscribes, sees a change, and leaves.
func (d *deployment) watching(ctx context.Context) error {
	raw, err := d.sign(ctx, "alice", time.Now())
	if err != nil {
		return err
	}
	socket, _, err := d.dial(ctx, "", bearer(raw))
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = socket.CloseNow() }() // it is closed already, unless something failed
	if err := d.rows(ctx, "Connections", 1); err != nil {
		return err
	}
	if err := d.talk(ctx, socket, raw); err != nil {
		return err
	}
	if err := socket.Close(websocket.StatusNormalClosure, ""); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return errors.Join(d.rows(ctx, "Connections", 0), d.rows(ctx, "Subscriptions", 0))
}

// talk subscribes, pings, gives its token again, and waits for a change that is put
// meanwhile.
func (d *deployment) talk(ctx context.Context, socket *websocket.Conn, raw string) error {
	var subscribed events.Subscribed
	if err := ask(ctx, socket, `{"action":"subscribe","id":"q1","topic":"`+topic+`"}`, &subscribed); err != nil {
		return err
	}
	if err := same("the cursor subscribed at", subscribed.Seq, 2); err != nil {
		return err
	}
	var pong struct{ Type, ID string }
	if err := ask(ctx, socket, `{"action":"ping","id":"q2"}`, &pong); err != nil {
		return err
	}
	var authorized struct{ Type, ID string }
	if err := ask(ctx, socket, `{"action":"auth","id":"q3","token":"`+raw+`"}`, &authorized); err != nil {
		return err
	}
	if err := d.put(ctx, topic, "quote", "152"); err != nil {
		return err
	}
	var pushed events.Changes
	if err := receive(ctx, socket, &pushed); err != nil {
		return fmt.Errorf("wait for the change: %w", err)
	}
	if len(pushed.Changes) != 1 {
		return fmt.Errorf("pushed were %+v, want one change", pushed)
	}
	change := pushed.Changes[0]
	got := fmt.Sprintf("%d %s %s %s after %s, %s", change.Seq, change.Op, change.ID, change.Data, pong, authorized)
	return same("the change", got, `3 modified quote {"price":152} after {pong q2}, {authorized q3}`)
}

func ask(ctx context.Context, socket *websocket.Conn, frame string, into any) error {
	if err := socket.Write(ctx, websocket.MessageText, []byte(frame)); err != nil {
		return fmt.Errorf("send %s: %w", frame, err)
	}
	if err := receive(ctx, socket, into); err != nil {
		return fmt.Errorf("answer to %s: %w", frame, err)
	}
	return nil
}

func receive(ctx context.Context, socket *websocket.Conn, into any) error {
	ctx, cancel := context.WithTimeout(ctx, frameTime)
	defer cancel()
	_, frame, err := socket.Read(ctx)
	if err != nil {
		return err
	}
	return json.Unmarshal(frame, into)
}

// setEndpoints gives the SDK's setting to every function that is told the API's address.
func (d *deployment) setEndpoints(ctx context.Context) error {
	for _, id := range d.Template.IDs("AWS::Lambda::Function") {
		var want configuration
		if err := d.want(id, &want); err != nil {
			return err
		}
		if want.Environment.Variables["CALLBACK_URL"] == "" {
			continue
		}
		if err := d.setVariable(ctx, id, managementVariable, d.socket); err != nil {
			return err
		}
	}
	return nil
}

// setVariable sets a variable in a function's environment, as an operator would.
func (d *deployment) setVariable(ctx context.Context, id, name, value string) error {
	var is configuration
	if err := d.runAWS(ctx, &is, "lambda", "get-function-configuration", "--function-name", d.physical[id]); err != nil {
		return err
	}
	is.Environment.Variables[name] = value
	environment, err := json.Marshal(is.Environment)
	if err != nil {
		return err
	}
	return d.runAWS(ctx, nil, "lambda", "update-function-configuration", "--function-name", d.physical[id], "--environment", string(environment))
}

// rows waits until a table has that many items. Those of Connections that count what clients have used
// are no connections.
func (d *deployment) rows(ctx context.Context, id string, want int) error {
	return eventually(ctx, func() error {
		out, err := d.dynamodb.Scan(ctx, &dynamodb.ScanInput{TableName: aws.String(d.physical[id])})
		if err != nil {
			return err
		}
		got := 0
		for _, item := range out.Items {
			if !strings.HasPrefix(text(item["connectionId"]), purses) {
				got++
			}
		}
		return same("number of rows in "+id, got, want)
	})
}

// purses is how the ids begin under which Connections has what clients have used.
const purses = "*"
