package main

import (
	"context"
	_ "embed" // for the chat
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/coder/websocket"
)

// chatStack is a stack of another project.
const chatStack = "Chat"

//go:embed testdata/chat/template.json
var chatTemplate []byte

//go:embed testdata/chat/index.py
var chatHandler string

// chatWithoutUs deploys a chat in Python with CloudFormation, and puts our front before it, which is told nothing
// but the stack's name.
func (d *deployment) chatWithoutUs(ctx context.Context) error {
	if err := d.deployChat(ctx); err != nil {
		return err
	}
	address, err := freeAddress()
	if err != nil {
		return err
	}
	front, err := d.startFront(ctx, address, "--stack", chatStack, "--tell")
	if err != nil {
		return err
	}
	defer front.stop()
	return errors.Join(d.talkToAll(ctx, "ws://"+address+"/prod"), d.runAWS(ctx, nil, "cloudformation", "delete-stack", "--stack-name", chatStack))
}

// deployChat creates the stack, with the handler in its template.
func (d *deployment) deployChat(ctx context.Context) error {
	var template map[string]any
	if err := json.Unmarshal(chatTemplate, &template); err != nil {
		return err
	}
	function := template["Resources"].(map[string]any)["Chat"].(map[string]any)["Properties"].(map[string]any)
	function["Code"] = map[string]any{"ZipFile": chatHandler}
	whole, err := json.Marshal(template)
	if err != nil {
		return err
	}
	file := filepath.Join(d.dir, "chat.json")
	if err := os.WriteFile(file, whole, 0o644); err != nil {
		return err
	}
	if err := d.runAWS(ctx, nil, "cloudformation", "create-stack", "--stack-name", chatStack, "--template-body", "file://"+file); err != nil {
		return err
	}
	return d.runAWS(ctx, nil, "cloudformation", "wait", "stack-create-complete", "--stack-name", chatStack)
}

// talkToAll lets two clients talk, and leaves.
func (d *deployment) talkToAll(ctx context.Context, url string) error {
	var clients [2]*websocket.Conn
	for i := range clients {
		var err error
		if clients[i], _, err = websocket.Dial(ctx, url, nil); err != nil {
			return fmt.Errorf("client %d connects: %w", i, err)
		}
		defer func() { _ = clients[i].CloseNow() }() // it is closed already, unless something failed
	}
	if err := clients[0].Write(ctx, websocket.MessageText, []byte(`{"action":"sendmessage","data":"hello all"}`)); err != nil {
		return err
	}
	for i, client := range clients {
		if said, err := hear(ctx, client); err != nil || said != "hello all" {
			return errors.Join(err, fmt.Errorf("client %d hears %q", i, said))
		}
	}
	if err := clients[1].Write(ctx, websocket.MessageText, []byte(`what?`)); err != nil {
		return err
	}
	if said, err := hear(ctx, clients[1]); err != nil || !strings.HasPrefix(said, "say sendmessage, ") {
		return errors.Join(err, fmt.Errorf("the answer to what is no route is %q", said))
	}
	for _, client := range clients {
		if err := client.Close(websocket.StatusNormalClosure, ""); err != nil {
			return err
		}
	}
	return d.chatIsEmpty(ctx)
}

func hear(ctx context.Context, client *websocket.Conn) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, frameTime)
	defer cancel()
	_, frame, err := client.Read(ctx)
	return string(frame), err
}

// chatIsEmpty waits until both clients are forgotten.
func (d *deployment) chatIsEmpty(ctx context.Context) error {
	var described struct {
		Stacks []struct {
			Outputs []struct{ OutputValue string }
		}
	}
	if err := d.runAWS(ctx, &described, "cloudformation", "describe-stacks", "--stack-name", chatStack); err != nil {
		return err
	}
	table := described.Stacks[0].Outputs[0].OutputValue
	return eventually(ctx, func() error {
		out, err := d.dynamodb.Scan(ctx, &dynamodb.ScanInput{TableName: aws.String(table)})
		if err != nil {
			return err
		}
		return same("clients that the chat knows", out.Count, 0)
	})
}
