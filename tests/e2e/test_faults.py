"""Servers that are away at the start, die, hang or misbehave under traffic: nothing lost, none twice."""

import re
import threading
import time

import pytest

from e2e import books, events
from e2e.pipeline import add_feed
from lib.servers import OpenSearch
from lib.wait import eventually

pytestmark = pytest.mark.long

COUNT = 3000


class Traffic:
    """Sends events through the gateway at a steady rate in the background, again until accepted."""

    def __init__(self, pipeline, to_send: list[dict] | None = None, rate: float = 300):
        self.events = events.make(pipeline.name, COUNT) if to_send is None else to_send
        self.ids = {event["event_id"] for event in self.events}
        self.blocked = events.blocked_ids(self.events)
        self.sent = 0
        self.doubtful: set[str] = set()  # not accepted at some try, which leaves open whether Kafka took them
        self._pipeline, self._rate = pipeline, rate
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.failure: BaseException | None = None
        self._thread.start()

    def _run(self) -> None:
        try:
            for begin in range(0, len(self.events), 30):
                part = self.events[begin:begin + 30]
                while (answer := self._pipeline.post(events.lines(part))).status_code != 200:
                    assert answer.status_code in (429, 503), answer.text
                    self.doubtful |= {event["event_id"] for event in part}
                    time.sleep(0.2)
                self.sent += len(part)
                time.sleep(30 / self._rate)
        except BaseException as failure:  # told by join()
            self.failure = failure

    def wait(self, count: int) -> None:
        eventually(lambda: self.failure or self.sent >= count, f"{count} events are sent", 120)
        assert self.failure is None, self.failure

    def join(self) -> None:
        self.wait(len(self.events))


def finish(pipeline, traffic: Traffic, repeats: int = 0) -> None:
    """All of the traffic has arrived once, at most so many mails were repeated, and it all ends clean."""
    traffic.join()
    assert not traffic.doubtful
    books.wait_for(pipeline, traffic.ids, traffic.blocked)
    assert pipeline.stop() == 0, pipeline.errors()
    assert books.check(pipeline, traffic.ids, traffic.blocked) <= repeats
    assert not pipeline.dead_letters()


def waiting(pipeline, stage: str) -> bool:
    return pipeline.state_of(stage).startswith("waiting: ")


def test_all_servers_are_away_at_the_start(make_pipeline, private_kafka, private_opensearch, private_smtp):
    for server in (private_kafka, private_opensearch, private_smtp):
        server.stop()
    pipeline = make_pipeline(private_kafka, private_opensearch, private_smtp)
    pipeline.start(ready=False)
    eventually(lambda: f"waiting for Kafka at {private_kafka.address}" in pipeline.errors(), "it waits for Kafka")
    time.sleep(2)
    assert pipeline.runner.poll() is None
    private_kafka.start()
    pipeline.wait_ready()
    traffic = Traffic(pipeline, events.make(pipeline.name, 600), rate=600)
    eventually(lambda: waiting(pipeline, "search") and waiting(pipeline, "alert"), "the stages say what they wait for")
    assert f":{private_opensearch.exports['LEVADA_OPENSEARCH'].rsplit(':', 1)[1]}" in pipeline.state_of("search")
    assert f"{private_smtp.port}" in pipeline.state_of("alert")
    assert pipeline.state_of("lake") == "running" and pipeline.state_of("detect") == "running"
    private_opensearch.start()
    private_smtp.start()
    finish(pipeline, traffic)
    assert {stage["restarts"] for stage in pipeline.reports()[-1]["stages"]} == {0}


@pytest.mark.parametrize("how", ["killed", "hangs"])
def test_kafka_goes_and_comes_back(make_pipeline, private_kafka, how):
    """What a file holds comes through once; of what clients send, all that was accepted, and again only what
    they sent again because they were told that Kafka did not answer."""
    pipeline = make_pipeline(private_kafka, edit=add_feed)
    fed = events.make(f"{pipeline.name}-fed", COUNT)
    pipeline.feed_file.touch()
    pipeline.start()
    harmless = [event for event in events.make(pipeline.name, 1500) if not events.blocked_ids([event])]
    traffic = Traffic(pipeline, harmless, rate=100)
    with open(pipeline.feed_file, "ab", buffering=0) as feed:
        feed.write(events.lines(fed[:1000]))
        traffic.wait(300)
        feed.write(events.lines(fed[1000:2000]))
        # 15 s without a word is longer than a group's session: every partition is given out anew.
        private_kafka.kill() if how == "killed" else private_kafka.pause()
        feed.write(events.lines(fed[2000:]))
        time.sleep(4 if how == "killed" else 15)
        private_kafka.start() if how == "killed" else private_kafka.resume()
    traffic.join()
    wanted, blocked = traffic.ids | {event["event_id"] for event in fed}, events.blocked_ids(fed)
    books.wait_for(pipeline, wanted, blocked)
    assert pipeline.stop() == 0, pipeline.errors()
    taken = books.ids_in(pipeline.events())
    assert not [event_id for event_id, times in taken.items() if times > 1 and event_id not in traffic.doubtful]
    # A mail whose answer could not be written down may have been sent.
    assert books.check(pipeline, wanted, blocked, twice=frozenset(traffic.doubtful)) <= 2
    assert not pipeline.dead_letters()


