"""levada-notify on a real Kafka and a web server that answers as it is told to."""

import collections
import hashlib
import hmac
import http.server
import json
import threading
import time

import pytest

from notify.stage import Stage, event


class Hook(http.server.ThreadingHTTPServer):
    """Answers each POST with the next of `answers` (status, headers), then 200; None: no answer."""

    def __init__(self):
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.answers: collections.deque = collections.deque()
        super().__init__(("127.0.0.1", 0), HookRequest)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class HookRequest(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((dict(self.headers), body))
        answer = self.server.answers.popleft() if self.server.answers else (200, {})
        if answer is None:
            self.close_connection = True
            return
        self.send_response(answer[0])
        for name, value in answer[1].items():
            self.send_header(name, value)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"words")

    def log_message(self, *_):
        pass


@pytest.fixture
def hook():
    server = Hook()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def hook_stage(make_stage, hook):
    def make() -> Stage:
        return make_stage(
            f"hook: {{webhook: {{url: 'http://127.0.0.1:{hook.server_port}/in', secretRef: login}}}}",
            "webhook: {via: hook, subject: 'Event', body: 'n=${string(int(n))}'}", {"secret": "s3cret"}, partitions=1)

    return make


def test_webhooks_are_signed_and_carry_the_event(hook_stage, hook):
    stage = hook_stage()
    stage.start()
    stage.write([event(1)])
    stage.wait_until_done()
    ((headers, body),) = hook.requests
    sent = json.loads(body)
    assert sent["events"] == [event(1)] and sent["subject"] == "Event" and sent["body"] == "n=1"
    assert sent["stage"] == "alert" and sent["repeat"] is False
    assert headers["Idempotency-Key"] == sent["id"]
    t, v1 = (part.split("=", 1)[1] for part in headers["Levada-Signature"].split(","))
    assert v1 == hmac.new(b"s3cret", t.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert abs(time.time() - int(t)) < 60


def test_webhook_answers_decide(hook_stage, hook):
    hook.answers.extend([(429, {"Retry-After": "2"}), (200, {}), (400, {}), (500, {}), (200, {}), None, (200, {})])
    stage = hook_stage()
    stage.start()
    began = time.monotonic()
    for n in range(4):
        stage.write([event(n)])
        stage.wait_until_done()
        if n == 0:
            assert time.monotonic() - began >= 2
    sent = [(json.loads(body)["body"], json.loads(body)["repeat"]) for _, body in hook.requests]
    assert sent == [("n=0", False), ("n=0", False), ("n=1", False), ("n=2", False), ("n=2", True), ("n=3", False),
                    ("n=3", True)]
    assert [headers.get("Levada-Repeat") for headers, _ in hook.requests[3:5]] == [None, "true"]
    (dead,) = stage.dead()
    assert json.loads(dead.value) == event(1)
    assert dead.header("levada-error") == b"the webhook answered 400: words"
