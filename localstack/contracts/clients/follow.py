"""Publishes an item and follows its topic, with the client that AsyncAPI's generator has made of
asyncapi.client.yaml. All frames pass through the models that datamodel-codegen has made of
asyncapi.yaml. Prints each change."""

import contextlib
import json
import queue
import sys
import threading

import frames
from client import WatchrouteClient
from pydantic import TypeAdapter

answer = TypeAdapter(frames.Subscribed | frames.Published | frames.Changes | frames.Error)
url, token, topic, item = sys.argv[1:]

received = queue.Queue()
opened = threading.Event()
live = WatchrouteClient(url=url, token=token)
live.on_open = lambda _: opened.set()
live.register_message_handler(received.put)
live.register_error_handler(received.put)
live.register_push_changes_handler(received.put, "type", "changes")


def receive(kind):
    """The next frame, which has to be of a type of the contract."""
    frame = answer.validate_json(received.get(timeout=20))
    if not isinstance(frame, kind):
        sys.exit(f"not {kind.__name__}, but {frame}")
    return frame


def sent(model, **members):
    """A frame to be sent, as the contract has it."""
    return model.model_validate(members).model_dump(mode="json", exclude_none=True)


with contextlib.redirect_stdout(sys.stderr):  # the client prints what it does
    live.connect()
    if not opened.wait(timeout=20):
        sys.exit("the connection was not opened")
    live.subscribe(sent(frames.Subscribe, action="subscribe", id="1", topic=topic))
    receive(frames.Subscribed)
    live.publish(sent(frames.Publish, action="publish", id="2", topic=topic, item=json.loads(item)))
    published = changes = None
    while not (published and changes):  # either may come first
        frame = receive((frames.Published, frames.Changes))
        if isinstance(frame, frames.Published):
            published = frame
        else:
            changes = frame
    live.subscribe(sent(frames.Subscribe, action="subscribe", id="3", topic="elsewhere"))
    refusal = receive(frames.Error)
    live.close()

for change in changes.changes:
    print(
        json.dumps(
            {
                "by": "push",
                "published": published.model_dump(mode="json"),
                "change": change.model_dump(mode="json", exclude_none=True),
            }
        )
    )
print(json.dumps({"by": "refusal", "code": refusal.code.value}))