@pytest.mark.parametrize("how", ["killed", "hangs"])
def test_opensearch_goes_and_comes_back(make_pipeline, private_opensearch, how):
    pipeline = make_pipeline(opensearch=private_opensearch)
    pipeline.start()
    traffic = Traffic(pipeline)
    traffic.wait(900)
    private_opensearch.kill() if how == "killed" else private_opensearch.pause()
    if how == "killed":
        eventually(lambda: waiting(pipeline, "search"), "indexing says that it waits")
    time.sleep(3)
    private_opensearch.start() if how == "killed" else private_opensearch.resume()
    finish(pipeline, traffic)


@pytest.mark.parametrize("how", ["killed", "hangs"])
def test_the_mail_server_goes_and_comes_back(make_pipeline, private_smtp, how):
    pipeline = make_pipeline(smtp=private_smtp)
    pipeline.start()
    traffic = Traffic(pipeline)
    traffic.wait(900)
    private_smtp.kill() if how == "killed" else private_smtp.pause()
    time.sleep(5)
    private_smtp.start() if how == "killed" else private_smtp.resume()
    # A mail whose answer was under way when the server died may have been taken.
    finish(pipeline, traffic, repeats=1)


def secure(opensearch: OpenSearch):
    """Indexing through the HTTPS side, where faults can be made."""
    def edit(document: dict) -> None:
        document["spec"]["connections"]["search"]["opensearch"] = {
            "url": opensearch.secure_url, "secretRef": "search-login", "tls": {"caFile": str(opensearch.ca)}}
    return edit


def test_opensearch_misbehaves(make_pipeline, private_opensearch):
    """Refuses, is full, is slow, hangs up before and after it has taken the documents."""
    pipeline = make_pipeline(opensearch=private_opensearch, edit=secure(private_opensearch))
    pipeline.secret("search-login", username=private_opensearch.user, password=private_opensearch.password)
    pipeline.start()
    traffic = Traffic(pipeline, rate=60)
    traffic.wait(100)
    for fault, seconds in [("refuse", 0), ("throttle", 0), ("delay", 2), ("drop", 0), ("lose-answer", 0)]:
        private_opensearch.misbehave(fault, 3, seconds)
        eventually(lambda: not (private_opensearch.folder / "control").exists(), f"{fault} was met three times")
    assert traffic.sent < COUNT, "all of it was under traffic"
    finish(pipeline, traffic)


@pytest.mark.parametrize("fault, count, copies, marked", [("refuse", 3, 0, 0), ("drop", 2, 0, 2), ("lose-answer", 2, 2, 2)])
def test_the_mail_server_misbehaves(make_pipeline, private_smtp, fault, count, copies, marked):
    """Only a mail whose answer was lost is sent again, with the mark; a `drop` lost the answer too, and the mail."""
    pipeline = make_pipeline(smtp=private_smtp)
    pipeline.start()
    private_smtp.misbehave(fault, count)
    finish(pipeline, Traffic(pipeline, events.make(pipeline.name, 1500)), repeats=copies)
    mails = books.mails(pipeline)
    assert len(mails) - len({mail["Message-ID"] for mail in mails}) == copies
    # Where the very mail that is a repeat met the next fault it is one mail that was marked.
    assert min(1, marked) <= sum(mail["Levada-Repeat"] == "true" for mail in mails) <= marked


def test_ctrl_c_while_opensearch_is_away_says_what_is_left(make_pipeline, private_opensearch):
    """What it has read waits for OpenSearch, and what is behind that is not read."""
    pipeline = make_pipeline(opensearch=private_opensearch, edit=add_feed)
    private_opensearch.stop()
    pipeline.feed_file.write_bytes(events.lines(events.make(pipeline.name, 60_000)))
    pipeline.start(ready=False)
    eventually(lambda: pipeline.stages() and pipeline.stages()["lake"]["records_in"] == 60_000, "the other stages have all", 120)
    eventually(lambda: pipeline.stages()["search"]["lag"] > 30_000, "its lag is told")
    assert pipeline.stop() == 1
    assert re.search(r"^search has not read everything in 30 s \(lag \d{5}\); the next run goes on there$",
                     pipeline.errors(), re.M)
    assert "\nsearch did not drain in order" in pipeline.errors()
