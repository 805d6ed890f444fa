"""Workers whose disk is full, really: state that memory has no room for, and snapshots. Nothing is lost or doubled."""

import itertools
import json

import pytest

from e2e import streams
from e2e.test_state_local import scrape
from lib.disk import SmallDisk
from lib.wait import eventually

MEMORY_MB = 4


@pytest.fixture
def make_disk():
    made = []

    def make(*arguments) -> SmallDisk:
        made.append(SmallDisk(*arguments))
        return made[-1]

    yield make
    for disk in made:
        disk.close()


def said(pipeline: streams.Streams, message: str) -> list[dict]:
    """The lines of `enrich`'s log with it."""
    lines = map(json.loads, filter(None, pipeline.log("enrich").splitlines()))
    return [line for line in lines if message in line["msg"]]


def takes_more_than_its_bound(pipeline: streams.Streams) -> bool:
    state = scrape(pipeline, "enrich")
    failed = state["levada_scoring_state_spill_failures_total"] > 0
    return failed and state["levada_scoring_state_bytes"] > (MEMORY_MB + 1) << 20


@pytest.mark.timeout(900)
def test_state_on_a_full_disk_gives_what_one_computation_gives(make_streams, make_disk, kafka, dice):
    pipeline = make_streams(kafka)
    for stage in pipeline.document["spec"]["stages"]:
        stage["scoring"]["state"] = {"memory": f"{MEMORY_MB}Mi"}
    pipeline.write()
    disk = make_disk(pipeline.state / "enrich", 5)
    snapshots = disk.folder / "snapshots"
    pipeline.inside = disk.inside
    events = streams.make(260_000, dice.randrange(1 << 30))

    def send(count: int) -> None:
        streams.feed(pipeline, itertools.islice(events, count))
        eventually(pipeline.has_read_everything, "all is read", 300, every=0.5)

    # The disk is too small for what memory has no room for.
    pipeline.start()
    send(200_000)
    assert takes_more_than_its_bound(pipeline)
    full = said(pipeline, "state stays in memory beyond its bound")
    assert len(full) == 1, "told once"
    assert "No space left on device" in full[0]["reason"] and f"{pipeline.state}/enrich/spill/" in full[0]["reason"]

    # And for the snapshots at the end: those that there are are whole.
    assert pipeline.stop(300) == 0, pipeline.errors()
    not_written = said(pipeline, "a snapshot was not written")
    assert 1 <= len(not_written) <= streams.PARTITIONS
    assert all("No space left on device" in line["reason"] for line in not_written)
    left = sorted(file.name for file in snapshots.iterdir())
    assert left == sorted(["lock", *(f"{n}.snapshot" for n in range(streams.PARTITIONS)
                                     if n not in {line["partition"] for line in not_written})])

    # A worker that begins with a full disk, and one that is killed on it.
    pipeline.start()
    assert not said(pipeline, "a snapshot is not used")
    send(20_000)
    eventually(lambda: takes_more_than_its_bound(pipeline), "the disk is full", 30)
    assert pipeline.kill("enrich")
    send(20_000)

    # There is room again.
    disk.resize(1024)
    eventually(lambda: scrape(pipeline, "enrich")["levada_scoring_state_bytes"] < (MEMORY_MB + 1) << 20,
               "state goes to disk again", 60, every=0.5)
    send(20_000)
    pipeline.wait_ready()
    assert said(pipeline, "the disk takes state again")
    assert pipeline.stop(300) == 0, pipeline.errors()
    assert len(list(snapshots.glob("*.snapshot"))) == streams.PARTITIONS
    pipeline.start()
    assert scrape(pipeline, "enrich")["levada_scoring_restored_records_total snapshot"] > 200_000
    assert pipeline.stop(300) == 0, pipeline.errors()
    print("records", streams.check(pipeline))
