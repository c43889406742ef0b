package kinesis_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	client "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"

	"github.com/watchroute/watchroute/localstack/aws/kinesis"
	"github.com/watchroute/watchroute/shared/dynamo"
)

const arn = "arn:aws:kinesis:us-east-1:000000000000:stream/s"

// world is a service with the stream "s" of three shards, a time that the test sets, and the SDK's
// client for it.
type world struct {
	*client.Client
	t       *testing.T
	service *kinesis.Service
	now     time.Time
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, now: time.Date(2026, 11, 26, 12, 0, 0, 123_000_000, time.UTC)}
	w.service = kinesis.New(kinesis.Options{Now: func() time.Time { return w.now }})
	server := httptest.NewServer(w.service.Service())
	t.Cleanup(server.Close)
	w.Client = client.New(client.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(server.URL), RetryMaxAttempts: 1, HTTPClient: dynamo.HTTPClient(),
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
	})
	if _, err := w.CreateStream(t.Context(), &client.CreateStreamInput{StreamName: aws.String("s"), ShardCount: aws.Int32(3)}); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) put(key, data string) *client.PutRecordOutput {
	w.t.Helper()
	out, err := w.PutRecord(w.t.Context(), &client.PutRecordInput{StreamName: aws.String("s"), PartitionKey: &key, Data: []byte(data)})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *world) iterator(in client.GetShardIteratorInput) *string {
	w.t.Helper()
	in.StreamName = aws.String("s")
	if in.ShardId == nil {
		in.ShardId = aws.String("shardId-000000000000")
	}
	out, err := w.GetShardIterator(w.t.Context(), &in)
	if err != nil {
		w.t.Fatal(err)
	}
	return out.ShardIterator
}

// read gives the data of the records from an iterator on.
func (w *world) read(in client.GetRecordsInput) (data []string, out *client.GetRecordsOutput) {
	w.t.Helper()
	out, err := w.GetRecords(w.t.Context(), &in)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range out.Records {
		data = append(data, string(r.Data))
	}
	return data, out
}

func (w *world) expect(in client.GetShardIteratorInput, want ...string) {
	w.t.Helper()
	if got, _ := w.read(client.GetRecordsInput{ShardIterator: w.iterator(in)}); !slices.Equal(got, want) {
		w.t.Errorf("%s gave %q, want %q", in.ShardIteratorType, got, want)
	}
}

// TestPartitionKeyChoosesTheShard by its MD5, unless there is an explicit hash key. That "a" goes to
// the first of three shards and "b" to the second, and where the shards end, was recorded on AWS.
func TestPartitionKeyChoosesTheShard(t *testing.T) {
	w := newWorld(t)
	out, err := w.ListShards(t.Context(), &client.ListShardsInput{StreamName: aws.String("s")})
	if err != nil {
		t.Fatal(err)
	}
	var ranges []string
	for _, s := range out.Shards {
		ranges = append(ranges, *s.ShardId+" "+*s.HashKeyRange.StartingHashKey+" "+*s.HashKeyRange.EndingHashKey)
	}
	if want := []string{
		"shardId-000000000000 0 113427455640312821154458202477256070484",
		"shardId-000000000001 113427455640312821154458202477256070485 226854911280625642308916404954512140969",
		"shardId-000000000002 226854911280625642308916404954512140970 340282366920938463463374607431768211455",
	}; !slices.Equal(ranges, want) {
		t.Errorf("the shards are\n%s", strings.Join(ranges, "\n"))
	}
	for key, shard := range map[string]int{"a": 0, "b": 1} {
		if got := *w.put(key, "").ShardId; got != fmt.Sprintf("shardId-%012d", shard) {
			t.Errorf("the key %s went to %s", key, got)
		}
	}
	for hash, shard := range map[string]int{"0": 0, "226854911280625642308916404954512140969": 1, "226854911280625642308916404954512140970": 2, "340282366920938463463374607431768211455": 2} {
		out, err := w.PutRecord(t.Context(), &client.PutRecordInput{StreamARN: aws.String(arn), PartitionKey: aws.String("a"), Data: []byte{}, ExplicitHashKey: &hash})
		if err != nil || *out.ShardId != fmt.Sprintf("shardId-%012d", shard) {
			t.Errorf("the hash key %s: %v, %v", hash, out, err)
		}
	}
}

