// Types of everything on the wire. Made by make contracts of the Go package events. Do not edit.

/** JSON, as items hold it. */
export type Json = null | boolean | number | string | Json[] | { [member: string]: Json }

/** Gives another token of the same subject. Answered with authorized. */
export interface Auth {
  /** What is asked for. */
  action: "auth"
  /** `token` replaces the one that the connection was made with, by auth. It must be of the same subject. */
  token: string
  /** The client's own mark; the answer carries it back. */
  id?: RequestID | null
  /**
   * `order`, from 1 to 9,007,199,254,740,991, is the request's place among those of its connection. Requests
   * that are sent one after the other may be carried out at the same time. Of those that subscribe to one
   * topic or unsubscribe from it, and of those that publish one item, the one with the highest `order`
   * counts; one that comes too late is refused with overtaken. A client numbers its requests 1, 2, 3 and so
   * on. One that it sends again keeps its number: it does not count more than what came after it.
   *
   * A request without `order` has its place by the time, in milliseconds, at which API Gateway took it.
   * Within one millisecond a subscribe counts more than an unsubscribe, and nothing else is ordered. All of
   * these come before all requests with `order`.
   */
  order?: number | null
}

/**
 * `authorized` answers auth: the new token counts from now on. Subscriptions that it does not allow have
 * ended, each with an `unsubscribed` frame before this one; those that it shows otherwise go on with a
 * `reset`.
 */
export interface Authorized {
  /** Tells this frame from others. */
  type: "authorized"
  /** The id of the auth that this answers. */
  id?: RequestID
  /** When the new token expires. */
  expires: Time
  /**
   * `views` has what the connection is subscribed to, each with its view as in `subscribed`. So a client
   * finds out if frames before this one were lost.
   */
  views?: Record<TopicOrPattern, string>
}

/** Where a snapshot goes on. Only the service can read it. */
export type Bookmark = string

/** The first message to a webhook. It is answered with the text, or with a ChallengeAnswer. */
export interface Challenge {
  /** Tells it from frames. */
  type: "challenge"
  /** A random text, to be repeated. */
  challenge: string
}

/** Repeats a Challenge. */
export interface ChallengeAnswer {
  /** The text of the challenge. */
  challenge: string
}

/**
 * One change of one item, numbered within its topic.
 *
 * Within one epoch `seq` is dense: 1, 2, 3 …. The same change may arrive more than once, always with the
 * same `epoch` and `seq`; a watcher drops what it has seen and knows from a gap that it missed something.
 *
 * An item whose time to live has passed is not shown to new watchers, while others hold it until it is
 * deleted. If it is changed before that and lives on, it is `added` to all of them with its whole `data`,
 * which replaces what is held. If a change leaves it expired, it is `removed`, and perhaps once more when it
 * is deleted. So `added` may come for an item that is held, and `removed` for one that is not.
 *
 * A watcher that does not see everything, by its filter or its token's, sees an item that begins to match as
 * added and one that ceases to as removed. In place of changes that it does not see it gets one that is
 * `skipped`, from `seq` to `to`, with nothing else but `costly`. The same stands in place of changes that a
 * later one of their item supersedes, for a watcher that asked for `latest`. Such a watcher treats `added`
 * and `modified` alike, because it may not hold an item that is `modified`.
 */
export interface Change {
  /** The topic that the item is in. */
  topic: Topic
  /** Names the life of the topic's numbering. */
  epoch: Epoch
  /** The number of the change in its topic. */
  seq: number
  /** The last of several that are `skipped`. */
  to?: number
  /** What happened to the item. */
  op: Op
  /** The id of the item; left out if `skipped`. */
  id?: ItemID
  /** When the item was written; left out if `skipped`. */
  time?: Time
  /**
   * The item's whole new state, or its last one if it was removed: a JSON object. Numbers keep all their
   * digits, sets are sorted arrays, and binary data is base64.
   */
  data?: Record<string, Json>
  /**
   * `patch` comes instead of `data`, for a watcher that asked for delta, if an item was modified and this is
   * shorter: what turns its last state into the new one, as a JSON merge patch (RFC 7396).
   */
  patch?: Record<string, Json>
  /**
   * `mark` names the publication of a client that made the change. The answer to it, `published`, has the
   * same mark. A repetition with the same `key` has the same mark, too. It tells nobody else who has
   * published, and no two items share one.
   */
  mark?: string
  /**
   * `expired` marks a removal made by DynamoDB's time to live, or by a write that has left the item with a
   * time to live that has passed.
   */
  expired?: boolean
  /**
   * `large` marks a change without `data`, because `data` did not fit into a frame of 131,072 bytes. The
   * table Events has it whole.
   */
  large?: boolean
  /**
   * `costly` marks changes that are `skipped` because the watcher's filter and fields would cost too much on
   * them: at least one of them was not looked at. The watcher may be one that would see it. The next change
   * is looked at as usual.
   */
  costly?: boolean
}

