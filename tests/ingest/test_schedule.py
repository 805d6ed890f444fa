"""levada-ingest making events by schedule."""

import time

from lib.wait import eventually

FIELDS = [
    {"name": "event_id", "type": "string", "required": True},
    {"name": "id", "type": "string"},
    {"name": "event_time", "type": "timestamp", "required": True},
    {"name": "transaction_amt", "type": "double", "required": True},
]


def test_events_follow_the_clock(make_stage):
    stage = make_stage({"schedule": {"every": "1s", "count": 1500, "generator": "fraud", "seed": 7}}, fields=FIELDS)
    # Its topic's key and time are other fields than the generator's.
    manifest = stage.manifest.read_text().replace("key: id", "key: event_id").replace("timestamp: at", "timestamp: event_time")
    stage.manifest.write_text(manifest)
    worker = stage.start()
    eventually(lambda: len(stage.records()) >= 4500, "three runs", 30)
    assert stage.drain(worker) == 0
    records = stage.records()
    assert len(records) % 500 == 0  # of 1500 a run, in batches of at most 1000
    assert len({record.key for record in records}) == len(records)
    now = time.time() * 1000
    assert all(now - 60_000 < record.timestamp_ms <= now for record in records)
