"""levada dlq: counted, shown, sent back each once, deleted. The dead letters are written as workers write them."""

import json
import subprocess
import time

import pytest
from confluent_kafka import Producer

from e2e.runner import SMALL
from lib import kafka as topics
from lib.kafka import Record
from lib.wait import eventually


class Dlq:
    """A pipeline's manifest and its topics; no worker runs."""

    def __init__(self, build, folder, kafka, name, more: str = ""):
        self.program, self.folder, self.address, self.name = build / "bin" / "levada", folder, kafka.address, name
        self.source, self.topic = f"{name}.a", f"levada.default.{name}.dead-letters"
        self.file = folder / "small.yaml"
        self.file.write_text(SMALL.format(name=name, partitions=2, retention="7d") + more)
        topics.create_topic(self.address, self.source, 2)
        topics.create_topic(self.address, self.topic, 2)

    def command(self, action: str, *arguments) -> list[str]:
        return [str(word) for word in (self.program, "dlq", action, self.file, "--kafka", self.address, *arguments)]

    def __call__(self, action: str, *arguments) -> subprocess.CompletedProcess:
        return subprocess.run(self.command(action, *arguments), text=True, capture_output=True, timeout=60,
                              cwd=self.folder, stdin=subprocess.DEVNULL)

    def bury(self, count: int, error: str = "n is missing", stage: str = "work", **more) -> None:
        topics.produce(self.address, self.topic, [self.letter(n, f"{error}, event {n}", stage, **more) for n in range(count)])

    def letter(self, n: int, error: str, stage: str = "work", topic: str | None = None, value: bytes | None = b"",
               headers=(), partition: int = -1) -> Record:
        value = f'{{"number": {n}, "stage": "{stage}"}}'.encode() if value == b"" else value
        return Record(value, f"key-{n}".encode(), [
            *headers, ("levada-error", error.encode()), ("levada-stage", f"{self.name}/{stage}".encode()),
            ("levada-topic", (topic or self.source).encode()), ("levada-partition", b"0"),
            ("levada-offset", str(n).encode()), ("levada-timestamp", b"1700000000000")], partition)

    def sent(self) -> list[Record]:
        return topics.read_all(self.address, self.source)

    def counts(self) -> tuple[int, int]:
        """Dead letters, and those that were sent again."""
        listed = json.loads(self("list", "--json").stdout)
        return listed["total"], listed["replayed"]