// TestSequenceNumbersGrow, in the form that Kinesis gives them: 56 digits.
func TestSequenceNumbersGrow(t *testing.T) {
	w := newWorld(t)
	last := new(big.Int)
	for range 50 {
		out := w.put("a", "x")
		n, ok := new(big.Int).SetString(*out.SequenceNumber, 10)
		if !ok || len(*out.SequenceNumber) != 56 || !strings.HasPrefix(*out.SequenceNumber, "49") || n.Cmp(last) <= 0 {
			t.Fatalf("%s follows %s", *out.SequenceNumber, last)
		}
		last = n
	}
	number := last.String()
	if _, err := w.PutRecord(t.Context(), &client.PutRecordInput{StreamName: aws.String("s"), PartitionKey: aws.String("a"), Data: []byte{}, SequenceNumberForOrdering: &number}); err != nil {
		t.Error(err)
	}
}

// TestRecordsAreReadFromEachPosition.
func TestRecordsAreReadFromEachPosition(t *testing.T) {
	w := newWorld(t)
	first := w.put("a", "1")
	w.put("b", "elsewhere")
	w.now = w.now.Add(time.Minute)
	second := w.put("a", "2")
	w.now = w.now.Add(time.Minute)
	w.put("a", "3")
	at := func(kind types.ShardIteratorType, number *string) client.GetShardIteratorInput {
		return client.GetShardIteratorInput{ShardIteratorType: kind, StartingSequenceNumber: number}
	}
	w.expect(at(types.ShardIteratorTypeTrimHorizon, nil), "1", "2", "3")
	w.expect(at(types.ShardIteratorTypeAtSequenceNumber, second.SequenceNumber), "2", "3")
	w.expect(at(types.ShardIteratorTypeAfterSequenceNumber, second.SequenceNumber), "3")
	w.expect(at(types.ShardIteratorTypeAfterSequenceNumber, first.SequenceNumber), "2", "3")
	w.expect(client.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeAtTimestamp, Timestamp: aws.Time(w.now.Add(-time.Minute))}, "2", "3")
	w.expect(client.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeAtTimestamp, Timestamp: aws.Time(w.now.Add(time.Second))})
	latest := w.iterator(at(types.ShardIteratorTypeLatest, nil))
	w.put("a", "4")
	got, out := w.read(client.GetRecordsInput{ShardIterator: latest})
	if !slices.Equal(got, []string{"4"}) || *out.MillisBehindLatest != 0 {
		t.Errorf("from the latest on there are %q, %d ms behind", got, *out.MillisBehindLatest)
	}
	r := out.Records[0]
	if *r.PartitionKey != "a" || !r.ApproximateArrivalTimestamp.Equal(w.now) || r.EncryptionType != "" {
		t.Errorf("the record is %+v", r)
	}
	if got, _ := w.read(client.GetRecordsInput{ShardIterator: out.NextShardIterator}); len(got) != 0 {
		t.Errorf("behind the end there are %q", got)
	}
}

// TestIteratorGoesOnWhereItStopped, as far behind as the next record is old.
func TestIteratorGoesOnWhereItStopped(t *testing.T) {
	w := newWorld(t)
	for i := range 3 {
		w.put("a", fmt.Sprint(i))
		w.now = w.now.Add(time.Second)
	}
	got, out := w.read(client.GetRecordsInput{Limit: aws.Int32(2), ShardIterator: w.iterator(client.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeTrimHorizon})})
	if !slices.Equal(got, []string{"0", "1"}) || *out.MillisBehindLatest != 1000 {
		t.Errorf("read %q, %d ms behind", got, *out.MillisBehindLatest)
	}
	if got, out = w.read(client.GetRecordsInput{ShardIterator: out.NextShardIterator, StreamARN: aws.String(arn)}); !slices.Equal(got, []string{"2"}) || *out.MillisBehindLatest != 0 {
		t.Errorf("then %q, %d ms behind", got, *out.MillisBehindLatest)
	}
}

