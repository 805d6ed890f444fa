"""levada-ingest answering HTTP on a real Kafka: what gets in, what does not, and that answered means stored."""

import concurrent.futures
import gzip
import json
import socket
import threading
import time

import pytest
import requests

from ingest.stage import Stage
from lib.wait import eventually

HTTP = {"http": {"path": "/v1/events", "maxBatch": 1000}}


def post(stage: Stage, body, **headers: str) -> requests.Response:
    return requests.post(stage.url, data=body, headers={k.replace("_", "-"): v for k, v in headers.items()},
                         timeout=60)


def test_events_are_in_kafka_as_they_came(make_stage):
    stage = make_stage(HTTP)
    stage.start()
    one = '{ "id": "a", "at": "2024-03-01T12:34:56.789Z",\t"x": "é\\u00e9", "big": 1.10000000000000000001 }'
    answer = post(stage, one.encode(), Content_Type="application/json")
    assert answer.status_code == 200
    before = time.time()
    result = answer.json()["results"][0]
    record = stage.records()[0]
    assert record.value == one.encode()
    assert record.key == b"a"
    assert abs(record.timestamp_ms / 1000 - before) < 10  # when it came, not the event's own time
    assert (record.partition, record.offset) == (result["partition"], result["offset"])


def test_arrays_lines_and_gzip(make_stage):
    stage = make_stage(HTTP)
    stage.start()
    lines = b'{"id":"1"}\n\n{"id":2}\r\n{"id":"3","amount":NaN}\n{"id":"4"}'
    answer = post(stage, lines, Content_Type="application/x-ndjson")
    assert answer.status_code == 207
    assert [r["status"] for r in answer.json()["results"]] == ["accepted", "invalid", "invalid", "accepted"]
    assert post(stage, b'[{"id":"5"},{"id":"6"}]').json()["accepted"] == 2
    assert post(stage, gzip.compress(b'[{"id":"7"}]'), Content_Encoding="gzip").status_code == 200
    broken = post(stage, b'[{"id":"8"},{"id":"9]')
    assert broken.status_code == 400 and broken.json()["error"]
    short = requests.post(stage.url + "?results=errors", data=lines, timeout=60).json()
    assert short["accepted"] == 2 and [r["index"] for r in short["results"]] == [1, 2]
    assert sorted(event["id"] for event in stage.events()) == ["1", "1", "4", "4", "5", "6", "7"]


DEEP = b'{"id":"x","d":' + b"[" * 10_000 + b"]" * 10_000 + b"}"

BAD = {
    "broken": (b'{"id":', 400),
    "utf8": (b'{"id":"\xff\xfe"}', 400),
    "utf8 surrogate": (b'{"id":"\xed\xa0\x80"}', 400),
    "escape": (b'{"id":"\\ud800"}', 400),
    "deep": (DEEP, 400),
    "deep in an array": (b"[" + DEEP + b"]", 400),
    "brackets": (b"[" * 1_000_000, 400),
    "type": (b'{"id":"x","amount":"1"}', 400),
    "int": (b'{"id":"x","count":1.5}', 400),
    "missing key": (b'{"amount":1}', 400),
    "null key": (b'{"id":null}', 400),
    "nan": (b'{"id":"x","amount":NaN}', 400),
    "infinity": (b'{"id":"x","amount":1e999}', 400),
    "duplicate": (b'{"id":"x","id":"y"}', 400),
    "time": (b'{"id":"x","at":"31.12.2024"}', 400),
    "empty": (b"", 400),
    "blank": (b" \n ", 400),
    "no object": (b'"id"', 400),
    "bom": (b'\xef\xbb\xbf{"id":"x"}', 400),
    "50 MB": (b'{"id":"' + b"x" * 50_000_000 + b'"}', 413),
    "large event": (b'{"id":"' + b"x" * 2_000_000 + b'"}', 400),
    "many": (b'{"id":"x"}\n' * 1001, 413),
}


def test_bad_input_is_refused_and_harms_nobody(make_stage):
    stage = make_stage(HTTP)
    worker = stage.start()
    for name, (body, status) in BAD.items():
        answer = post(stage, body)
        assert answer.status_code == status, (name, answer.text[:300])
        told = answer.json()
        assert told.get("error") or told["results"][0]["error"], name
        assert len(answer.content) < 2000, name
    bomb = gzip.compress(b"0" * 200_000_000)
    assert post(stage, bomb, Content_Encoding="gzip").status_code == 413
    assert post(stage, b'{"id":"x"}', Content_Encoding="gzip").status_code == 400
    assert post(stage, b"<id/>", Content_Type="text/xml").status_code == 415
    assert post(stage, b'{"id":"x"}', Idempotency_Key="k" * 257).status_code == 400
    assert requests.get(stage.url, timeout=10).status_code == 405
    assert requests.post(stage.url + "/no", data=b"{}", timeout=10).status_code == 404
    assert post(stage, b'{"id":"good"}').status_code == 200
    assert worker.poll() is None
    assert [event["id"] for event in stage.events()] == ["good"]