/** `changes` brings changes, in order within each topic. */
export interface Changes {
  /** Tells this frame from others. */
  type: "changes"
  /** The changes in order within each topic. */
  changes: Change[]
}

/** The claim watchroute of a token: what its client may do. */
export interface Claim {
  /** The version of the claim. */
  v: 1
  /** The first rule that names the topic and the action decides. What no rule names is not allowed. */
  allow: Rule[]
  /** For how many seconds a destination lives that is registered or renewed with the token. */
  deliverFor?: number
}

/** A frame that a client sends. */
export type ClientFrame = Subscribe | Unsubscribe | SnapshotRequest | Publish | Ping | Auth

/** A change, or a test, as a CloudEvent 1.0 in the JSON format. */
export interface CloudEvent {
  /** The version of CloudEvents. */
  specversion: "1.0"
  /** topic@epoch:seq: the same whenever the change is sent again. */
  id: string
  /** The service. */
  source: string
  /** What happened. */
  type: "watchroute.added" | "watchroute.modified" | "watchroute.removed" | "watchroute.test"
  /** The topic; of a test what the destination watches. */
  topic: TopicOrPattern
  /** The id of the item. */
  subject?: string
  /** The subject is percent-encoded, as CloudEvents allow fewer characters than ids have. */
  subjectescaped?: boolean
  /** The number of the change in its topic, with zeros before it, so that it sorts as text. */
  sequence?: string
  /** When the item was written. */
  time?: Time
  /** The type of the data. */
  datacontenttype?: "application/json"
  /** The item's whole new state, or its last one if it was removed. */
  data?: Record<string, Json>
  /** The item was removed because its time was over. */
  expired?: boolean
  /** The data is left out because it is too large. */
  large?: boolean
}

/** Tells errors apart. A service of a later version may have more. */
export type Code =
  | "bad_cursor"
  | "bad_item"
  | "bad_json"
  | "bad_request"
  | "bad_token"
  | "bad_topic"
  | "exists"
  | "forbidden"
  | "internal"
  | "method_not_allowed"
  | "not_acceptable"
  | "not_connected"
  | "not_found"
  | "overtaken"
  | "reset"
  | "revoked"
  | "token_expired"
  | "too_large"
  | "too_many_connections"
  | "too_many_destinations"
  | "too_many_holds"
  | "too_many_requests"
  | "too_many_subscriptions"
  | "too_many_topics"
  | "unavailable"
  | "unknown_action"
  | "unsupported_type"
  | (string & {})

/**
 * A place in a topic, written epoch:seq: everything up to and including the change seq of that epoch. :0 is
 * the place before the first change of a topic that has had none.
 */
export type Cursor = string

/** A place that changes are delivered to, as its owner sees it. */
export interface Destination {
  /** The id by which it is asked for: dst_ and letters and digits. */
  id: string
  /** The topic or pattern whose changes it gets. */
  topic: TopicOrPattern
  /** The url that messages are posted to. */
  url: string
  /** An EventBridge event pattern: only the items that match. */
  filter?: Record<string, Json>
  /** Only these members of the items' data. */
  fields?: string[]
  /** How changes are written: changes, cloudevents or cloudevents-batch. */
  format: string
  /** How many changes one message has at most. */
  batch: number
  /** When it was registered. */
  created: Time
  /** When it ends by itself. */
  expires: Time
  /**
   * `disabled` says why nothing is delivered: paused, gone (it answered 410), failing (for three days) or
   * ended (its token was revoked, or its time is over). Its cursors stay.
   */
  disabled?: string
  /** `unverified` says that it has not answered the challenge yet, so nothing is sent. */
  unverified?: boolean
  /**
   * `failing` says that it fails as a whole: ten of its topics are tried, and one other every five minutes,
   * until one is taken.
   */
  failing?: boolean
  /**
   * What its messages are signed with, whsec_…; only in the answer to POST /destinations, and to GET and
   * POST /destinations/{id}/secret.
   */
  secret?: string
  /** When it got another secret. For a day its messages are signed with the one before, too. */
  rotated?: Time
  /** The last test, see DestinationTest. */
  test?: DestinationTest
  /** `standings` say how far it has come, topic by topic; only in the answer to GET /destinations/{id}. */
  standings?: DestinationStanding[]
  /** The topic to ask on with, as ?after=, if there are more standings. */
  next?: string
}

