"""kill -9 of every stage, at random, under traffic: outputs complete, none twice; mails: repeats marked.

The events come from a file, which ingest reads exactly once whatever happens to it; what clients of the
gateway may rely on when it is killed has a test of its own.
"""

import collections
import random
import threading
import time

import pytest
import requests

from e2e import books, events
from e2e.pipeline import add_feed, alive
from lib.wait import eventually

STAGES = ["feed", "detect", "search", "lake", "alert"]


@pytest.fixture
def dice():
    seed = random.randrange(1 << 30)
    print("seed", seed)
    return random.Random(seed)


def run_and_kill(pipeline, dice, count: int, kills: int) -> None:
    """Writes `count` events while each stage is killed `kills` times, and checks every book."""
    everything = events.make(pipeline.name, count)
    wanted, blocked = {event["event_id"] for event in everything}, events.blocked_ids(everything)
    pipeline.feed_file.touch()
    pipeline.start()
    stop = threading.Event()
    pace = dice.uniform(0.8, 1.2) * count / (kills * 8)  # so that there is still work for the last kills

    def write() -> None:
        with open(pipeline.feed_file, "ab", buffering=0) as out:
            for begin in range(0, count, 500):
                out.write(events.lines(everything[begin:begin + 500]))
                if stop.wait(500 / pace):
                    return

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    plan = STAGES * kills
    dice.shuffle(plan)
    killed = collections.Counter()
    try:
        for stage in plan:
            time.sleep(dice.uniform(0.2, 2.0))
            eventually(lambda: pipeline.kill(stage), f"{stage} runs, to be killed", 60)
            killed[stage] += 1
        writer.join(600)
        books.wait_for(pipeline, wanted, blocked, 300)
    finally:
        stop.set()
    assert pipeline.stop() == 0, pipeline.errors()
    repeats = books.check(pipeline, wanted, blocked)
    assert repeats <= killed["alert"], "each kill leaves at most one mail in doubt"
    assert books.ids_in(pipeline.events()) == dict.fromkeys(wanted, 1)
    assert not pipeline.dead_letters()
    restarts = {stage["name"]: stage["restarts"] for stage in pipeline.reports()[-1]["stages"]}
    assert restarts.pop("gateway") == 0
    assert restarts == dict.fromkeys(STAGES, kills)


def test_each_stage_is_killed_twice(make_pipeline, dice):
    run_and_kill(make_pipeline(edit=add_feed), dice, count=20_000, kills=2)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_each_stage_is_killed_ten_times(make_pipeline, dice):
    run_and_kill(make_pipeline(edit=add_feed), dice, count=200_000, kills=10)


def test_the_gateway_is_killed(make_pipeline, dice):
    """Answered means stored, once; a batch without an answer is stored whole, in part or not at all."""
    pipeline = make_pipeline()
    pipeline.start()
    accepted, doubtful, hits = set(), set(), []
    deadline, next_kill, number = time.monotonic() + 90, time.monotonic() + 1, 0
    while sum(hits) < 5 or number % 40:
        assert time.monotonic() < deadline
        part = events.make(pipeline.name, 25, first=25 * number)
        number += 1
        ids = {event["event_id"] for event in part}
        if time.monotonic() > next_kill:
            killer = threading.Timer(dice.uniform(0, 0.02), lambda: hits.append(pipeline.kill("gateway")))
            killer.start()
            next_kill = time.monotonic() + dice.uniform(1.5, 3)
        try:
            answer = pipeline.post(events.lines(part))
        except requests.ConnectionError:
            doubtful |= ids
            time.sleep(0.1)
            continue
        assert answer.status_code == 200, answer.text
        accepted |= ids
    pipeline.wait_ready()
    stored = books.ids_in(pipeline.events())
    assert max(stored.values()) == 1
    assert accepted <= set(stored) <= accepted | doubtful
    assert len(accepted) >= 500
    assert pipeline.stop() == 0
    assert books.ids_in(pipeline.results()) == stored


def test_the_runner_is_killed(make_pipeline):
    """The stages end with it, and the next run goes on where they were."""
    pipeline = make_pipeline(edit=add_feed)
    everything = events.make(pipeline.name, 10_000)
    wanted, blocked = {event["event_id"] for event in everything}, events.blocked_ids(everything)
    pipeline.feed_file.write_bytes(events.lines(everything))
    pipeline.start()
    pids = [pipeline.ports(stage)["pid"] for stage in pipeline.stages()]
    eventually(lambda: pipeline.results(), "results come")
    pipeline.runner.kill()
    pipeline.runner.wait()
    eventually(lambda: not any(alive(pid) for pid in pids), "the stages end", 60)
    pipeline.start()
    books.wait_for(pipeline, wanted, blocked, 180)
    assert pipeline.stop() == 0
    assert books.check(pipeline, wanted, blocked) == 0
