"""Several workers of one stage, started by hand, that come and go under load: exactly once holds."""

import itertools
import signal
import subprocess
import threading
import time

import pytest

from e2e import books, events
from lib import kafka as topics
from lib.kafka import Record
from lib.wait import eventually

pytestmark = pytest.mark.long

COUNT = 20_000


class Workers:
    """Programs of one stage, beside or instead of the one that levada run has."""

    def __init__(self, pipeline, service: str, stage: str):
        self._pipeline, self._service, self._stage = pipeline, service, stage
        self._numbers = itertools.count()
        self.all: list[subprocess.Popen] = []

    def start(self) -> subprocess.Popen:
        pipeline, number = self._pipeline, next(self._numbers)
        with open(pipeline.folder / f"{self._stage}-{number}.log", "wb") as log:
            worker = subprocess.Popen(
                [str(word) for word in (
                    pipeline.programs / f"levada-{self._service}", "--pipeline", pipeline.state / f"{self._stage}.yaml",
                    "--stage", self._stage, "--instance", f"by-hand-{number}", "--kafka", pipeline.kafka,
                    "--files", pipeline.folder, "--data", pipeline.data, "--secrets", pipeline.secrets)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.all.append(worker)
        return worker

    def close(self) -> None:
        for worker in self.all:
            if worker.poll() is None:
                worker.kill()
            worker.wait()


@pytest.mark.parametrize("service, stage", [("scoring", "detect"), ("indexing", "search"), ("archiving", "lake"),
                                            ("notify", "alert")])
def test_workers_come_and_go(make_pipeline, service, stage):
    """One of levada run; a second and a third join; one leaves in order, one dies; a fourth joins."""
    def edit(document: dict) -> None:  # one port can be listened on once
        document["spec"]["stages"][1]["scoring"].pop("serve")

    pipeline = make_pipeline(edit=edit)
    pipeline.start()
    everything = events.make(pipeline.name, COUNT)
    wanted, blocked = {event["event_id"] for event in everything}, events.blocked_ids(everything)
    workers = Workers(pipeline, service, stage)
    sender = threading.Thread(target=send, args=(pipeline, everything), daemon=True)
    try:
        sender.start()
        time.sleep(2)
        second = workers.start()
        time.sleep(3)
        third = workers.start()
        eventually(lambda: shares(pipeline, stage) < 6, "the first one has given partitions away")
        time.sleep(3)
        second.send_signal(signal.SIGTERM)
        assert second.wait(60) == 0
        time.sleep(1)
        third.kill()
        fourth = workers.start()
        sender.join(120)
        books.wait_for(pipeline, wanted, blocked, 240)
        fourth.send_signal(signal.SIGTERM)
        assert fourth.wait(60) == 0
        assert pipeline.stop() == 0, pipeline.errors()
    finally:
        workers.close()
    assert books.check(pipeline, wanted, blocked) <= 2, "the kill and the partitions it left"
    assert not pipeline.dead_letters()


def shares(pipeline, stage: str) -> int:
    """Partitions that the worker of levada run reads."""
    from e2e.test_metrics import Scrape
    return int(Scrape(pipeline, stage).sum("levada_partitions"))


def send(pipeline, everything: list[dict]) -> None:
    """Straight into the topic, spread over twelve seconds."""
    for begin in range(0, len(everything), 500):
        part = everything[begin:begin + 500]
        topics.produce(pipeline.kafka, pipeline.events_topic, [
            Record(line, event["entity_id"].encode())
            for line, event in zip(events.lines(part).splitlines(), part)])
        time.sleep(12 * 500 / COUNT)
