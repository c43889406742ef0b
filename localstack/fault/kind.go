package fault

// Kind is one way of breaking the stack; its text is its name on the command line.
// The comment of each says what an occasion is, to which the rate applies.
type Kind string

// What happens to functions and to what feeds them.
const (
	// Kill ends a function's process with SIGKILL within 20 ms of its getting an
	// invocation, unless it has answered by then. Occasion: an invocation.
	Kill Kind = "kill"
	// Abandon tells who waits for an invocation that it timed out, within 20 ms of a
	// process's getting it, unless it has answered by then. The process goes on with it,
	// beside the one that gets the next. Occasion: an invocation.
	Abandon Kind = "abandon"
	// Duplicate invokes the function twice with a batch of a stream, at the same
	// time, as a poller that is thought dead and is not. Occasion: a batch.
	Duplicate Kind = "duplicate"
	// Delay makes a batch of a stream or a queue wait up to 500 ms before it is delivered.
	// Occasion: a batch.
	Delay Kind = "delay"
	// Bisect replaces the answer for a batch by a function error, so that the
	// mapping splits it and delivers it again; at a rate of 1 nothing is ever done.
	// Occasion: a batch that went through.
	Bisect Kind = "bisect"
	// Partial replaces the answer for a batch by one that reports a random record as
	// the first that failed. Occasion: a batch that went through as a whole.
	Partial Kind = "partial"
	// Reslice delivers a batch with the latest of the records before it put in front,
	// from one to all of the last 100, so that batches begin elsewhere. Occasion: a
	// batch that is not the first of its shard.
	Reslice Kind = "reslice"
	// Reappear makes a batch of a queue wait up to 500 ms before it is delivered. The queue shows
	// it again meanwhile, as if the wait were longer than the visibility timeout. Another batch may
	// get it, and the messages after it in its message group, at the same time or first. Occasion:
	// a batch of a queue.
	Reappear Kind = "reappear"
	// Redeliver replaces the answer for a batch of a queue by a function error. The queue shows the
	// batch again at once, as if the visibility timeout had passed. At a rate of 1 all messages go
	// to the dead-letter queue. Occasion: a batch of a queue that went through.
	Redeliver Kind = "redeliver"
)

// What happens to PostToConnection, whoever calls it, though the client is alive.
// Occasion of each: a call, which none of those named before it has hit.
const (
	// Post429 answers 429, LimitExceededException.
	Post429 Kind = "post-429"
	// Post500 answers 500, InternalServerErrorException.
	Post500 Kind = "post-500"
	// Post410 answers 410, GoneException: the service forgets the connection.
	Post410 Kind = "post-410"
	// PostTimeout answers nothing until the caller gives up.
	PostTimeout Kind = "post-timeout"
)

// What happens to clients.
const (
	// LoseFrame takes a message to a client, posted or an answer, and never sends it.
	// Occasion: a message out.
	LoseFrame Kind = "lose-frame"
	// DropSocket cuts a client's TCP connection, without a close frame. Occasion: a
	// message in or out.
	DropSocket Kind = "drop-socket"
	// NoDisconnect leaves $disconnect out. Occasion: the end of a connection.
	NoDisconnect Kind = "no-disconnect"
	// Overtake lets a client's message wait up to 300 ms before its function gets it,
	// while later ones of the same connection overtake it. Occasion: a message in.
	Overtake Kind = "overtake"
)

// What happens to DynamoDB. Occasion of each, unless it says another: a second in which it
// can happen.
const (
	// SplitShard splits an open shard of a stream, up to 8 open ones a stream.
	SplitShard Kind = "split-shard"
	// Forget deletes the row of a random live connection, and nothing else, as its
	// time to live would if it passed early.
	Forget Kind = "forget"
	// Pause lets every operation that begins wait until it is over, after 0.2 to
	// 1.5 s. One pause in three instead answers the operations of functions with
	// InternalServerError or ThrottlingException for that time.
	Pause Kind = "pause-dynamodb"
	// Slow lets an operation of a function wait up to 250 ms before it is carried out,
	// while others overtake it. Occasion: such an operation.
	Slow Kind = "slow-dynamodb"
	// CutOff answers all operations of one process of a function with InternalServerError
	// for 1 to 5 s, which is longer than the SDK repeats them. Occasion: an operation of a
	// process that is not cut off.
	CutOff Kind = "cut-off"
	// LateWrite abandons the invocation of a process that is about to carry out a
	// transaction, and holds the transaction back until others have updated one of the same
	// items and put more than it will, for up to 20 s: an old process that wakes up when
	// what it was about to do is done, and more. The same happens to a process that is about to
	// put the row of a single change into a log, or to move the head of the log to it. Two at
	// most are held back at once. Occasion: one of these writes of a function, while fewer are.
	LateWrite Kind = "late-write"
	// StaleRead answers an eventually consistent read of a function with the answer that an equal
	// read got up to 1 s before. Occasion: such a read, if there was another.
	StaleRead Kind = "stale-read"
)

