"""What stages remember, over kill -9, rebalances, freezes and restarts of the broker: the output is that of one
computation of the same input in one go, to the record."""

import os

import pytest

from e2e import streams
from e2e.chaos import Chaos, run
from e2e.pipeline import alive
from lib import kafka as topics
from lib.wait import eventually


def test_the_output_is_that_of_one_computation(make_streams, kafka, dice):
    pipeline = make_streams(kafka)
    chaos = Chaos(pipeline, dice, named=dice.random() < 0.5, pause=1.5)
    run(pipeline, chaos, streams.make(20_000, dice.randrange(1 << 30)), rate=2000, minutes=3)


EVENTS = int(os.environ.get("LEVADA_FAULT_EVENTS", 2_000_000))


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("named", [True, False], ids=["named", "nameless"])
def test_two_million_events_under_faults(make_streams, private_kafka, dice, named):
    pipeline = make_streams(private_kafka)
    chaos = Chaos(pipeline, dice, named=named, pause=1.2, broker=private_kafka)
    counts = run(pipeline, chaos, streams.make(EVENTS, dice.randrange(1 << 30)), rate=0, minutes=90)
    assert sum(chaos.done.values()) > EVENTS / 70_000 and counts["out"] > EVENTS


def kept(pipeline: streams.Streams) -> list[tuple[bytes, bytes]]:
    """Steps and their keys that the changelog holds, without the clocks."""
    newest = {record.key: record.value for record in topics.read_all(
        pipeline.kafka, f"levada.default.{pipeline.name}.first.changelog")}
    return sorted((key[1:5], key[13:]) for key, value in newest.items() if value is not None and any(key[1:5]))


def test_state_over_a_killed_run_and_changed_steps(make_streams, kafka):
    pipeline = make_streams(kafka, streams.ONCE)
    pipeline.start()
    streams.send(pipeline, "a", "b", "a", "c")
    assert streams.came_out(pipeline) == ["a", "b", "c"]
    pids = [pipeline.ports(stage)["pid"] for stage in pipeline.stages()]
    pipeline.runner.kill()
    pipeline.runner.wait()
    eventually(lambda: not any(alive(pid) for pid in pids), "the stage ends", 60)

    pipeline.start()  # it is there
    streams.send(pipeline, "a", "b", "d")
    assert streams.came_out(pipeline) == ["a", "b", "c", "d"]
    assert pipeline.stop() == 0
    before = kept(pipeline)
    assert [key for _, key in before] == [b"a", b"b", b"c", b"d"]

    # What has no part in the layout: it goes on with the same state.
    steps = pipeline.document["spec"]["stages"][0]["scoring"]["steps"]
    steps[0]["dedup"]["within"] = "2h"
    steps.insert(0, {"filter": "user != 'x'"})
    pipeline.write()
    pipeline.start()
    streams.send(pipeline, "x", "a", "e")
    assert streams.came_out(pipeline) == ["a", "b", "c", "d", "e"]
    assert pipeline.stop() == 0

    # What the key is made of has: it begins empty, and what was there is forgotten.
    steps[1]["dedup"]["by"] = ["user + '!'", "user"]
    pipeline.write()
    pipeline.start()
    streams.send(pipeline, "a", "a", "f")
    assert streams.came_out(pipeline) == ["a", "a", "b", "c", "d", "e", "f"]
    assert pipeline.stop() == 0
    after = kept(pipeline)
    assert [key for _, key in after] == [b'["a!","a"]', b'["f!","f"]']
    assert {step for step, _ in after}.isdisjoint({step for step, _ in before})


def test_an_input_that_grew_away_from_its_state_is_refused(make_streams, kafka):
    pipeline = make_streams(kafka, streams.ONCE)
    pipeline.start()
    streams.send(pipeline, "a", "b")
    assert pipeline.stop() == 0
    pipeline.document["spec"]["topics"][0]["partitions"] = 3
    pipeline.write()
    pipeline.start(ready=False)
    eventually(lambda: pipeline.stages() and "keys have come to other partitions" in pipeline.state_of("first"),
               "the stage says why it does not go on", 60)