@pytest.fixture
def dlq(build_dir, tmp_path, kafka, unique, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return Dlq(build_dir, tmp_path, kafka, unique)


class TestList:
    def test_by_stage_and_reason_the_newest_first(self, dlq):
        dlq.bury(3)
        time.sleep(0.01)
        dlq.bury(1, "refused: \"red\"", "search")
        done = dlq("list")
        assert done.returncode == 0, done.stderr
        head, _, columns, *rows = done.stdout.splitlines()
        assert head == f"{dlq.topic}: 4 dead letters, 0 of them sent again"
        assert columns.split() == ["STAGE", "COUNT", "AGAIN", "NEWEST", "FROM", "REASON"]
        assert [row.split()[:3] for row in rows] == [["search", "1", "0"], ["work", "3", "0"]]
        assert rows[0].endswith('refused: "red", event 0') and rows[1].endswith("n is missing, event #")

    def test_filters(self, dlq):
        dlq.bury(3)
        dlq.bury(2, "refused", "search")
        total = lambda *flags: json.loads(dlq("list", "--json", *flags).stdout)["total"]
        assert total() == 5 and total("--stage", "work") == 3 and total("--reason", "ref.sed") == 2
        assert total("--reason", "event [12]$", "--stage", "work") == 2
        assert total("--since", "1h") == 5
        assert dlq("list", "--reason", "(").returncode == 2

    def test_letters_of_other_pipelines_on_the_same_topic_are_not_counted(self, dlq):
        dlq.bury(1)
        other = dlq.letter(1, "x")
        topics.produce(dlq.address, dlq.topic, [other._replace(headers=[
            (name, b"another/work" if name == "levada-stage" else value) for name, value in other.headers])])
        assert dlq.counts() == (1, 0)

    def test_nothing_has_gone_wrong_yet(self, build_dir, tmp_path, kafka, unique):
        file = tmp_path / "new.yaml"
        file.write_text(SMALL.format(name=unique, partitions=1, retention="7d"))
        for action in ("list", "show", "replay", "purge"):
            done = subprocess.run([build_dir / "bin" / "levada", "dlq", action, file, "--kafka", kafka.address],
                                  capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stderr

    def test_kafka_away_and_wrong_use(self, dlq, build_dir):
        done = subprocess.run([dlq.program, "dlq", "list", dlq.file, "--kafka", "127.0.0.1:1"], capture_output=True, text=True)
        assert done.returncode == 1 and "127.0.0.1:1" in done.stderr
        done = subprocess.run([build_dir / "bin" / "levada", "dlq", "repaly", "x"], capture_output=True, text=True)
        assert done.returncode == 2 and 'did you mean "replay"?' in done.stderr


def test_show_prints_the_record_and_why(dlq):
    dlq.bury(3, headers=[("trace", b"t1")])
    topics.produce(dlq.address, dlq.topic, [dlq.letter(9, "not JSON", value=b"\xff\x00")])
    done = dlq("show", "--limit", "all")
    assert done.returncode == 0, done.stderr
    shown = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(shown) == 4
    bad = next(one for one in shown if one["error"] == "not JSON")
    assert bad["value_base64"] == "/wA=" and bad["key"] == "key-9" and bad["replayed"] is False
    good = next(one for one in shown if one["error"].endswith("event 2"))
    assert json.loads(good["value"])["number"] == 2 and good["headers"] == {"trace": "t1"}
    assert good["from"] == {"topic": dlq.source, "partition": 0, "offset": 2, "time": "2023-11-14T22:13:20Z"}
    assert [one["time"] for one in shown] == sorted((one["time"] for one in shown), reverse=True)
    assert len(dlq("show", "--limit", "2").stdout.splitlines()) == 2


class TestReplay:
    def test_records_go_back_as_they_were(self, dlq):
        topics.produce(dlq.address, dlq.topic, [
            dlq.letter(1, "x", headers=[("trace", b"t1"), ("trace", b"\xff")]),
            dlq.letter(2, "x", value=b"\xff\x00"),
            dlq.letter(3, "x", value=None)])
        done = dlq("replay")
        assert done.returncode == 0 and "3 sent" in done.stdout, done.stderr
        sent = {record.key: record for record in dlq.sent()}
        assert {key: record.value for key, record in sent.items()} == {
            b"key-1": b'{"number": 1, "stage": "work"}', b"key-2": b"\xff\x00", b"key-3": None}
        assert sent[b"key-1"].headers == [("trace", b"t1"), ("trace", b"\xff")]
        assert sent[b"key-2"].headers == []

    def test_each_once_however_often(self, dlq):
        dlq.bury(1200)
        assert dlq.counts() == (1200, 0)
        for _ in range(3):
            assert dlq("replay").returncode == 0
        assert len(dlq.sent()) == 1200 and dlq.counts() == (1200, 1200)
        dlq.bury(5)
        assert "5 sent" in dlq("replay").stdout
        assert len(dlq.sent()) == 1205

    def test_what_is_chosen_and_later_the_rest(self, dlq):
        dlq.bury(4)
        dlq.bury(6, "refused", "search")
        assert "1 sent" in dlq("replay", "--reason", "missing, event 2").stdout
        assert "3 sent" in dlq("replay", "--limit", "3").stdout
        assert "0 dead letters to send again" in dlq("replay", "--stage", "nobody").stdout
        assert "6 sent" in dlq("replay", "--yes").stdout, "the stage that reads the topic now is another one"
        values = [record.value for record in dlq.sent()]
        assert len(values) == 10 and len(set(values)) == 10

    def test_a_dry_run_sends_nothing(self, dlq):
        dlq.bury(2)
        done = dlq("replay", "--dry-run")
        assert done.returncode == 0 and f"2 of stage work to {dlq.source}" in done.stdout
        assert dlq.sent() == [] and dlq.counts() == (2, 0)

    def test_two_at_the_same_time_send_each_once(self, dlq):
        dlq.bury(3000)
        both = [subprocess.Popen(dlq.command("replay"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                for _ in range(2)]
        for process in both:
            process.communicate(timeout=90)
        assert dlq("replay").returncode == 0
        values = [record.value for record in dlq.sent()]
        assert len(values) == 3000 and len(set(values)) == 3000

    def test_killed_in_the_middle_and_done_again_it_sends_each_once(self, dlq):
        dlq.bury(20_000)
        process = subprocess.Popen(dlq.command("replay"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = lambda: sum(topics.end_offsets(dlq.address, dlq.source).values())
        eventually(lambda: end() > 2000 or process.poll() is not None, "some are sent", every=0.005)
        assert process.poll() is None, "it was too quick to be killed"
        process.kill()
        process.wait()
        assert dlq("replay").returncode == 0
        values = [record.value for record in dlq.sent()]
        assert len(values) == 20_000 and len(set(values)) == 20_000
        assert dlq.counts() == (20_000, 20_000)

    def test_a_note_behind_an_open_transaction_is_waited_for(self, dlq):
        """A worker that has its transaction open hides what stands behind it from readers of committed data."""
        worker = Producer({"bootstrap.servers": dlq.address, "transactional.id": dlq.name + ".worker"})
        worker.init_transactions(30)
        dlq.bury(3, partition=0)
        worker.begin_transaction()
        worker.produce(dlq.topic, b"{}", partition=0)
        worker.flush(30)
        topics.produce(dlq.address, dlq.topic, [Record(b"{}", headers=[("levada-replayed", b"0-1")], partition=0)])
        assert dlq.counts() == (3, 0), "the note cannot be read yet"
        replay = subprocess.Popen(dlq.command("replay"), stdout=subprocess.PIPE, text=True)
        time.sleep(3)
        assert dlq.sent() == [] and replay.poll() is None, "it waits"
        worker.commit_transaction(30)
        assert "1 sent" in replay.communicate(timeout=60)[0]
        assert [record.key for record in dlq.sent()] == [b"key-2"] and dlq.counts() == (3, 3)

    def test_what_cannot_go_back_is_counted_and_left(self, dlq):
        cut = dlq.letter(1, "too large")
        topics.produce(dlq.address, dlq.topic, [
            cut._replace(headers=[*cut.headers, ("levada-truncated-from", b"9999999")]),
            dlq.letter(2, "x", topic="/data/in.ndjson"), dlq.letter(3, "x")])
        done = dlq("replay")
        assert done.returncode == 0 and "1 sent" in done.stdout
        assert "1 cannot be sent again: too large" in done.stdout and "/data/in.ndjson" in done.stdout
        assert [record.key for record in dlq.sent()] == [b"key-3"]

    def test_it_asks_where_others_read_the_topic_too(self, build_dir, tmp_path, kafka, unique):
        dlq = Dlq(build_dir, tmp_path, kafka, unique,
                  f"  - {{name: keep, archiving: {{from: {unique}.a, ndjson: {{folder: keep}}}}}}\n")
        dlq.bury(2)
        done = dlq("replay")
        assert done.returncode == 2 and "is also read by keep" in done.stdout and "--yes" in done.stderr
        assert dlq.sent() == []
        assert "2 sent" in dlq("replay", "--yes").stdout


class TestPurge:
    def test_it_asks_first(self, dlq):
        dlq.bury(4)
        done = dlq("purge")
        assert done.returncode == 2 and "Delete 4 dead letters" in done.stderr and "--yes" in done.stderr
        assert dlq.counts() == (4, 0)

    def test_what_is_gone_is_gone_and_what_comes_stays(self, dlq):
        dlq.bury(4)
        assert "4 deleted" in dlq("purge", "--yes").stdout
        assert dlq.counts() == (0, 0)
        assert "nothing to delete" in dlq("purge", "--yes").stdout
        dlq.bury(2)
        assert dlq.counts() == (2, 0)

    def test_the_older_ones(self, dlq):
        dlq.bury(3, partition=0)
        time.sleep(2.5)
        dlq.bury(2, partition=0)
        assert "3 deleted" in dlq("purge", "--older-than", "2s", "--yes").stdout
        assert dlq.counts() == (2, 0)

    def test_after_a_purge_nothing_is_sent_twice(self, dlq):
        dlq.bury(3)
        assert "3 sent" in dlq("replay").stdout
        assert "3 deleted" in dlq("purge", "--yes").stdout
        dlq.bury(1)
        assert "1 sent" in dlq("replay").stdout
        assert len(dlq.sent()) == 4
