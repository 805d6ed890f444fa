"""What a worker keeps of its state on its own disk: snapshots, and what memory has no room for."""

import re

import pytest
import requests

from e2e import streams
from e2e.chaos import Chaos
from e2e.streams import ONCE, came_out, feed, send
from lib.wait import eventually


def scrape(pipeline: streams.Streams, stage: str) -> dict[str, float]:
    """Value by name, and by name and the label `source` or `result` where there is one."""
    text = requests.get(f"http://{pipeline.ports(stage)['http']}/metrics", timeout=10).text
    values = {}
    for name, labels, value in re.findall(r"^(levada_scoring_\w+)\{([^}]*)\} (\S+)", text, re.M):
        label = re.search(r'(?:source|result)="(\w+)"', labels)
        values[f"{name} {label[1]}" if label else name] = float(value)
    return values


def test_a_stage_that_is_started_again_reads_its_snapshot(make_streams, kafka):
    pipeline = make_streams(kafka, ONCE)
    pipeline.start()
    users = [f"u{i}" for i in range(500)]
    for begin in range(0, 500, 50):
        send(pipeline, *users[begin:begin + 50])
    assert pipeline.stop() == 0

    pipeline.start()
    restored = scrape(pipeline, "first")
    assert restored["levada_scoring_restored_records_total snapshot"] >= 500
    assert restored["levada_scoring_restored_records_total changelog"] < 10
    send(pipeline, *users, "new")
    assert came_out(pipeline) == sorted([*users, "new"])
    assert pipeline.stop() == 0

    for snapshot in (pipeline.state / "first" / "snapshots").glob("*.snapshot"):
        snapshot.write_bytes(snapshot.read_bytes()[:-20])
    pipeline.start()
    restored = scrape(pipeline, "first")
    assert restored["levada_scoring_restored_records_total snapshot"] == 0
    assert restored["levada_scoring_restored_records_total changelog"] >= 500
    assert restored["levada_scoring_snapshots_total ignored"] == 2
    send(pipeline, *users, "newer")
    assert came_out(pipeline) == sorted([*users, "new", "newer"])
    assert pipeline.stop() == 0


def test_snapshots_are_written_as_often_as_the_manifest_says(make_streams, kafka):
    pipeline = make_streams(kafka, ONCE)
    pipeline.document["spec"]["stages"][0]["scoring"]["state"] = {"snapshotEvery": "1s"}
    pipeline.write()
    pipeline.start()
    folder = pipeline.state / "first" / "snapshots"
    users = (f"u{i}" for i in range(10_000))  # a snapshot goes with the commits
    eventually(lambda: send(pipeline, next(users)) or list(folder.glob("*.snapshot")), "a snapshot beside the stream", 60)
    assert pipeline.stop() == 0


@pytest.mark.timeout(900)
def test_state_beyond_memory_gives_what_one_computation_gives(make_streams, kafka, dice):
    """Some 300,000 keys in 8 MiB, while workers are killed and partitions move."""
    pipeline = make_streams(kafka)
    for stage in pipeline.document["spec"]["stages"]:
        stage["scoring"]["state"] = {"memory": "8Mi"}
    pipeline.write()
    chaos = Chaos(pipeline, dice, named=True, pause=5)
    pipeline.start()
    try:
        chaos.start()
        feed(pipeline, streams.make(300_000, dice.randrange(1 << 30)))
        eventually(lambda: chaos.failure or pipeline.has_read_everything(), "all is read", 600, every=1)
        chaos.end()
        pipeline.wait_ready()
        # All partitions are with the one worker that is left.
        state = eventually(lambda: (found := scrape(pipeline, "enrich"))["levada_scoring_state_keys"] > 200_000 and found,
                           "all partitions are restored", 60)
        assert state["levada_scoring_state_spilled_keys"] > 150_000
        assert state["levada_scoring_state_bytes"] < 12 << 20
        assert state["levada_scoring_state_spill_failures_total"] == 0
        assert pipeline.stop(600) == 0, pipeline.errors()
    finally:
        chaos.close()
    print("faults", chaos.done, "records", streams.check(pipeline))