/**
 * The body of PATCH /destinations/{id}: the settings that change. null takes the filter and the fields away,
 * and leaves another setting as it is.
 */
export interface DestinationChange {
  /** https, at most 2,048 bytes; it must answer a challenge. */
  url?: string | null
  /** An EventBridge event pattern on the items' data: only the items that match are delivered. */
  filter?: Record<string, Json> | null
  /** Only these members of the items' data are delivered. */
  fields?: string[] | null
  /** How changes are written: changes (the default), cloudevents or cloudevents-batch. */
  format?: "changes" | "cloudevents" | "cloudevents-batch" | null | ""
  /**
   * How many changes one message has at most, from 1 to 100. 0 is the default: 100, and 1 for cloudevents.
   */
  batch?: number | null
}

/** The data of an item below @destinations. */
export interface DestinationNotice {
  /** What is wrong: retrying (a topic is tried again) or disabled (nothing is delivered) */
  state: "retrying" | "disabled"
  /** `reason` says why it is disabled: paused, gone, failing or ended, as in Destination. */
  reason?: string
  /**
   * `failures` counts the attempts that have failed in a row, since `since`. The next one is made at
   * `retryAt`.
   */
  failures?: number
  /** When the first of the failed attempts was made. */
  since?: Time
  /** When the next attempt is made. */
  retryAt?: Time
  /** `lastStatus` and `lastError` are of the last attempt, as in DestinationStanding. */
  lastStatus?: number
  /** What the last attempt failed with. */
  lastError?: string
  /** The cursor up to which everything has been taken. */
  cursor?: Cursor
}

/**
 * The body of POST /destinations: where the changes of a topic, or of all topics of a pattern, are to be
 * delivered.
 */
export interface DestinationRequest {
  /** The topic or a pattern. */
  topic: TopicOrPattern
  /** https, at most 2,048 bytes; it must answer a challenge. */
  url: string
  /** An EventBridge event pattern on the items' data: only the items that match are delivered. */
  filter?: Record<string, Json> | null
  /** Only these members of the items' data are delivered. */
  fields?: string[] | null
  /** How changes are written: changes (the default), cloudevents or cloudevents-batch. */
  format?: "changes" | "cloudevents" | "cloudevents-batch" | null | ""
  /**
   * How many changes one message has at most, from 1 to 100. 0 is the default: 100, and 1 for cloudevents.
   */
  batch?: number | null
}

/** How far a destination has come in a topic. */
export interface DestinationStanding {
  /** The topic whose changes these are; the pattern while its challenge fails. */
  topic: TopicOrPattern
  /** The cursor up to which everything has been taken. */
  cursor: Cursor
  /** It is being sent the topic's items after a reset. */
  items?: boolean
  /**
   * How many changes there are after the cursor, as of about a second ago. It is left out if there are none,
   * and while the topic's numbering has begun anew.
   */
  behind?: number
  /**
   * `disabled` says why nothing of this topic is delivered: failing (for three days, while others were
   * taken).
   */
  disabled?: string
  /**
   * `failures` counts the attempts that have failed in a row, since `since`. The next one is made at
   * `retryAt`.
   */
  failures?: number
  /** When the first of the failed attempts was made. */
  since?: Time
  /** When the next attempt is made. */
  retryAt?: Time
  /** When the last attempt was made. */
  lastAt?: Time
  /** The last status that it was answered with, if that was not 2xx. */
  lastStatus?: number
  /** What it failed with. */
  lastError?: string
}

/** What has become of a test: the answer to POST /destinations/{id}/test, and a part of Destination. */
export interface DestinationTest {
  /** The id of the message, its webhook-id. */
  id: string
  /** When it was asked for. */
  asked: Time
  /**
   * When the destination had answered; left out as long as nothing was sent. `status`, of an answer that is
   * not 2xx, and `error` are left out if it has taken the message.
   */
  at?: Time
  /** The status that it was answered with, if that is not 2xx. */
  status?: number
  /** What it failed with. */
  error?: string
  /** The milliseconds that the answer took. */
  milliseconds?: number
}