@pytest.mark.parametrize("shape", [
    "2024-03-01T12:34:56Z", "2024-03-01 12:34:56.123456789", "2024-03-01T12:34:56+01:00", "2024-03-01",
    1709296496, 1709296496789, 1709296496789123, "1709296496.5", "2024-02-29T23:59:60Z",
])
def test_timestamps_of_every_shape(make_stage, shape):
    done = make_stage(HTTP).pipe(json.dumps({"id": "a", "at": shape}).encode() + b"\n")
    assert done.returncode == 0, done.stderr


def test_idempotency_key(make_stage):
    stage = make_stage(HTTP)
    stage.start()
    body = json.dumps([{"id": f"i{i}"} for i in range(500)]).encode()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(stage, body, Idempotency_Key="once"), range(24)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert post(stage, b'{"id":"other"}', Idempotency_Key="once").status_code == 422
    assert len(stage.records()) == 500


def test_rate_limit(make_stage):
    stage = make_stage({**HTTP, "maxRate": 50})
    stage.start()
    begun = time.monotonic()
    accepted = refused = 0
    while time.monotonic() < begun + 3:
        answer = post(stage, b'[{"id":"a"},{"id":"b"},{"id":"c"},{"id":"d"},{"id":"e"}]')
        if answer.status_code == 429:
            assert int(answer.headers["Retry-After"]) >= 1
            refused += 1
        else:
            accepted += answer.json()["accepted"]
    assert refused > 0
    assert 100 <= accepted <= 50 + 50 * (time.monotonic() - begun) + 5


def test_slow_clients_do_not_hold_up_others(make_stage):
    stage = make_stage(HTTP)
    stage.start()
    slow = [socket.create_connection(("127.0.0.1", stage.http_port)) for _ in range(200)]
    for connection in slow:
        connection.sendall(b"POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")
    begun = time.monotonic()
    assert post(stage, b'{"id":"quick"}').status_code == 200
    assert time.monotonic() - begun < 2
    for connection in slow:
        connection.close()


def test_drain_loses_no_answered_event(make_stage):
    stage = make_stage(HTTP)
    worker = stage.start()
    acknowledged, refusals, stop = set(), [], threading.Event()

    def client(number: int) -> None:
        session = requests.Session()
        for i in range(1_000_000):
            name = f"{number}-{i}"
            try:
                answer = session.post(stage.url, json={"id": name}, timeout=30)
            except requests.ConnectionError:
                return  # the port is closed now
            if answer.status_code == 200:
                acknowledged.add(name)
            else:
                refusals.append((answer.status_code, answer.headers.get("Retry-After"),
                                 answer.headers.get("Connection")))
            if stop.is_set():
                return

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for number in range(8):
            pool.submit(client, number)
        time.sleep(1.5)
        assert stage.drain(worker) == 0
        stop.set()
    assert len(acknowledged) > 100
    assert set(refusals) <= {(503, "1", "close")}
    ids = [event["id"] for event in stage.events()]
    assert len(ids) == len(set(ids))
    assert acknowledged <= set(ids)


def test_kafka_stalls_and_comes_back(private_kafka, tmp_path, build_dir, unique):
    stage = Stage(tmp_path, build_dir, private_kafka.address, unique,
                  {"http": {"path": "/v1/events"}, "maxEventSize": "1Mi"})
    try:
        worker = stage.start()
        assert post(stage, b'{"id":"before"}').status_code == 200
        private_kafka.pause()
        big = b'{"id":"big","x":"' + b"x" * 1_000_000 + b'"}'
        with concurrent.futures.ThreadPoolExecutor(40) as pool:
            answers = [future.result() for future in
                       [pool.submit(post, stage, big, Idempotency_Key=f"k{i}") for i in range(40)]]
        kinds = sorted({answer.status_code for answer in answers})
        assert kinds == [429, 503], kinds  # queue full at once; what was queued hears it after a while
        assert all(int(answer.headers["Retry-After"]) >= 1 for answer in answers)
        assert not stage.ready(worker)
        private_kafka.resume()
        eventually(lambda: stage.ready(worker), "it is ready again", 60)
        again = [post(stage, big, Idempotency_Key=f"k{i}") for i in range(3)]
        assert {answer.status_code for answer in again} == {200}
        assert stage.drain(worker) == 0
    finally:
        stage.close()


def test_pipe(make_stage):
    stage = make_stage(HTTP)
    done = stage.pipe(b' {"id":"a"} \n{"id":1}\n{"id":"b"}\n')
    assert done.stdout == b'{"id":"a"}\n{"id":"b"}\n'
    assert json.loads(done.stderr)["line"] == 2
    assert done.returncode == 1
    assert stage.pipe(b'{"id":"a"}\n').returncode == 0