// kinds are all there are, in the order in which they are listed, with the rates
// that "all" gives them: often enough to be met within minutes of moderate load,
// seldom enough that most of the work gets done.
var kinds = []struct {
	kind         Kind
	rate         float64
	group, about string // for people
}{
	{Kill, 0.01, "functions", "ends a function's process in the middle of its work"},
	{Abandon, 0.01, "functions", "reports an invocation as timed out while its process goes on"},
	{Duplicate, 0.05, "functions", "hands a batch of changes to two processes at once"},
	{Delay, 0.05, "functions", "makes a batch wait up to half a second"},
	{Bisect, 0.05, "functions", "reports a batch that went through as failed, so that it comes again in halves"},
	{Partial, 0.05, "functions", "reports part of a batch that went through as failed"},
	{Reslice, 0.1, "functions", "delivers a batch with changes before it once more"},
	{Reappear, 0.05, "functions", "shows messages of a queue to a second process"},
	{Redeliver, 0.05, "functions", "delivers messages of a queue again that were done"},
	{Post429, 0.05, "posts", "refuses a post to a client, as API Gateway's throttle does"},
	{Post500, 0.02, "posts", "fails a post to a client with an internal error"},
	{Post410, 0.001, "posts", "says that a client is gone that is not"},
	{PostTimeout, 0.0005, "posts", "never answers a post"}, // each takes a poster's time limit, 3 s
	{LoseFrame, 0.001, "clients", "loses a frame on its way to a client"},
	{DropSocket, 0.0005, "clients", "cuts a client's TCP connection"},
	{NoDisconnect, 0.2, "clients", "never tells the service that a client has left"},
	{Overtake, 0.05, "clients", "lets later messages of a client overtake one"},
	{SplitShard, 0.1, "DynamoDB", "splits a shard of a stream, once a second"},
	{Forget, 0.1, "DynamoDB", "deletes the row of a live connection, once a second"},
	{Pause, 0.05, "DynamoDB", "stops DynamoDB for up to 1.5 s, once a second"},
	{Slow, 0.01, "DynamoDB", "makes an operation wait up to 250 ms"},
	{CutOff, 0.0005, "DynamoDB", "cuts a process off from DynamoDB for up to 5 s"},
	{LateWrite, 0.01, "DynamoDB", "carries a write out long after its function was given up"},
	{StaleRead, 0.1, "DynamoDB", "answers a read with what was true a second ago"},
	{HTTP429, 0.02, "HTTP", "answers a request with 429"},
	{HTTP500, 0.01, "HTTP", "answers a request with 500 before its function runs"},
	{HTTP502, 0.01, "HTTP", "answers a request with 502 after its function has run"},
	{HTTP504, 0.01, "HTTP", "answers a request with 504 after its function has run"},
	{TearStream, 0.005, "HTTP", "cuts a stream in the middle of a line"},
	{IdleCut, 0.005, "HTTP", "cuts a stream that is silent"},
	{KillHold, 0.05, "HTTP", "kills a function that holds a request"},
}

// About says what a kind of fault does, for people.
type About struct {
	Kind  Kind    `json:"kind"`
	Group string  `json:"group"`
	Text  string  `json:"text"`  // that goes on after its name
	Usual float64 `json:"usual"` // the rate that "all" gives it
}

// Kinds lists all there are.
func Kinds() []About {
	list := make([]About, len(kinds))
	for i, k := range kinds {
		list[i] = About{k.kind, k.group, k.about, k.rate}
	}
	return list
}