/** The answer to GET /destinations. */
export interface Destinations {
  /** The destinations of the subject of the token. */
  destinations: Destination[]
}

/** The name of one life of the topic's numbering. Empty for a topic that never had a change. */
export type Epoch = string

/**
 * `error` answers a request that was not carried out; nothing was half done. The connection stays open unless
 * the code says that it is closed. API Gateway's own error frames have no "type".
 */
export interface Error {
  /** Tells this frame from others. */
  type: "error"
  /** The id of the request that this answers. */
  id?: RequestID
  /** Tells errors apart, and does not change. */
  code: Code
  /** For people; it may change. */
  message: string
  /** The topic that the request was about. */
  topic?: string
}

/**
 * `expiring` warns that the token expires soon: send auth with a new one. Some time after it has expired the
 * subscriptions end and the connection is closed, with an `error` of token_expired before.
 */
export interface Expiring {
  /** Tells this frame from others. */
  type: "expiring"
  /** When the token expires. */
  at: Time
}

/**
 * What API Gateway itself says when a message or request did not come through, as it was throttled or the
 * function failed. It has no type and no code. The client sends the message again, later each time.
 */
export interface GatewayError {
  /** What is wrong, such as Internal server error or Too Many Requests. */
  message: string | null
  /** API Gateway's name for the connection. */
  connectionId?: string
  /** API Gateway's name for the message. */
  requestId?: string
}

/** One resource of a topic, as a snapshot shows and publish takes it. */
export interface Item {
  /** Names the item in its topic. */
  id: ItemID
  /** A JSON object. */
  data?: Record<string, Json>
  /** `large` marks an item of a snapshot whose data did not fit into a frame. */
  large?: boolean
}

/** The id of an item in its topic: UTF-8 without control characters. */
export type ItemID = string

/**
 * The HTTP answer to a GET of a pattern: the first page of the items of each topic, in an order that does not
 * change. The further pages of a topic are read by the topic's own name.
 */
export interface ItemsBelow {
  /** The pattern. */
  topic: TopicOrPattern
  /** Marks what is seen of the topics, as in `subscribed`. */
  view?: string
  /** Each with its first page. */
  topics: TopicItems[]
  /** The value of ?next= for more topics; empty if there are none. */
  next?: string
}

/** Members of the data that are hidden. */
export interface Mask {
  /** Paths of members that are left out, such as supplier.iban. */
  omit?: string[]
  /** Values for members that are there, by their paths: a text, number, boolean or null. */
  replace?: Record<string, string | number | boolean | null>
}

/** The data of the item that stands for a member. */
export interface Member {
  /** What the member calls itself. */
  name: MemberName
  /** When it came. */
  since: Time
  /**
   * When the member is not present any more, unless its presence is renewed. Watchers drop it then by
   * themselves, because the item may stay for days.
   */
  until: Time
}

/** The data of the item "@count". */
export interface MemberCount {
  /** How many members there are. */
  count: number
  /** When the count is not true any more, unless it is renewed. */
  until: Time
}

/** What a member calls itself. Nobody verifies it. */
export type MemberName = string

/** An item to be put or removed. A put without an id makes one up. */
export interface NewItem {
  /** Names the item in its topic. */
  id?: ItemID | null
  /** A JSON object. */
  data?: Record<string, Json>
}

/** What happened to the item; skipped stands in place of changes that the watcher does not see. */
export type Op = "added" | "modified" | "removed" | "skipped"

/** Keeps the connection, and asks what was missed. Answered with pong. */
export interface Ping {
  /** What is asked for. */
  action: "ping"
  /** The client's own mark; the answer carries it back. */
  id?: RequestID | null
  /**
   * Where the client stands in its topics, at most 500. A ping with them is answered with where the topics
   * stand, after what the client misses. The cursor of a pattern is ":0".
   */
  cursors?: Record<TopicOrPattern, Cursor> | null
}

/**
 * `pong` answers ping. If the ping gave cursors, `cursors` says where those topics stand. A pattern among
 * them stands at ":0", and all topics below it are there, too. Topics that the connection is not subscribed
 * to are left out: subscribe to them again. What the client missed comes before the pong, as far as one
 * answer goes (10,000 changes, 5,242,880 bytes). A client that is still behind pings again.
 */
