"""levada-ingest reading a file on a real Kafka: each line once, whatever happens to the file or the worker."""

import collections
import json
import os
import random
import signal
import time

from lib import kafka as topics
from lib.wait import eventually


def lines(first: int, count: int) -> bytes:
    return b"".join(b'{"id":"%d","amount":%d.5}\n' % (i, i % 100) for i in range(first, first + count))


def ids(stage) -> collections.Counter:
    return collections.Counter(int(event["id"]) for event in stage.events())


def test_a_file_is_read_once(make_stage, tmp_path):
    file = tmp_path / "in.ndjson"
    file.write_bytes(lines(0, 30_000) + b'{"id":"30000"}')  # the last line has no line feed
    stage = make_stage({"file": {"path": "in.ndjson"}})
    worker = stage.start()
    eventually(lambda: len(stage.records()) == 30_001, "all lines are there", 60)
    assert stage.drain(worker) == 0
    worker = stage.start()
    time.sleep(1)
    assert stage.drain(worker) == 0
    assert ids(stage) == collections.Counter(range(30_001))
    assert not stage.dead_letters()


def test_invalid_lines_are_dead_letters(make_stage, tmp_path):
    huge = b'{"id":"' + b"x" * 50_000_000 + b'"}'
    bad = [b"no json", b'{"id":7}', b'{"amount":1}', b'{"id":"\xff"}', b'{"id":"x","amount":NaN}',
           b'{"id":"a","d":' + b"[" * 10_000 + b"]" * 10_000 + b"}"]
    good = [b'{"id":"1"}', b'  {"id":"2"}\r', b'{"id":"3","at":1709292896}']
    file = tmp_path / "in.ndjson"
    file.write_bytes(b"\n".join([bad[0], good[0], *bad[1:], b"", huge, good[1], good[2], b""]))
    stage = make_stage({"file": {"path": "in.ndjson"}})
    worker = stage.start()
    dead = eventually(lambda: (found := stage.dead_letters()) and len(found) == 7 and found, "seven dead letters", 60)
    with open(f"/proc/{worker.pid}/status") as status:
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    assert peak < 200_000, f"{peak} kB for a line of 50 MB"
    assert [letter.value for letter in dead[:6]] == bad
    assert {letter.header("levada-stage") for letter in dead} == {f"{stage.topic}/in".encode()}
    assert dead[1].header("levada-error") == b"field 'id': expected a string, got 7"
    offsets = [int(letter.header("levada-offset")) for letter in dead]
    assert offsets[0] == 0 and file.read_bytes()[offsets[1]:].startswith(bad[1])
    assert dead[6].header("levada-truncated-from") == str(len(huge)).encode()
    assert dead[6].value == huge[:len(dead[6].value)] and 10_000 < len(dead[6].value) < 1_000_000
    assert b"50000009 bytes" in dead[6].header("levada-error")
    assert stage.drain(worker) == 0
    records = sorted(stage.records(), key=lambda record: record.key)
    assert [record.value for record in records] == [b'{"id":"1"}', b'{"id":"2"}', b'{"id":"3","at":1709292896}']


def test_follows_growth_rotation_and_truncation(make_stage, tmp_path):
    file = tmp_path / "in.ndjson"
    stage = make_stage({"file": {"path": "in.ndjson", "follow": True}})
    worker = stage.start()

    def append(data: bytes, path=file):
        with open(path, "ab") as out:
            out.write(data)

    def arrives(count: int):
        eventually(lambda: sum(ids(stage).values()) == count, f"{count} events", 30)

    append(lines(0, 1000) + b'{"id":')
    arrives(1000)
    append(b'"1000"}\n')
    arrives(1001)
    rotated = tmp_path / "in.ndjson.1"
    os.rename(file, rotated)
    append(lines(2000, 500))
    append(lines(1001, 99), rotated)  # its writer did not know yet
    arrives(1600)
    os.truncate(file, 0)
    append(lines(3000, 10))
    arrives(1610)
    # While nobody reads: more lines, then rotation, then a new file.
    assert stage.drain(worker) == 0
    append(lines(3010, 10))
    os.rename(file, tmp_path / "in.ndjson.2")
    append(lines(4000, 10))
    worker = stage.start()
    arrives(1630)
    assert stage.drain(worker) == 0
    expected = [*range(1100), *range(2000, 2500), *range(3000, 3020), *range(4000, 4010)]
    assert ids(stage) == collections.Counter(expected)


def test_killed_again_and_again(make_stage, tmp_path):
    seed = random.randrange(1 << 30)
    print("seed", seed)
    dice = random.Random(seed)
    file = tmp_path / "in.ndjson"
    file.write_bytes(b"")
    stage = make_stage({"file": {"path": "in.ndjson", "follow": True}})
    total = 0
    for _ in range(6):
        worker = stage.start(ready=False)
        with open(file, "ab") as out:
            out.write(lines(total, 20_000) + b"broken\n")
        total += 20_000
        time.sleep(dice.uniform(0.3, 2.5))
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    worker = stage.start()
    eventually(lambda: sum(ids(stage).values()) >= total, "all events", 90, every=1)
    assert stage.drain(worker) == 0
    assert ids(stage) == collections.Counter(range(total))
    assert [letter.value for letter in stage.dead_letters()] == [b"broken"] * 6


def test_a_second_worker_fences_the_first(make_stage, tmp_path):
    file = tmp_path / "in.ndjson"
    file.write_bytes(lines(0, 1000))
    stage = make_stage({"file": {"path": "in.ndjson", "follow": True}})
    first = stage.start()
    eventually(lambda: len(stage.records()) == 1000, "the first file", 30)
    first.send_signal(signal.SIGSTOP)  # as if it hung
    second = stage.start(control_port=stage.grpc_port)
    with open(file, "ab") as out:
        out.write(lines(1000, 5000))
    eventually(lambda: len(stage.records()) == 6000, "what the second one read", 30)
    first.send_signal(signal.SIGCONT)
    time.sleep(3)  # it finds the lines too, and may not write them twice
    for worker in (first, second):
        worker.terminate()
        worker.wait(60)
    assert ids(stage) == collections.Counter(range(6000))


def test_rate_limit(make_stage, tmp_path):
    (tmp_path / "in.ndjson").write_bytes(lines(0, 10_000))
    stage = make_stage({"file": {"path": "in.ndjson"}, "maxRate": 100})
    worker = stage.start()
    time.sleep(3)
    assert stage.drain(worker) == 0
    assert 150 <= len(stage.records()) <= 900


def test_position_is_kept_by_path(make_stage, tmp_path):
    (tmp_path / "in.ndjson").write_bytes(lines(0, 10))
    stage = make_stage({"file": {"path": "in.ndjson"}})
    worker = stage.start()
    eventually(lambda: len(stage.records()) == 10, "ten events")
    assert stage.drain(worker) == 0
    positions = topics.read_all(stage.kafka, stage.positions_topic)
    assert positions[-1].key == b"in.ndjson"
    assert json.loads(positions[-1].value)["offset"] == (tmp_path / "in.ndjson").stat().st_size
