package apigateway

import (
	"encoding/json"
	"net/url"
	"time"
)

// event is what a route's function is given. CONNECT, MESSAGE and DISCONNECT
// differ in which members are present; the order is API Gateway's.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-integration-requests.html
type event struct {
	Headers          map[string]string   `json:"headers,omitempty"`
	MultiHeaders     map[string][]string `json:"multiValueHeaders,omitempty"`
	QueryString      map[string]string   `json:"queryStringParameters,omitempty"`
	MultiQueryString map[string][]string `json:"multiValueQueryStringParameters,omitempty"`
	StageVariables   map[string]string   `json:"stageVariables,omitempty"`
	RequestContext   requestContext      `json:"requestContext"`
	Body             *string             `json:"body,omitempty"`
	IsBase64Encoded  bool                `json:"isBase64Encoded"`
}

// authorizerEvent is what a REQUEST authorizer is given. Unlike in an event,
// maps without entries are present.
type authorizerEvent struct {
	Type             string              `json:"type"`
	MethodARN        string              `json:"methodArn"`
	Headers          map[string]string   `json:"headers"`
	MultiHeaders     map[string][]string `json:"multiValueHeaders"`
	QueryString      map[string]string   `json:"queryStringParameters"`
	MultiQueryString map[string][]string `json:"multiValueQueryStringParameters"`
	StageVariables   map[string]string   `json:"stageVariables"`
	RequestContext   requestContext      `json:"requestContext"`
}

type requestContext struct {
	RouteKey             string          `json:"routeKey"`
	Authorizer           json.RawMessage `json:"authorizer,omitempty"`
	MessageID            string          `json:"messageId,omitempty"`
	DisconnectStatusCode int             `json:"disconnectStatusCode,omitempty"`
	EventType            string          `json:"eventType"`
	ExtendedRequestID    string          `json:"extendedRequestId"`
	RequestTime          string          `json:"requestTime"`
	MessageDirection     string          `json:"messageDirection"`
	DisconnectReason     *string         `json:"disconnectReason,omitempty"`
	Stage                string          `json:"stage"`
	ConnectedAt          int64           `json:"connectedAt"`
	RequestTimeEpoch     int64           `json:"requestTimeEpoch"`
	Identity             identity        `json:"identity"`
	RequestID            string          `json:"requestId"`
	DomainName           string          `json:"domainName"`
	ConnectionID         string          `json:"connectionId"`
	APIID                string          `json:"apiId"`
}

type identity struct {
	UserAgent string `json:"userAgent,omitempty"`
	SourceIP  string `json:"sourceIp"`
}

// context is what every event of a connection says about it.
func (c *connection) context(eventType, routeKey, requestID string) requestContext {
	now := time.Now()
	return requestContext{
		RouteKey:          routeKey,
		Authorizer:        c.authorizer,
		EventType:         eventType,
		ExtendedRequestID: requestID,
		RequestTime:       now.UTC().Format("02/Jan/2006:15:04:05 -0700"),
		MessageDirection:  "IN",
		Stage:             c.g.api.Stage,
		ConnectedAt:       c.connectedAt.UnixMilli(),
		RequestTimeEpoch:  now.UnixMilli(),
		Identity:          c.identity,
		RequestID:         requestID,
		DomainName:        c.g.api.DomainName,
		ConnectionID:      c.id,
		APIID:             c.g.api.ID,
	}
}

func (c *connection) connectEvent(h *handshake) event {
	single, multi := h.headers()
	return event{
		Headers:          single,
		MultiHeaders:     multi,
		QueryString:      lastValues(h.query),
		MultiQueryString: h.query,
		StageVariables:   c.g.api.StageVariables,
		RequestContext:   c.context("CONNECT", connectKey, h.requestID),
	}
}

func (c *connection) authorizerEvent(h *handshake) authorizerEvent {
	single, multi := h.headers()
	for name, value := range map[string]string{"Connection": "upgrade", "Upgrade": "websocket", "content-length": "0"} {
		single[name], multi[name] = value, []string{value}
	}
	variables := c.g.api.StageVariables
	if variables == nil {
		variables = map[string]string{}
	}
	return authorizerEvent{
		Type:             "REQUEST",
		MethodARN:        c.g.methodARN(connectKey),
		Headers:          single,
		MultiHeaders:     multi,
		QueryString:      lastValues(h.query),
		MultiQueryString: h.query,
		StageVariables:   variables,
		RequestContext:   c.context("CONNECT", connectKey, h.requestID),
	}
}

func (c *connection) messageEvent(routeKey, requestID, body string) event {
	e := event{StageVariables: c.g.api.StageVariables, Body: &body}
	e.RequestContext = c.context("MESSAGE", routeKey, requestID)
	e.RequestContext.MessageID = newID()
	return e
}

// disconnectEvent carries nothing of the handshake but the host: what a
// function needs to know then, it must have kept.
func (c *connection) disconnectEvent(requestID string, code int, reason string) event {
	e := event{
		Headers:        map[string]string{"Host": c.g.api.DomainName, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""},
		MultiHeaders:   map[string][]string{"Host": {c.g.api.DomainName}, "x-api-key": {""}, "X-Forwarded-For": {""}, "x-restapi": {""}},
		StageVariables: c.g.api.StageVariables,
	}
	e.RequestContext = c.context("DISCONNECT", disconnectKey, requestID)
	e.RequestContext.DisconnectStatusCode = code
	e.RequestContext.DisconnectReason = &reason
	return e
}

// lastValues keeps the last of several values, as the single-value maps of
// API Gateway's events do.
func lastValues(values url.Values) map[string]string {
	single := make(map[string]string, len(values))
	for name, all := range values {
		single[name] = all[len(all)-1]
	}
	return single
}