export interface Pong {
  /** Tells this frame from others. */
  type: "pong"
  /** The id of the ping that this answers. */
  id?: RequestID
  /** Where the topics stand, by their names. */
  cursors?: Record<TopicOrPattern, Cursor>
  /**
   * `more` says that there are more topics than one frame names (500). The client learns of them when they
   * next change.
   */
  more?: boolean
}

/** The part of `subscribed` that answers a request for presence. */
export interface Presence {
  /**
   * For how long the client's subject is present without a ping, in milliseconds. A ping whose cursors name
   * the topic renews it.
   */
  leaseMs: number
}

/** PresenceRequest asks subscribe to be a member of the topic for as long as the subscription lasts. */
export interface PresenceRequest {
  /**
   * What the client calls itself: 1 to 128 bytes of UTF-8 without control characters. Nobody verifies it, and
   * several members may have the same.
   */
  name: MemberName
}

/**
 * An error as HTTP answers it, of the content type application/problem+json.
 *
 * Source: RFC 9457.
 */
export interface Problem {
  /** Always about:blank: the code says what is wrong. */
  type: "about:blank"
  /** The title of the status. */
  title: string
  /** The same as the answer's. */
  status: number
  /** Tells errors apart, and does not change. */
  code: Code
  /** For people; it may change. */
  detail?: string
  /** The topic that the request was about. */
  topic?: string
  /**
   * `reason` says why what was missed cannot be told, if the code is reset. The client reads the items anew.
   */
  reason?: ResetReason
}

/** Puts an item, or removes one. Answered with published. */
export interface Publish {
  /** What is asked for. */
  action: "publish"
  /**
   * What the request is about. Subscribe, unsubscribe and snapshot take a pattern, too. There is no `after`
   * of a pattern.
   */
  topic: Topic
  /**
   * What publish puts or removes. Without an id, a put makes one up that sorts by time: so a feed is appended
   * to.
   */
  item: NewItem
  /** The client's own mark; the answer carries it back. */
  id?: RequestID | null
  /**
   * `order`, from 1 to 9,007,199,254,740,991, is the request's place among those of its connection. Requests
   * that are sent one after the other may be carried out at the same time. Of those that subscribe to one
   * topic or unsubscribe from it, and of those that publish one item, the one with the highest `order`
   * counts; one that comes too late is refused with overtaken. A client numbers its requests 1, 2, 3 and so
   * on. One that it sends again keeps its number: it does not count more than what came after it.
   *
   * A request without `order` has its place by the time, in milliseconds, at which API Gateway took it.
   * Within one millisecond a subscribe counts more than an unsubscribe, and nothing else is ordered. All of
   * these come before all requests with `order`.
   */
  order?: number | null
  /** Empty for a publish that puts the item, "remove" for one that deletes it. */
  op?: "remove" | null | ""
  /**
   * `key` names a publication, the same when it is repeated, also on another connection: a text of up to 128
   * bytes that the client makes up at random. The repetition of a put that is in the table makes no second
   * change. Without it every request is another publication.
   */
  key?: RequestID | null
  /**
   * When the item that publish puts expires, in seconds since 1970: after now, and within 3650 days. DynamoDB
   * deletes it within a few days after that, which makes a change, and snapshots leave it out at once. 0 is
   * never. Without it, an item keeps the time that it has, unless that is over.
   */
  expiresAt?: number | null
}

/** The body of a POST to a topic: one item, or several. */
export interface PublishRequest {
  /** Names the item in its topic. */
  id?: ItemID | null
  /** A JSON object. */
  data?: Record<string, Json>
  /**
   * When the item expires, in seconds since 1970: after now, and within 3650 days. 0 is never. Without it, an
   * item keeps the time that it has, unless that is over.
   */
  expiresAt?: number | null
  /** Several items, in place of one. */
  items?: PublishedItem[]
}

/** PublishResult answers for an item: that it is in the Events table, or why not. */
export interface PublishResult {
  /** The id of the item. */
  id?: string
  /** The mark that the change will have. */
  mark?: string
  /** Why the item is not in the table. */
  error?: Problem
}

/** PublishResults answers for several items, in their order. */
export interface PublishResults {
  /** The topic that the items are in. */
  topic: Topic
  /** One for each item, in their order. */
  results: PublishResult[]
}

/**
 * `published` answers publish: the item is in the Events table (or gone from it), and its change is on its
 * way to the watchers.
 */
export interface Published {
  /** Tells this frame from others. */
  type: "published"
  /** The id of the publish that this answers. */
  id?: RequestID
  /** The topic that the item is in. */
  topic: Topic
  /** The item's id, without its data. */
  item: Item
  /**
   * The mark of the Change that the put makes. A put that finds the item as it should be makes no change. A
   * removal has no mark.
   */
  mark?: string
}