// TestAnswerHasTenMegabytesAtMost, but one record at least. It is read in-process: under load the SDK now
// and then breaks off answers of more than a megabyte.
func TestAnswerHasTenMegabytesAtMost(t *testing.T) {
	w := newWorld(t)
	for range 11 {
		w.put("a", strings.Repeat("x", kinesis.MaxRecordBytes-1))
	}
	iterator := *w.iterator(client.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
	for _, want := range []int{10, 1, 0} {
		result, err := w.service.Service().Call(t.Context(), "GetRecords", fmt.Appendf(nil, `{"ShardIterator":%q}`, iterator))
		if err != nil {
			t.Fatal(err)
		}
		encoded, err := json.Marshal(result)
		if err != nil {
			t.Fatal(err)
		}
		var out struct {
			Records           []struct{ Data []byte }
			NextShardIterator string
		}
		if err := json.Unmarshal(encoded, &out); err != nil || len(out.Records) != want {
			t.Errorf("an answer has %d records, %v, want %d", len(out.Records), err, want)
		}
		iterator = out.NextShardIterator
	}
}

// TestRecordsAreKeptForADay, and iterators for five minutes.
func TestRecordsAreKeptForADay(t *testing.T) {
	w := newWorld(t)
	horizon := client.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeTrimHorizon}
	first := w.put("a", "1")
	w.now = w.now.Add(time.Hour)
	w.put("a", "2")
	w.now = w.now.Add(kinesis.Retention - time.Hour - time.Millisecond)
	w.expect(horizon, "1", "2")
	iterator := w.iterator(horizon)
	w.now = w.now.Add(time.Millisecond)
	w.expect(horizon, "2")
	w.expect(client.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeAtSequenceNumber, StartingSequenceNumber: first.SequenceNumber}, "2")
	w.now = w.now.Add(kinesis.IteratorLife - time.Millisecond)
	if got, _ := w.read(client.GetRecordsInput{ShardIterator: iterator}); !slices.Equal(got, []string{"2"}) {
		t.Errorf("an old iterator gave %q", got)
	}
	w.now = w.now.Add(time.Millisecond)
	_, err := w.GetRecords(t.Context(), &client.GetRecordsInput{ShardIterator: iterator})
	refused(t, "an iterator of more than five minutes", err, "ExpiredIteratorException",
		"Iterator expired. The iterator was created at time Fri Nov 27 12:00:00 UTC 2026 while right now it is Fri Nov 27 12:05:00 UTC 2026 which is further in the future than the tolerated delay of 300000 milliseconds.")
	var expired *types.ExpiredIteratorException
	if !errors.As(err, &expired) {
		t.Errorf("the SDK does not know the type of %v", err)
	}
}

func TestPutRecords(t *testing.T) {
	w := newWorld(t)
	var entries []types.PutRecordsRequestEntry
	for i := range kinesis.MaxRecords {
		entries = append(entries, types.PutRecordsRequestEntry{PartitionKey: aws.String("ab"[i%2 : i%2+1]), Data: []byte(fmt.Sprint(i))})
	}
	out, err := w.PutRecords(t.Context(), &client.PutRecordsInput{StreamARN: aws.String(arn), Records: entries})
	if err != nil || *out.FailedRecordCount != 0 || len(out.Records) != kinesis.MaxRecords {
		t.Fatalf("put %v, %v", out, err)
	}
	for i, r := range out.Records {
		if *r.ShardId != fmt.Sprintf("shardId-%012d", i%2) || r.SequenceNumber == nil || r.ErrorCode != nil {
			t.Errorf("record %d is %+v", i, r)
		}
	}
	got, _ := w.read(client.GetRecordsInput{ShardIterator: w.iterator(client.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeTrimHorizon})})
	if len(got) != kinesis.MaxRecords/2 || got[1] != "2" {
		t.Errorf("the first shard has %q", got)
	}
	if u := w.service.Usage().Streams["s"]; u.PutRequests != 1 || u.GetRequests != 1 || u.Records != kinesis.MaxRecords {
		t.Errorf("usage is %+v", u)
	}
	w.service.ResetUsage()
	if u := w.service.Usage().Streams["s"]; u != (kinesis.StreamUsage{}) {
		t.Errorf("usage after the reset is %+v", u)
	}
}

