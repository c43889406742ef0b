// Writer puts invented prices of stocks into the table Events, with the AWS SDK and nothing else: whatever
// writes the table can publish. `make ticker` runs it beside `make local`.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/signal"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/localstack/issuer"
	"github.com/watchroute/watchroute/localstack/stack"
	"github.com/watchroute/watchroute/shared/flags"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "ticker:", err)
		stop()
		os.Exit(1)
	}
}

// stock is what has a price.
type stock struct {
	symbol, name string
	open, price  float64
}

func run(ctx context.Context, args []string, out io.Writer) error {
	set := flag.NewFlagSet("ticker", flag.ContinueOnError)
	url := set.String("url", issuer.DefaultURL, "where the stack runs")
	below := set.String("topic", "stocks", "`topic` below which each stock has one of its own")
	every := set.Duration("every", 80*time.Millisecond, "`time` between two prices")
	if err := flags.Parse(set, args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	stocks := []*stock{
		{"AAPL", "Apple", 231.4, 0}, {"AMZN", "Amazon", 186.2, 0}, {"GOOG", "Alphabet", 171.85, 0}, {"IBM", "IBM", 214.1, 0},
		{"INTC", "Intel", 24.3, 0}, {"META", "Meta", 561.7, 0}, {"MSFT", "Microsoft", 424.6, 0}, {"NVDA", "Nvidia", 138.9, 0},
	}
	db := dynamodb.New(dynamodb.Options{Region: stack.Region, BaseEndpoint: url, Credentials: credentials.NewStaticCredentialsProvider("local", "local", "")})
	for _, s := range stocks {
		s.price = s.open
		if err := s.put(ctx, db, *below); err != nil {
			return fmt.Errorf("no stack takes prices at %s: start one with `make local` in another terminal: %w", *url, err)
		}
	}
	page := *url + "/examples/ticker/"
	if *below != "stocks" {
		page += "?topic=" + *below + "/*"
	}
	fmt.Fprintf(out, "Prices change now. Look at them: %s\nCtrl-C ends it.\n", page)
	for ctx.Err() == nil {
		s := stocks[rand.IntN(len(stocks))]
		s.move(rand.NormFloat64())
		if err := s.put(ctx, db, *below); err != nil && ctx.Err() == nil {
			return fmt.Errorf("the stack at %s takes no more prices: %w", *url, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(*every):
		}
	}
	return nil
}

// move makes a new price: by about a thousandth of the old one, and never below a cent.
func (s *stock) move(steps float64) {
	s.price = math.Max(0.01, math.Round(s.price*(1+steps/800)*100)/100)
}

// put writes the item `quote` of the stock's topic.
func (s *stock) put(ctx context.Context, db *dynamodb.Client, below string) error {
	_, err := db.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String("Events"), Item: map[string]types.AttributeValue{
		"topic": &types.AttributeValueMemberS{Value: below + "/" + s.symbol},
		"id":    &types.AttributeValueMemberS{Value: "quote"},
		"name":  &types.AttributeValueMemberS{Value: s.name},
		"open":  &types.AttributeValueMemberN{Value: strconv.FormatFloat(s.open, 'f', 2, 64)},
		"price": &types.AttributeValueMemberN{Value: strconv.FormatFloat(s.price, 'f', 2, 64)},
	}})
	return err
}