/** An item as it is published. Without an `id`, one is made up that sorts by time. */
export interface PublishedItem {
  /** Names the item in its topic. */
  id?: ItemID | null
  /** A JSON object. */
  data?: Record<string, Json>
  /**
   * When the item expires, in seconds since 1970: after now, and within 3650 days. 0 is never. Without it, an
   * item keeps the time that it has, unless that is over.
   */
  expiresAt?: number | null
}

/**
 * `reconnect` asks the client to move to a new connection, as this one will be cut soon. Everyone is given
 * another delay, so that not all move at once.
 */
export interface Reconnect {
  /** Tells this frame from others. */
  type: "reconnect"
  /** How long to wait before, in milliseconds. */
  delayMs: number
}

/** The body of POST /destinations/{id}/replay. */
export interface ReplayRequest {
  /** `topic` may be left out if the destination watches a topic and no pattern. */
  topic?: Topic | null
  /**
   * One of these: the cursor after which, or the time (RFC 3339) from which all is delivered again. A time
   * brings up to a second more.
   */
  after?: Cursor | null
  /** A time in place of the cursor. */
  from?: Time | null
}

/** A client's own mark on a request. */
export type RequestID = string

/**
 * `reset` voids what the client holds of a topic: what it missed cannot be told any more. In the answer to a
 * subscribe the topic's items follow as `snapshot` frames; after a ping or an auth, or to have them again,
 * ask for them with snapshot.
 */
export interface Reset {
  /** Tells this frame from others. */
  type: "reset"
  /** The id of the request that this answers, if it was asked for. */
  id?: RequestID
  /** The topic that the client starts over with. */
  topic: TopicOrPattern
  /** Why what was missed cannot be told. */
  reason: ResetReason
}

/**
 * Why what a client missed cannot be told: retention has passed for a part of it, the numbering has begun
 * anew, it is too much, the cursor is beyond the latest change, or another view is seen.
 */
export type ResetReason = "expired" | "epoch" | "limit" | "ahead" | "view"

/** What a token allows, and what is seen of it. */
export interface Rule {
  /** Topics and patterns: * is one segment, ** at the end any number, {sub} the token's subject. */
  topics: string[]
  /** What is allowed. */
  actions: "subscribe" | "read" | "publish" | "deliver" | "join"[]
  /** An EventBridge event pattern that the item's whole data must have to be seen. */
  filter?: Record<string, Json>
  /** What is left out or replaced. */
  mask?: Mask
}

/** A frame that the service sends. A service of a later version may send others, which clients ignore. */
export type ServerFrame =
  | Subscribed
  | Unsubscribed
  | Published
  | Pong
  | Snapshot
  | Changes
  | Reset
  | Reconnect
  | Authorized
  | Expiring
  | Error

/**
 * `snapshot` holds items of a topic as they stand at the cursor, in the order of their ids. It comes in
 * frames, each of which says where it begins and where the next one does, so that a client sees when one is
 * missing and can ask for it. The cursor, the same in all of them, counts once the last has arrived. An item
 * may already show a change after the cursor; that change is then pushed as well.
 *
 * For a pattern, each topic's frames come as they would for the topic alone, in the view of the pattern, one
 * topic after the other. A topic whose last frame has a `next` is asked on for by its own name. Then comes
 * one frame whose `topic` is the pattern, without items and cursor. Its `next` is where more topics go on, to
 * be asked for by the pattern; it is empty if there are no more. Topics that come into being meanwhile may be
 * left out, as their changes are pushed from the first one on.
 */
export interface Snapshot {
  /** Tells this frame from others. */
  type: "snapshot"
  /** The id of the request that this answers. */
  id?: RequestID
  /** The topic that the items are in, or the pattern. */
  topic: TopicOrPattern
  /** Names the life of the topic's numbering. */
  epoch: Epoch
  /** The number of the latest change that the cursor includes. */
  seq: number
  /** The `next` of the frame before; empty in the first. */
  from?: Bookmark
  /** The items in the order of their ids. */
  items: Item[]
  /**
   * How many more items there are on this frame's page that were not looked at, because the filter and fields
   * of the request would cost too much on them. Some of them may have expired.
   */
  costly?: number
  /** Another frame follows by itself. */
  more: boolean
  /** Where the snapshot goes on; empty in the last frame. Ask on with it if `more` is false. */
  next?: Bookmark
}

