"""A receiver of webhooks that verifies them by PyPI's standardwebhooks: the same as receiver.mjs."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook

kept = []
lock = threading.Lock()


def say(**line):
    with lock:
        print(json.dumps(line), flush=True)


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        kept.append((dict((name.lower(), value) for name, value in self.headers.items()), body))
        say(got=self.headers["webhook-id"], body=body)
        message = json.loads(body)
        answer = message["challenge"].encode() if message.get("type") == "challenge" else b""
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
say(port=server.server_port)
for secret in sys.stdin:
    webhook = Webhook(secret.strip())
    for headers, body in kept:
        try:
            webhook.verify(body, headers)
            say(verified=headers["webhook-id"], valid=True)
        except Exception:
            say(verified=headers["webhook-id"], valid=False)
    say(done=True)
