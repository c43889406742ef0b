package main

// ofDestinations begins an operation on destinations.
func ofDestinations(id, summary, description string) object {
	return object{{"operationId", id}, {"tags", []string{"destinations"}}, {"summary", summary}, {"description", description}}
}

func listing() object {
	return append(ofDestinations("listDestinations", "List destinations", "Lists all destinations of the token's subject."),
		member{"responses", answersOf("listDestinations", object{{"200", found("All of them.", "Destinations")}}, 401)})
}

func registering() object {
	return append(ofDestinations("registerDestination", "Register a destination", "Registers a URL for the changes of a topic or pattern. First it gets a challenge. When it has answered that, it gets the changes from now on. The token must allow the action deliver."),
		member{"requestBody", body("DestinationRequest")},
		member{"responses", answersOf("registerDestination", object{{"201", append(found("It is registered, and gets a challenge. The answer has the secret that messages are signed with.", "Destination"), member{"headers", object{headerOf("Location", "The destination, from the URL of this request.")}})}}, 401, 409, 415)},
		member{"callbacks", object{{"delivery", object{{"{$request.body#/url}", object{{"post", delivered("takeDeliveryOfRegistered")}}}}}}})
}

func showing() object {
	return append(ofDestinations("getDestination", "Show a destination", "Shows the settings, and for each topic how far the destination has come and what has failed."),
		member{"parameters", []object{parameter("after", "For more topics: the next of the answer before.", ofSchema("TopicOrPattern"))}},
		member{"responses", answersOf("getDestination", object{{"200", found("The destination.", "Destination")}}, 401, 404)})
}

func changing() object {
	return append(ofDestinations("changeDestination", "Change a destination", "Changes the settings that the body has, and renews the destination with the token of this request. {} only renews."),
		member{"requestBody", body("DestinationChange")},
		member{"responses", answersOf("changeDestination", object{{"200", found("The destination as it is now.", "Destination")}}, 401, 404, 415)})
}

func ending() object {
	return append(ofDestinations("removeDestination", "Remove a destination", "Nothing is delivered any more."),
		member{"responses", answersOf("removeDestination", object{{"204", object{{"description", "It is removed."}}}}, 401, 404)})
}

// asking is an operation without a body.
func asking(id, summary, description string) object {
	return append(ofDestinations(id, summary, description),
		member{"responses", answersOf(id, object{{"204", object{{"description", "It is done, or has begun."}}}}, 401, 404)})
}

func replaying() object {
	return append(ofDestinations("replayDestination", "Replay", "Delivers again what comes after a cursor, or what has changed since a time. If the log does not reach back so far, a reset and the items are delivered."),
		member{"requestBody", body("ReplayRequest")},
		member{"responses", answersOf("replayDestination", object{{"204", object{{"description", "It has begun."}}}}, 401, 404, 415)})
}

func trying() object {
	return append(ofDestinations("testDestination", "Send a test", "Sends a test message now, whatever else waits. GET of the destination shows under test how it was answered."),
		member{"responses", answersOf("testDestination", object{{"202", append(found("The test is being sent.", "DestinationTest"), member{"headers", object{headerOf("Location", "The destination, from the URL of this request.")}})}}, 401, 404)})
}

func secret(id, summary, description string) object {
	return append(ofDestinations(id, summary, description),
		member{"responses", answersOf(id, object{{"200", found("The destination, with its secret.", "Destination")}}, 401, 404)})
}

// delivered is what is posted to a destination.
func delivered(operation string) object {
	signed := func(name, description string) object {
		return append(header(name, description, text()), member{"required", true})
	}
	return object{
		{"operationId", operation}, {"tags", []string{"deliveries"}}, {"summary", "Take a delivery"},
		{"description", "What your URL gets: a message as in Standard Webhooks 1.0, for which there are libraries. Verify the signature with the secret of the destination before you read the body. Answer with 2xx within 15 seconds, or it is sent again, for three days. A message whose answer was lost comes again with the same id and body."},
		{"security", []object{}},
		{"parameters", []object{
			signed("webhook-id", "Names the message. It is the same when the message comes again."), signed("webhook-timestamp", "When it was sent, in seconds since 1970."),
			signed("webhook-signature", "v1, a comma, and the HMAC-SHA256 of id.timestamp.body in base64. While the secret is rotated there are two, with a space between them."),
		}},
		{"requestBody", object{{"required", true}, {"content", object{
			{jsonType, object{{"schema", object{{"oneOf", []object{ofSchema("Challenge"), ofSchema("Changes"), ofSchema("Reset"), ofSchema("Snapshot"), ofSchema("Test")}}}}}},
			{"application/cloudevents+json", object{{"schema", ofSchema("CloudEvent")}}},
			{"application/cloudevents-batch+json", object{{"schema", object{{"type", "array"}, {"items", ofSchema("CloudEvent")}}}}},
		}}}},
		{"responses", object{
			{"2XX", object{{"description", "The message is taken. The answer to a challenge has its text."}, {"content", object{{jsonType, object{{"schema", ofSchema("ChallengeAnswer")}}}, {"text/plain", object{{"schema", text()}}}}}}},
			{"410", object{{"description", "Deliver nothing any more: the destination is disabled."}}},
			{"default", object{{"description", "The message is tried again."}}},
		}},
	}
}