/** Asks for the items of a topic, or of all topics of a pattern. Answered with snapshot. */
export interface SnapshotRequest {
  /** What is asked for. */
  action: "snapshot"
  /**
   * What the request is about. Subscribe, unsubscribe and snapshot take a pattern, too. There is no `after`
   * of a pattern.
   */
  topic: TopicOrPattern
  /** The client's own mark; the answer carries it back. */
  id?: RequestID | null
  /**
   * An EventBridge event pattern on the items' data. Only items that match are seen, if the token lets them
   * through.
   */
  filter?: Record<string, Json> | null
  /** The members of the items' data that are seen, if not all. */
  fields?: string[] | null
  /** Where a snapshot goes on: the `next` of the last `snapshot` frame of the topic, or of the pattern. */
  next?: string | null
}

/**
 * The HTTP answer to a GET of a pattern with ?after=now: where its topics stand. Later changes are read topic
 * by topic.
 */
export interface StandBelow {
  /** The pattern. */
  topic: TopicOrPattern
  /** Marks what is seen of the topics, as in `subscribed`. */
  view?: string
  /** `cursors` says where the topics stand, by their names. It is there even if there are none. */
  cursors: Record<TopicOrPattern, Cursor>
  /** There are more topics than 500. */
  more?: boolean
}

/** Asks for the changes of a topic, or of all topics of a pattern. Answered with subscribed. */
export interface Subscribe {
  /** What is asked for. */
  action: "subscribe"
  /**
   * What the request is about. Subscribe, unsubscribe and snapshot take a pattern, too. There is no `after`
   * of a pattern.
   */
  topic: TopicOrPattern
  /** The client's own mark; the answer carries it back. */
  id?: RequestID | null
  /**
   * `order`, from 1 to 9,007,199,254,740,991, is the request's place among those of its connection. Requests
   * that are sent one after the other may be carried out at the same time. Of those that subscribe to one
   * topic or unsubscribe from it, and of those that publish one item, the one with the highest `order`
   * counts; one that comes too late is refused with overtaken. A client numbers its requests 1, 2, 3 and so
   * on. One that it sends again keeps its number: it does not count more than what came after it.
   *
   * A request without `order` has its place by the time, in milliseconds, at which API Gateway took it.
   * Within one millisecond a subscribe counts more than an unsubscribe, and nothing else is ordered. All of
   * these come before all requests with `order`.
   */
  order?: number | null
  /** The cursor, epoch:seq, that a subscribe goes on from. What was missed since then follows the answer. */
  after?: Cursor | null
  /**
   * What the client has seen up to `after`: the view in its `subscribed`, or "whole" if that had none. If it
   * would see another view now, the answer is a `reset`, because what it has and what follows would not fit
   * together. `latest` before and `delta` now do not fit either. Without `view`, nothing is compared.
   */
  view?: string | null
  /**
   * An EventBridge event pattern on the items' data. Only items that match are seen, if the token lets them
   * through.
   */
  filter?: Record<string, Json> | null
  /** The members of the items' data that are seen, if not all. */
  fields?: string[] | null
  /** `delta` asks subscribe for merge patches where they are shorter. */
  delta?: boolean | null
  /**
   * `latest` asks subscribe for conflation: where several changes of an item would come at once, such as in
   * what was missed, only the last one comes, and the others are `skipped`. It excludes `delta`.
   */
  latest?: boolean | null
  /**
   * `snapshot` asks subscribe for the topic's current items as well, or for those of all topics of a pattern.
   */
  snapshot?: boolean | null
  /**
   * `presence` asks subscribe to make the client's subject a member of the topic. Others see the members of
   * rooms/1 as the items of the topic @presence/rooms/1. The token must allow the action join.
   */
  presence?: PresenceRequest | null
}

/**
 * `subscribed` answers subscribe: from now on every change after the cursor is pushed. `epoch` is empty and
 * `seq` 0 for a topic that never had a change, and for a pattern. A stream over HTTP that does not begin with
 * items begins with it, too: the stream goes on from the cursor. For several topics or a pattern, `cursors`
 * has all cursors.
 */
