package conformance

import (
	"fmt"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// scanned reads a whole table, or one segment of it, in pages.
func scanned(t *testing.T, s *stack, in *dynamodb.ScanInput, name string) []string {
	t.Helper()
	var all []string
	for {
		out, err := s.db.Scan(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range out.Items {
			all = append(all, column([]record{it}, name))
		}
		if in.ExclusiveStartKey = out.LastEvaluatedKey; in.ExclusiveStartKey == nil {
			return all
		}
	}
}

func TestScanSeesEveryItemOnce(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S"})
		var want []string
		for n := range 30 {
			want = append(want, fmt.Sprintf("%02d", n))
			s.put(t, table, item("p", want[n]))
		}
		whole := scanned(t, s, &dynamodb.ScanInput{TableName: &table, Limit: aws.Int32(7)}, "p")
		var parts []string
		for segment := range int32(4) {
			parts = append(parts, scanned(t, s, &dynamodb.ScanInput{TableName: &table, Segment: &segment, TotalSegments: aws.Int32(4), Limit: aws.Int32(3)}, "p")...)
		}
		for name, got := range map[string][]string{"in pages": whole, "in segments": parts} {
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%s: %v", name, got)
			}
		}
	})
}

func TestScanFiltersAndCounts(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S"})
		for n := range 6 {
			s.put(t, table, item("p", fmt.Sprint(n), "n", n))
		}
		out, err := s.db.Scan(t.Context(), &dynamodb.ScanInput{TableName: &table, FilterExpression: aws.String("n >= :n AND p <> :p"),
			ExpressionAttributeValues: item(":n", 2, ":p", "5"), Select: types.SelectCount})
		if err != nil {
			t.Fatal(err)
		}
		if out.Count != 3 || out.ScannedCount != 6 || len(out.Items) != 0 {
			t.Errorf("%d of %d, %d items; want 3 of 6 and none", out.Count, out.ScannedCount, len(out.Items))
		}
	})
}

func TestScanRefusals(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S"})
		for _, c := range []struct {
			name string
			in   dynamodb.ScanInput
			want string
		}{
			{"segment without total", dynamodb.ScanInput{Segment: aws.Int32(0)}, "ValidationException: The TotalSegments parameter is required but was not present in the request when Segment parameter is present"},
			{"total without segment", dynamodb.ScanInput{TotalSegments: aws.Int32(2)}, "ValidationException: The Segment parameter is required but was not present in the request when parameter TotalSegments is present"},
			{"segment out of range", dynamodb.ScanInput{Segment: aws.Int32(2), TotalSegments: aws.Int32(2)}, "ValidationException: The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: 2 is not less than TotalSegments: 2"},
			{"start key of another shape", dynamodb.ScanInput{ExclusiveStartKey: item("x", "h")}, "ValidationException: The provided starting key is invalid…"},
		} {
			t.Run(c.name, func(t *testing.T) {
				c.in.TableName = &table
				_, err := s.db.Scan(t.Context(), &c.in)
				s.wantFault(t, err, c.want)
			})
		}
	})
}
