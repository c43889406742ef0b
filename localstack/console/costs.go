package console

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/watchroute/watchroute/localstack/aws/apigateway"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb"
	"github.com/watchroute/watchroute/localstack/aws/lambda"
	"github.com/watchroute/watchroute/localstack/aws/restapi"
	"github.com/watchroute/watchroute/localstack/aws/sqs"
	"github.com/watchroute/watchroute/shared/price"
	"github.com/watchroute/watchroute/shared/watch"
)

// Used is what was used of services that AWS charges for.
type Used struct {
	Since      int64 // milliseconds since 1970
	DynamoDB   dynamodb.Usage
	APIGateway apigateway.Usage
	REST       *restapi.Usage // nil if there is no REST API
	Lambda     lambda.Usage
	SQS        sqs.Usage
}

// cost is a line of the bill.
type cost struct {
	Service string  `json:"service"`
	What    string  `json:"what"`
	Of      string  `json:"of,omitempty"` // which table, function or queue
	Amount  float64 `json:"amount"`
	Price   float64 `json:"price"`   // of one
	Dollars float64 `json:"dollars"` // of all
}

// costs gives what was used, and what AWS would charge. Storage, logs and data transfer are left out.
func (o Options) costs(*http.Request) (any, error) {
	used := o.Used()
	lines := slices.Concat(tableCosts(used.DynamoDB), gatewayCosts(used), functionCosts(used.Lambda), queueCosts(used.SQS))
	lines = slices.DeleteFunc(lines, func(c cost) bool { return c.Amount == 0 })
	total := 0.0
	for i := range lines {
		lines[i].Dollars = lines[i].Amount * lines[i].Price
		total += lines[i].Dollars
	}
	slices.SortStableFunc(lines, func(a, b cost) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(b.Dollars, a.Dollars), cmp.Compare(a.Of, b.Of))
	})
	return map[string]any{"since": used.Since, "lines": append([]cost{}, lines...), "dollars": total}, nil
}

func tableCosts(u dynamodb.Usage) (lines []cost) {
	for name, operations := range u.Tables {
		reads, writes := 0.0, 0.0
		for _, c := range operations {
			reads += c.ReadCapacityUnits
			writes += c.WriteCapacityUnits
		}
		lines = append(lines,
			cost{Service: "DynamoDB", What: "read units", Of: name, Amount: reads, Price: watch.ReadPrice / 1e6},
			cost{Service: "DynamoDB", What: "write units", Of: name, Amount: writes, Price: watch.WritePrice / 1e6})
	}
	return lines
}

func gatewayCosts(used Used) []cost {
	u := used.APIGateway
	lines := []cost{
		{Service: "API Gateway", What: "messages in, of 32 KB", Amount: float64(u.Messages.UnitsIn), Price: price.Message},
		{Service: "API Gateway", What: "messages out, of 32 KB", Amount: float64(u.Messages.UnitsOut), Price: price.Message},
		{Service: "API Gateway", What: "minutes of connections", Amount: u.Connections.Seconds / 60, Price: price.Minute},
	}
	if used.REST != nil {
		lines = append(lines, cost{Service: "API Gateway", What: "HTTP requests", Amount: float64(used.REST.Requests), Price: price.Request})
	}
	return lines
}

func functionCosts(u lambda.Usage) (lines []cost) {
	for name, f := range u.Functions {
		lines = append(lines,
			cost{Service: "Lambda", What: "invocations", Of: name, Amount: float64(f.Invocations), Price: price.Invocation},
			cost{Service: "Lambda", What: "GB seconds", Of: name, Amount: float64(f.BilledMS) / 1000 * float64(f.MemoryMB) / 1024, Price: price.Second})
	}
	return lines
}

func queueCosts(u sqs.Usage) (lines []cost) {
	for name, q := range u.Queues {
		lines = append(lines, cost{Service: "SQS", What: "requests", Of: name, Amount: float64(q.Requests), Price: price.QueueCall})
	}
	return lines
}

// resetCosts counts anew.
func (o Options) resetCosts(_ *http.Request, body []byte) (any, error) {
	var asked struct {
		Reset bool `json:"reset"`
	}
	if err := read(body, &asked); err != nil {
		return nil, err
	}
	if !asked.Reset {
		return nil, refuse(http.StatusBadRequest, `send {"reset":true}`)
	}
	o.ResetUsed()
	return map[string]bool{"reset": true}, nil
}
