package function

// The variables that the stack gives to functions. infra sets them and the functions' mains read
// them, so a name that one of them misspells does not compile.
const (
	// Tables.
	ConnectionsTable   = "CONNECTIONS_TABLE"
	SubscriptionsTable = "SUBSCRIPTIONS_TABLE"
	ChangesTable       = "CHANGES_TABLE"
	RevocationsTable   = "REVOCATIONS_TABLE"
	EventsTable        = "EVENTS_TABLE"
	DestinationsTable  = "DESTINATIONS_TABLE"
	PositionsTable     = "POSITIONS_TABLE"

	// Queues, the API for posts, and secrets.
	PushesQueueURL     = "PUSHES_QUEUE_URL"
	FailureQueueURL    = "FAILURE_QUEUE_URL"
	DeliveriesQueueURL = "DELIVERIES_QUEUE_URL"
	CallbackURL        = "CALLBACK_URL"
	SocketURL          = "SOCKET_URL"       // where clients connect
	HTTPURL            = "HTTP_URL"         // where they ask; empty for the address by which each of them comes
	EventsTableARN     = "EVENTS_TABLE_ARN" // which names the source of CloudEvents
	ServiceSecretARN   = "SERVICE_SECRET_ARN"
	IntakeSources      = "INTAKE_SOURCES" // see intake.ParseSources

	// Who may come in, see package authn and stack.Auth.
	TokenIssuer    = "TOKEN_ISSUER"
	TokenJWKSURL   = "TOKEN_JWKS_URL"
	TokenSecretARN = "TOKEN_SECRET_ARN"
	TokenAudience  = "TOKEN_AUDIENCE"
	TokenInQuery   = "TOKEN_IN_QUERY"
	RefuseInside   = "REFUSE_INSIDE"
	AllowedOrigins = "ALLOWED_ORIGINS"
	OpenToEveryone = "OPEN_TO_EVERYONE"

	// AllowAnonymous is set by those who run the functions on their own machine, and never in AWS: no
	// template has it. It lets clients without a token do everything.
	AllowAnonymous = "ALLOW_ANONYMOUS"

	// AllowLoopback is set by the same, and never in AWS. It lets webhooks be on the same machine, and
	// clients without a token have some.
	AllowLoopback = "ALLOW_LOOPBACK"

	// Limits, see the fields of stack.Props that have these names.
	MaxConnections   = "MAX_CONNECTIONS"
	MaxSubscriptions = "MAX_SUBSCRIPTIONS"
	MaxMessageRate   = "MAX_MESSAGE_RATE"
	MaxSubjectUnits  = "MAX_SUBJECT_UNITS"
	MaxPublishBytes  = "MAX_PUBLISH_BYTES"
	MaxSnapshotItems = "MAX_SNAPSHOT_ITEMS"
	MaxBatchPosts    = "MAX_BATCH_POSTS"
	ShardSize        = "SHARD_SIZE"
	MaxSubjectHolds  = "MAX_SUBJECT_HOLDS"
	MaxHolds         = "MAX_HOLDS"
	MaxDestinations  = "MAX_DESTINATIONS"
	StreamTime       = "STREAM_TIME"
	LogRetention     = "LOG_RETENTION"

	// Limits of API Gateway, which a function only tells.
	ThrottlingRate      = "THROTTLING_RATE"
	ThrottlingBurst     = "THROTTLING_BURST"
	HTTPThrottlingRate  = "HTTP_THROTTLING_RATE"
	HTTPThrottlingBurst = "HTTP_THROTTLING_BURST"
)