// TestStreamsAreDescribed, those on demand too, which have four shards at first.
func TestStreamsAreDescribed(t *testing.T) {
	w := newWorld(t)
	if _, err := w.CreateStream(t.Context(), &client.CreateStreamInput{StreamName: aws.String("d"), StreamModeDetails: &types.StreamModeDetails{StreamMode: types.StreamModeOnDemand}}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct {
		mode   types.StreamMode
		shards int32
	}{"s": {types.StreamModeProvisioned, 3}, "d": {types.StreamModeOnDemand, 4}} {
		out, err := w.DescribeStreamSummary(t.Context(), &client.DescribeStreamSummaryInput{StreamName: &name})
		if err != nil {
			t.Fatal(err)
		}
		d := out.StreamDescriptionSummary
		if *d.StreamName != name || *d.StreamARN != "arn:aws:kinesis:us-east-1:000000000000:stream/"+name || d.StreamStatus != types.StreamStatusActive ||
			d.StreamModeDetails.StreamMode != want.mode || *d.OpenShardCount != want.shards || *d.RetentionPeriodHours != 24 || !d.StreamCreationTimestamp.Equal(w.now) {
			t.Errorf("%s is %+v", name, d)
		}
	}
}

func refused(t *testing.T, what string, err error, code, message string) {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != code || !strings.Contains(e.ErrorMessage(), message) {
		t.Errorf("%s: %v, want %s: %s", what, err, code, message)
	}
}

func TestErrors(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	put := func(change func(*client.PutRecordInput)) error {
		in := client.PutRecordInput{StreamName: aws.String("s"), PartitionKey: aws.String("a"), Data: []byte{}}
		change(&in)
		_, err := w.PutRecord(ctx, &in)
		return err
	}
	batch := func(n int, change func(*types.PutRecordsRequestEntry)) error {
		entry := types.PutRecordsRequestEntry{PartitionKey: aws.String("a"), Data: []byte{}}
		if change != nil {
			change(&entry)
		}
		_, err := w.PutRecords(ctx, &client.PutRecordsInput{StreamName: aws.String("s"), Records: append([]types.PutRecordsRequestEntry{}, slices.Repeat([]types.PutRecordsRequestEntry{entry}, n)...)})
		return err
	}
	iterator := func(change func(*client.GetShardIteratorInput)) error {
		in := client.GetShardIteratorInput{StreamName: aws.String("s"), ShardId: aws.String("shardId-000000000000"), ShardIteratorType: types.ShardIteratorTypeTrimHorizon}
		change(&in)
		_, err := w.GetShardIterator(ctx, &in)
		return err
	}
	at := func(number string) error {
		return iterator(func(in *client.GetShardIteratorInput) {
			in.ShardIteratorType, in.StartingSequenceNumber = types.ShardIteratorTypeAtSequenceNumber, &number
		})
	}
	records := func(in client.GetRecordsInput) error {
		_, err := w.GetRecords(ctx, &in)
		return err
	}
	create := func(in client.CreateStreamInput) error {
		if in.StreamName == nil {
			in.StreamName = aws.String("new")
		}
		_, err := w.CreateStream(ctx, &in)
		return err
	}
	elsewhere, here := w.put("b", ""), w.put("a", "")
	foreign := new(big.Int)
	foreign.SetString(*here.SequenceNumber, 10)
	foreign.Sub(foreign, new(big.Int).Lsh(big.NewInt(1), 4*37)) // made a second earlier
	large := bytes.Repeat([]byte("x"), kinesis.MaxRecordBytes)
	_, missing := w.ListShards(ctx, &client.ListShardsInput{StreamName: aws.String("t")})
	_, nameless := w.ListShards(ctx, &client.ListShardsInput{})
	_, paged := w.ListShards(ctx, &client.ListShardsInput{StreamName: aws.String("s"), MaxResults: aws.Int32(1)})
	_, unsupported := w.SplitShard(ctx, &client.SplitShardInput{StreamName: aws.String("s"), ShardToSplit: aws.String("shardId-000000000000"), NewStartingHashKey: aws.String("1")})
	provisioned := &types.StreamModeDetails{StreamMode: types.StreamModeProvisioned}
	const validation, argument, notFound = "ValidationException", "InvalidArgumentException", "ResourceNotFoundException"
	for name, c := range map[string]struct {
		err           error
		code, message string
	}{
		"no stream": {put(func(in *client.PutRecordInput) { in.StreamName = aws.String("t") }), notFound, "Stream t under account 000000000000 not found."},
		"foreign ARN": {put(func(in *client.PutRecordInput) {
			in.StreamName, in.StreamARN = nil, aws.String(strings.Replace(arn, "us-east-1", "eu-west-1", 1))
		}), notFound, "Stream s under account 000000000000 not found."},
		"shards of nothing": {missing, notFound, "Stream t under account 000000000000 not found."},
		"neither":           {nameless, argument, "Either StreamName or StreamARN should be provided."},
		"pages":             {paged, argument, "are not supported here"},
		"no key":            {put(func(in *client.PutRecordInput) { in.PartitionKey = nil }), validation, "1 validation error detected: Value null at 'partitionKey' failed to satisfy constraint: Member must not be null"},
		"empty key":         {put(func(in *client.PutRecordInput) { in.PartitionKey = aws.String("") }), validation, "Value '' at 'partitionKey' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		"long key":          {put(func(in *client.PutRecordInput) { in.PartitionKey = aws.String(strings.Repeat("é", 257)) }), validation, "at 'partitionKey' failed to satisfy constraint: Member must have length less than or equal to 256"},
		"large":             {put(func(in *client.PutRecordInput) { in.Data = large }), validation, "Value at 'data' failed to satisfy constraint: Member must have length less than or equal to 1048576"},
		"hash key":          {put(func(in *client.PutRecordInput) { in.ExplicitHashKey = aws.String("01") }), validation, "Value '01' at 'explicitHashKey' failed to satisfy constraint: Member must satisfy regular expression pattern: 0|([1-9]\\d{0,38})"},
		"large hash key": {put(func(in *client.PutRecordInput) {
			in.ExplicitHashKey = aws.String("340282366920938463463374607431768211456")
		}), argument,
			"Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was 340282366920938463463374607431768211456"},
		"ordering": {put(func(in *client.PutRecordInput) { in.SequenceNumberForOrdering = aws.String("1") }), argument,
			"ExclusiveMinimumSequenceNumber 1 used in PutRecord on stream s under account 000000000000 is invalid."},
		"dry run":            {put(func(in *client.PutRecordInput) { in.DryRun = aws.Bool(true) }), argument, "DryRun is not supported here."},
		"no records":         {batch(0, nil), validation, "Value '[]' at 'records' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		"501 records":        {batch(501, nil), validation, "at 'records' failed to satisfy constraint: Member must have length less than or equal to 500"},
		"a large one":        {batch(1, func(e *types.PutRecordsRequestEntry) { e.Data = large }), validation, "Value at 'records.1.member.data' failed to satisfy constraint: Member must have length less than or equal to 1048576"},
		"large together":     {batch(11, func(e *types.PutRecordsRequestEntry) { e.Data = large[1:] }), argument, "Records size exceeds 10 MB limit"},
		"no shard":           {iterator(func(in *client.GetShardIteratorInput) { in.ShardId = aws.String("shardId-000000000003") }), notFound, "Shard shardId-000000000003 in stream s under account 000000000000 does not exist"},
		"kind of iterator":   {iterator(func(in *client.GetShardIteratorInput) { in.ShardIteratorType = "OLDEST" }), validation, "Value 'OLDEST' at 'shardIteratorType'"},
		"number too much":    {iterator(func(in *client.GetShardIteratorInput) { in.StartingSequenceNumber = here.SequenceNumber }), argument, "Request specified TRIM_HORIZON and also a StartingSequenceNumber."},
		"no number":          {iterator(func(in *client.GetShardIteratorInput) { in.ShardIteratorType = types.ShardIteratorTypeAtSequenceNumber }), argument, "Request specified AT_SEQUENCE_NUMBER and no StartingSequenceNumber."},
		"no time":            {iterator(func(in *client.GetShardIteratorInput) { in.ShardIteratorType = types.ShardIteratorTypeAtTimestamp }), argument, "AT_TIMESTAMP"},
		"number of no kind":  {at("7"), argument, "StartingSequenceNumber 7 used in GetShardIterator on shard shardId-000000000000 in stream s under account 000000000000 is invalid."},
		"another shard's":    {at(*elsewhere.SequenceNumber), argument, "Invalid StartingSequenceNumber. It encodes shardId-000000000001, while it was used in a call to a shard with shardId-000000000000"},
		"another stream's":   {at(foreign.String()), argument, "is invalid because it did not come from this stream."},
		"iterator":           {records(client.GetRecordsInput{ShardIterator: aws.String("x")}), argument, "Invalid ShardIterator."},
		"limit":              {records(client.GetRecordsInput{ShardIterator: w.iterator(client.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeLatest}), Limit: aws.Int32(10_001)}), validation, "Value '10001' at 'limit'"},
		"stream exists":      {create(client.CreateStreamInput{StreamName: aws.String("s"), ShardCount: aws.Int32(1)}), "ResourceInUseException", "Stream s under account 000000000000 already exists."},
		"name of a stream":   {create(client.CreateStreamInput{StreamName: aws.String("a b"), ShardCount: aws.Int32(1)}), validation, "Value 'a b' at 'streamName'"},
		"shards on demand":   {create(client.CreateStreamInput{ShardCount: aws.Int32(1), StreamModeDetails: &types.StreamModeDetails{StreamMode: types.StreamModeOnDemand}}), validation, "ShardCount"},
		"no number of shard": {create(client.CreateStreamInput{StreamModeDetails: provisioned}), validation, "ShardCount must be provided"},
		"no shards":          {create(client.CreateStreamInput{ShardCount: aws.Int32(0)}), validation, "Value '0' at 'shardCount'"},
		"many shards":        {create(client.CreateStreamInput{ShardCount: aws.Int32(501)}), "LimitExceededException", "500"},
		"mode":               {create(client.CreateStreamInput{StreamModeDetails: &types.StreamModeDetails{StreamMode: "FREE"}}), validation, "Value 'FREE' at 'streamModeDetails.streamMode'"},
		"unsupported action": {unsupported, "UnknownOperationException", "SplitShard"},
	} {
		refused(t, name, c.err, c.code, c.message)
	}
}
