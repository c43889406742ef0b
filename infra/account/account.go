package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// account asks AWS about one account in one Region. Two signed requests do it: the SDK's
// clients of the two services are among its largest, and here they would read four numbers.
type account struct {
	region      string
	credentials aws.CredentialsProvider
	lambda      string // URLs before the path
	gateway     string
	http        *http.Client
}

// open makes an account of the SDK's settings. AWS_ENDPOINT_URL goes before AWS's own
// addresses.
func open(cfg aws.Config) (account, error) {
	if cfg.Region == "" {
		return account{}, errors.New("no Region is set: set AWS_REGION, or one in the profile")
	}
	suffix := ".amazonaws.com"
	if strings.HasPrefix(cfg.Region, "cn-") {
		suffix += ".cn"
	}
	return account{
		region:      cfg.Region,
		credentials: cfg.Credentials,
		lambda:      cmp.Or(aws.ToString(cfg.BaseEndpoint), "https://lambda."+cfg.Region+suffix),
		gateway:     cmp.Or(aws.ToString(cfg.BaseEndpoint), "https://apigateway."+cfg.Region+suffix),
		http:        &http.Client{Timeout: 10 * time.Second},
	}, nil
}

// concurrency is how many executions Lambda runs at once in the account and Region.
//
// Source: https://docs.aws.amazon.com/lambda/latest/api/API_AccountLimit.html
type concurrency struct {
	Whole      int `json:"ConcurrentExecutions"`
	Unreserved int `json:"UnreservedConcurrentExecutions"` // by no function
}

func (a account) concurrency(ctx context.Context) (concurrency, error) {
	var answer struct{ AccountLimit concurrency }
	err := a.get(ctx, "lambda", a.lambda+"/2016-08-19/account-settings/", &answer)
	return answer.AccountLimit, err
}

// gatewaySettings are those that all APIs of the account and Region share.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/api/API_GetAccount.html
type gatewaySettings struct {
	LogRole  string `json:"cloudwatchRoleArn"`
	Throttle struct {
		Rate  float64 `json:"rateLimit"`  // requests a second
		Burst int     `json:"burstLimit"` // requests at once
	} `json:"throttleSettings"`
}

func (a account) gatewaySettings(ctx context.Context) (s gatewaySettings, err error) {
	err = a.get(ctx, "apigateway", a.gateway+"/account", &s)
	return s, err
}

// get makes a signed GET request and decodes the answer.
func (a account) get(ctx context.Context, service, url string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("ask %s: %w", service, err)
	}
	request.Header.Set("Accept", "application/json")
	credentials, err := a.credentials.Retrieve(ctx)
	if err != nil {
		return fmt.Errorf("get credentials: %w", err)
	}
	nothing := sha256.Sum256(nil)
	if err := v4.NewSigner().SignHTTP(ctx, credentials, request, hex.EncodeToString(nothing[:]), service, a.region, time.Now()); err != nil {
		return fmt.Errorf("sign request: %w", err)
	}
	response, err := a.http.Do(request)
	if err != nil {
		return fmt.Errorf("ask %s: %w", service, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("ask %s: %w", service, err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("ask %s: %s: %s", service, response.Status, refusal(body))
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("ask %s: read the answer: %w", service, err)
	}
	return nil
}

// refusal gives what AWS says, which is in a member of one of two names.
func refusal(body []byte) string {
	var said struct{ Message string } // package json takes both
	if json.Unmarshal(body, &said) != nil {
		return ""
	}
	return said.Message
}
