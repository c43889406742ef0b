// Package restapi is the only place that knows how API Gateway's REST APIs behave: proxy
// resources, REQUEST authorizers, throttles for each method, gateway responses, and Lambda
// proxy integrations, buffered or streamed.
//
//	request ── throttle ── authorizer ── function ──► answer
//	   │          │            │            │
//	   403 413    429          401 403      500 not permitted, or throttled
//	   414 431                 500          502 failed, or malformed answer
//	                                        504 no answer in time
//
// Each of these statuses is a gateway response, whose headers and body the API can change.
//
// In the transfer mode STREAM the status comes with the function's metadata, and each piece
// of the body is passed on as the function writes it. What goes wrong after that cuts the
// connection, so that the client sees an answer without its end: the function fails, writes
// nothing for 5 minutes, or is not done in time (15 minutes at most).
//
// A client that leaves does not stop the function, which is not told.
//
// What AWS does not document is a named switch in [Options] whose zero value is the strict
// reading. Different from AWS: caches of authorizers' results, binary media types, mapping
// templates, API keys and usage plans do not exist here; [New] refuses what it does not know.
//
// Sources: "Set up Lambda proxy integrations", "Stream the integration response for your
// proxy integrations", "Gateway response types" and "Amazon API Gateway quotas" in the API
// Gateway developer guide.
package restapi
