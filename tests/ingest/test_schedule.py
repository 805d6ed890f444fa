"""levada-ingest making events by schedule."""

import datetime
import time

from lib.wait import eventually

FIELDS = [
    {"name": "event_id", "type": "string", "required": True},
    {"name": "id", "type": "string"},
    {"name": "event_time", "type": "timestamp", "required": True},
    {"name": "transaction_amt", "type": "double", "required": True},
]


def scheduled(make_stage, count: int):
    stage = make_stage({"schedule": {"every": "1s", "count": count, "generator": "fraud", "seed": 7}}, fields=FIELDS)
    # Its topic's key and time are other fields than the generator's.
    manifest = stage.manifest.read_text().replace("key: id", "key: event_id").replace("timestamp: at", "timestamp: event_time")
    stage.manifest.write_text(manifest)
    return stage


def test_events_follow_the_clock(make_stage):
    stage = scheduled(make_stage, 1500)
    worker = stage.start()
    eventually(lambda: len(stage.records()) >= 4500, "three runs", 30)
    assert stage.drain(worker) == 0
    records = stage.records()
    assert len(records) % 500 == 0  # of 1500 a run, in batches of at most 1000
    assert len({record.key for record in records}) == len(records)
    now = time.time() * 1000
    assert all(now - 60_000 < record.timestamp_ms <= now for record in records)


def test_runs_that_nobody_made_are_skipped(make_stage):
    stage = scheduled(make_stage, 10)
    assert_runs(stage, 2)
    before = seconds_made(stage)
    time.sleep(3)
    begun = int(time.time())
    assert_runs(stage, len(before) + 2)
    after = seconds_made(stage) - before
    assert min(after) >= begun and begun - max(before) > 2


def assert_runs(stage, runs: int) -> None:
    """A worker works until so many runs are there in all."""
    worker = stage.start()
    eventually(lambda: len(seconds_made(stage)) >= runs, f"{runs} runs")
    assert stage.drain(worker) == 0


def seconds_made(stage) -> set[int]:
    return {int(datetime.datetime.fromisoformat(event["event_time"]).timestamp()) for event in stage.events()}
