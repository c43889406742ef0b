package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/shared/dynamo"
)

// topic is the topic that everyone watches, unless there are others.
const topic = "bench/topic"

// stackProcess is a running local stack.
type stackProcess struct {
	cmd   *exec.Cmd
	addr  string
	ready time.Duration // from the functions being built, which is done before
	db    *dynamodb.Client
	topic string // the topic that is written and watched
	next  int    // number of the next item to write
}

// about gives the same stack with another topic to write and watch.
func (s *stackProcess) about(topic string) *stackProcess {
	return &stackProcess{cmd: s.cmd, addr: s.addr, ready: s.ready, db: s.db, topic: topic}
}

// startStack runs the stack, without API Gateway's account limit of 10,000 requests
// a second, which would be all that is measured.
func startStack(ctx context.Context, executable string) (*stackProcess, error) {
	return launch(ctx, executable, os.Stderr, "--unthrottled")
}

// launch runs the stack, with what it and its functions report going to logs.
func launch(ctx context.Context, executable string, logs *os.File, args ...string) (*stackProcess, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	s := &stackProcess{cmd: exec.CommandContext(ctx, executable, append(args, "--addr", addr)...), addr: addr, topic: topic}
	s.cmd.Stdout, s.cmd.Stderr = io.Discard, logs
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(os.Interrupt) }
	began := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	for !s.healthy() {
		if time.Since(began) > time.Minute {
			s.stop()
			return nil, fmt.Errorf("stack is not ready after a minute")
		}
		time.Sleep(5 * time.Millisecond)
	}
	s.ready = time.Since(began)
	s.db = openDatabase(addr)
	return s, nil
}

// openDatabase makes a client of the DynamoDB of a stack.
func openDatabase(addr string) *dynamodb.Client {
	return dynamodb.NewFromConfig(aws.Config{Region: "us-east-1", HTTPClient: dynamo.HTTPClient(), BaseEndpoint: aws.String("http://" + addr),
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", "")})
}

// awaitHead waits until so many changes of a topic are numbered.
func awaitHead(ctx context.Context, db *dynamodb.Client, topic string, changes int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		switch last, err := head(ctx, db, topic); {
		case err != nil:
			return fmt.Errorf("await change %d of %s: %w", changes, topic, err)
		case last >= changes:
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// head is how many changes of a topic are numbered.
func head(ctx context.Context, db *dynamodb.Client, topic string) (int, error) {
	row, err := db.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String("Changes"), ConsistentRead: aws.Bool(true),
		Key: map[string]types.AttributeValue{"topic": text(topic), "seq": number(0)}})
	if err != nil || row.Item == nil {
		return 0, err
	}
	last, _ := row.Item["last"].(*types.AttributeValueMemberN) // which every head has
	return strconv.Atoi(last.Value)
}

func text(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }

func number(v int) types.AttributeValue { return &types.AttributeValueMemberN{Value: strconv.Itoa(v)} }

func freeAddr() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

func (s *stackProcess) healthy() bool {
	response, err := http.Get("http://" + s.addr + "/_localstack/health")
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

func (s *stackProcess) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGINT)
	_ = s.cmd.Wait() // it may have been interrupted with us
}

// burst writes changes together, again as soon as all watchers have them, for a while.
func (s *stackProcess) burst(ctx context.Context, a *audience, together int, duration time.Duration) error {
	written := a.delivered()
	for end := time.Now().Add(duration); time.Now().Before(end); {
		if err := s.put(ctx, together); err != nil {
			return err
		}
		written += together * len(a.members)
		if err := a.await(ctx, written); err != nil {
			return err
		}
	}
	return nil
}

// put writes n new items of 256 bytes, at once.
func (s *stackProcess) put(ctx context.Context, n int) error {
	if n == 1 {
		return s.putItem(ctx, s.item())
	}
	var writes []types.TransactWriteItem
	for range n {
		writes = append(writes, types.TransactWriteItem{Put: &types.Put{TableName: aws.String("Events"), Item: s.item()}})
	}
	_, err := s.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: writes})
	return err
}

func (s *stackProcess) putItem(ctx context.Context, item map[string]types.AttributeValue) error {
	_, err := s.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String("Events"), Item: item})
	return err
}

// item makes the next item, which says when it was made.
func (s *stackProcess) item() map[string]types.AttributeValue {
	s.next++
	return map[string]types.AttributeValue{
		"topic": text(s.topic), "id": text(strconv.Itoa(s.next % 1000)),
		"at": text(strconv.FormatInt(time.Now().UnixNano(), 10)), "text": text(strings.Repeat("x", 200)),
	}
}
