package stack

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
)

// call carries out an operation in-process and decodes its answer into output,
// unless that is nil.
func call(ctx context.Context, service *awsjson.Service, operation string, input, output any) error {
	body, err := json.Marshal(input)
	if err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	result, err := service.Call(ctx, operation, body)
	if err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	if output == nil {
		return nil
	}
	encoded, err := json.Marshal(result)
	if err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	return json.Unmarshal(encoded, output)
}