export interface Subscribed {
  /** Tells this frame from others. */
  type: "subscribed"
  /** The id of the subscribe that this answers. */
  id?: RequestID
  /** The topic or pattern that is watched now. */
  topic: TopicOrPattern
  /** Names the life of the topic's numbering. */
  epoch: Epoch
  /** The number of the latest change that the cursor includes. */
  seq: number
  /**
   * `recovered` answers a subscribe with a cursor: all changes from that one to this follow, none is missing.
   * Without it, a `reset` follows.
   */
  recovered?: boolean
  /**
   * `view` marks what is seen of the topic, by the token and the request; empty for all of it. With `latest`
   * it is another mark, and never empty. A client that goes on from a cursor, by `after`, sends it along as
   * `view`.
   */
  view?: string
  /** `presence` answers a subscribe that asks for it. */
  presence?: Presence
  /** Where the topics stand, by their names. */
  cursors?: Record<TopicOrPattern, Cursor>
  /**
   * `more` says that there are more topics than one frame names (500). The client learns of them when they
   * next change.
   */
  more?: boolean
}

/**
 * The message that POST /destinations/{id}/test sends. In the CloudEvents formats it is an event of the type
 * watchroute.test instead, whose data it is.
 */
export interface Test {
  /** Tells a test from frames. */
  type: "test"
  /** The id of the destination. */
  destination: string
  /** The topic or pattern that the destination watches. */
  topic: TopicOrPattern
  /** When it was asked for. */
  time: Time
}

/** A time of RFC 3339, in UTC with milliseconds where the service writes it. */
export type Time = string

/**
 * A topic: 1 to 8 segments of letters, digits and _ - . : @ (ASCII), separated by slashes, such as
 * stocks/AAPL. A first segment that begins with @ is the service's, and does not count.
 */
export type Topic = string

/** The HTTP answer to a GET of a topic with ?after=: the changes after that cursor, in order. */
export interface TopicChanges {
  /** The topic that was read. */
  topic: Topic
  /** The cursor to go on from. */
  cursor: Cursor
  /** Marks what is seen of the topic, as in `subscribed`. */
  view?: string
  /** The changes in order. */
  changes: Change[]
  /** There are more changes, to be read at once from the cursor. */
  more?: boolean
}

/** The HTTP answer to a GET of a topic: a page of the topic's items, in the order of their ids. */
export interface TopicItems {
  /** The topic that was read. */
  topic: Topic
  /**
   * Where the items are true, once the last page is read: what comes after it is read with ?after=. An item
   * may already show a change after the cursor.
   */
  cursor: Cursor
  /** `view` marks what is seen of the topic, as in `subscribed`. */
  view?: string
  /** The items in the order of their ids. */
  items: Item[]
  /** How many more items there are on the page that were not looked at, as in `snapshot`. */
  costly?: number
  /** The value of ?next= for the next page; empty in the last. */
  next?: Bookmark
}

/**
 * A topic, or a pattern: stocks/* is all topics of one more segment, stocks/** those of any number more, and
 * stocks itself.
 */
export type TopicOrPattern = string

/** Ends a subscription. Answered with unsubscribed. */
export interface Unsubscribe {
  /** What is asked for. */
  action: "unsubscribe"
  /**
   * What the request is about. Subscribe, unsubscribe and snapshot take a pattern, too. There is no `after`
   * of a pattern.
   */
  topic: TopicOrPattern
  /** The client's own mark; the answer carries it back. */
  id?: RequestID | null
  /**
   * `order`, from 1 to 9,007,199,254,740,991, is the request's place among those of its connection. Requests
   * that are sent one after the other may be carried out at the same time. Of those that subscribe to one
   * topic or unsubscribe from it, and of those that publish one item, the one with the highest `order`
   * counts; one that comes too late is refused with overtaken. A client numbers its requests 1, 2, 3 and so
   * on. One that it sends again keeps its number: it does not count more than what came after it.
   *
   * A request without `order` has its place by the time, in milliseconds, at which API Gateway took it.
   * Within one millisecond a subscribe counts more than an unsubscribe, and nothing else is ordered. All of
   * these come before all requests with `order`.
   */
  order?: number | null
}

/**
 * `unsubscribed` answers unsubscribe, also for a topic that was not subscribed. `changes` that were under way
 * may still arrive after it. With a `reason` it was not asked for: the service has ended the subscription.
 */
export interface Unsubscribed {
  /** Tells this frame from others. */
  type: "unsubscribed"
  /** The id of the unsubscribe that this answers. */
  id?: RequestID
  /** The topic or pattern that is not watched any more. */
  topic: TopicOrPattern
  /** Why it was not asked for: forbidden if a new token does not allow it. */
  reason?: Code
}
