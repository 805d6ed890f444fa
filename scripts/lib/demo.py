"""What ./dev demo does besides starting programs: cleaning up, sending a file, waiting, counting.

The counts do not come from Levada's own numbers but from where the events are: demo_places.py.
"""

import argparse
import collections
import json
import pathlib
import shutil
import sys
import time
from dataclasses import dataclass

import grpc
import requests
from confluent_kafka.admin import AdminClient

from demo_places import (KAFKA, OPENSEARCH, archive, blocked_in, indexed, last_mail, mails_since, outcomes, read_topic,
                         topics_of)

READY_SECONDS = 60
IDLE_SECONDS = 90  # without any progress, and longer than the throttle of mails holds one back
BATCH_LINES, BATCH_BYTES = 1000, 4 << 20
SHOWN_REFUSALS = 5


class DemoError(Exception):
    """Something that the user is to read, without a trace."""


# ---- the state of a run ----


@dataclass
class Demo:
    name: str
    dir: pathlib.Path

    @property
    def lake(self) -> pathlib.Path:
        return self.dir / "data" / "lake" / "transactions"

    def stages(self) -> dict[str, dict]:
        """The newest line of `levada run --json`, by stage; empty before the first one."""
        try:
            lines = (self.dir / "run.jsonl").read_text().splitlines(keepends=True)
        except FileNotFoundError:
            return {}
        whole = [line for line in lines[-2:] if line.endswith("\n")]
        return {stage["name"]: stage for stage in json.loads(whole[-1])["stages"]} if whole else {}

    def require_running(self, pid: int) -> None:
        state = pathlib.Path(f"/proc/{pid}/stat")
        if not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            raise DemoError(f"levada run has ended:\n{(self.dir / 'run.log').read_text()[-4000:]}")

    def mail_mark(self) -> int:
        return int((self.dir / "last-mail").read_text())

    def alerts(self) -> tuple[int, int, set[str]]:
        """Mails, repeats among them, and which of the blocked events they name."""
        mails = mails_since(int((self.dir / "last-mail").read_text()), self.name)
        text = "\n".join(mail.get_content() for mail in mails)
        repeats = sum(1 for mail in mails if mail["Levada-Repeat"])
        return len(mails), repeats, {event_id for event_id in blocked_in(self.lake) if event_id in text}


def clean(demo: Demo, _args) -> None:
    """Deletes what an earlier demo left."""
    old = topics_of(demo.name)
    if old:
        admin = AdminClient({"bootstrap.servers": KAFKA})
        for future in admin.delete_topics(old).values():
            future.result(30)
    requests.delete(f"{OPENSEARCH}/{demo.name}-*", timeout=30).raise_for_status()
    for folder in ("data", "state", "secrets"):
        shutil.rmtree(demo.dir / folder, ignore_errors=True)
    (demo.dir / "run.jsonl").unlink(missing_ok=True)
    (demo.dir / "last-mail").write_text(str(last_mail()))
    if old:
        note(f"deleted what the last demo left: {len(old)} topics, its indices and files")


def wait_ready(demo: Demo, args) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        demo.require_running(args.pid)
        stages = demo.stages()
        late = {name: stage["state"] for name, stage in stages.items() if stage["state"] != "running"}
        if stages and not late:
            note(f"{len(stages)} stages run: {', '.join(stages)}")
            return
        if time.monotonic() > deadline:
            raise DemoError(f"not ready after {READY_SECONDS} s: {late or 'no stage has answered'}")
        time.sleep(0.2)


# ---- sending a file ----


class Poster:
    """Sends lines to the gateway in batches; a batch that is too large is halved."""

    def __init__(self, url: str):
        self.url = url
        self.session = requests.Session()
        self.accepted = 0
        self.refused: list[tuple[int, str]] = []  # line, why

    def send(self, lines: list[tuple[int, bytes]]) -> None:
        while lines:
            answer = self.session.post(
                f"{self.url}?results=errors",
                data=b"\n".join(text for _, text in lines),
                headers={"Content-Type": "application/x-ndjson"},
                timeout=60,
            )
            if answer.status_code == 413 and len(lines) > 1:
                middle = len(lines) // 2
                self.send(lines[:middle])
                lines = lines[middle:]
                continue
            lines = self._take(answer, lines)
            if lines:
                time.sleep(float(answer.headers.get("Retry-After", 1)))

    def _take(self, answer: requests.Response, lines: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
        """Counts what the answer says; returns the lines that are to be sent again."""
        body = answer.json()
        if "results" not in body:
            if answer.status_code in (429, 503):
                return lines
            self.refused += [(number, body.get("error", answer.text)) for number, _ in lines]
            return []
        self.accepted += body["accepted"]
        again = []
        for result in body["results"]:
            line = lines[result["index"]]
            if result["status"] == "unavailable":
                again.append(line)
            else:
                self.refused.append((line[0], result["error"]))
        return again


def post(demo: Demo, args) -> None:
    poster = Poster(args.to)
    batch: list[tuple[int, bytes]] = []
    size = 0
    with open(args.file, "rb") as file:
        for number, line in enumerate(file, 1):
            line = line.rstrip(b"\r\n")
            if not line.strip():
                continue
            if batch and (len(batch) == BATCH_LINES or size + len(line) > BATCH_BYTES):
                poster.send(batch)
                batch, size = [], 0
            batch.append((number, line))
            size += len(line)
    poster.send(batch)
    note(f"{poster.accepted:,} events taken in, {len(poster.refused):,} refused")
    for number, why in poster.refused[:SHOWN_REFUSALS]:
        note(f"  line {number}: {why}")
    if len(poster.refused) > SHOWN_REFUSALS:
        note(f"  and {len(poster.refused) - SHOWN_REFUSALS:,} more")


# ---- waiting and counting ----


@dataclass
class Arrived:
    """How far the events have come, as seen at the three ends."""

    indexed: int
    rows: int
    ids: int
    blocked: int
    named: int

    @staticmethod
    def of(demo: Demo, refresh: bool = False) -> "Arrived":
        rows, ids = archive(demo.lake, "count(*), count(distinct event_id)")
        _, _, named = demo.alerts()
        return Arrived(indexed(demo.name, refresh), rows, ids, len(blocked_in(demo.lake)), len(named))


def pause(demo: Demo, stage: str) -> None:
    """Asks the stage's control service, so that the numbers come to rest."""
    address = json.loads((demo.dir / "state" / f"{stage}.ports.json").read_text())["grpc"]
    with grpc.insecure_channel(address) as channel:
        # An empty message has no bytes, and of the answer only its coming matters.
        channel.unary_unary("/levada.v1.Control/Pause")(b"", timeout=10)


def wait_done(demo: Demo, args) -> None:
    pause(demo, "producer")
    last, moved_at, shown_at = None, time.monotonic(), time.monotonic()
    while True:
        demo.require_running(args.pid)
        stages = demo.stages()
        taken = stages["gateway"]["records_out"] + stages["producer"]["records_out"]
        detect = stages["detect"]
        now = Arrived.of(demo)
        if (
            detect["records_in"] >= taken
            and now.rows + stages["lake"]["dead_letters"] == detect["records_out"]
            and now.indexed + stages["search"]["dead_letters"] == now.ids
            and now.named + stages["alert"]["dead_letters"] == now.blocked
        ):
            return
        if now != last:
            last, moved_at = now, time.monotonic()
            if moved_at - shown_at > 3:
                shown_at = moved_at
                note(
                    f"scored {detect['records_in']:,} of {taken:,}, indexed {now.indexed:,}, "
                    f"archived {now.rows:,}, mailed {now.named:,} of {now.blocked:,}"
                )
        if time.monotonic() - moved_at > IDLE_SECONDS:
            states = "; ".join(f"{name} {stage['state']}" for name, stage in stages.items())
            warn(f"nothing has moved for {IDLE_SECONDS} s, counting what there is ({states})")
            return
        time.sleep(1)


def report(demo: Demo, _args) -> None:
    stages = demo.stages()
    incoming = sum(1 for _ in read_topic(f"{demo.name}.transactions"))
    scored = sum(1 for _ in read_topic(f"{demo.name}.processed_transactions"))
    dead = collections.Counter(
        dict(message.headers() or []).get("levada-stage", b"?").decode().split("/")[-1]
        for message in read_topic(f"levada.default.{demo.name}.dead-letters")
    )
    filtered = stages["detect"]["filtered"]
    taken = stages["gateway"]["records_out"] + stages["producer"]["records_out"]
    now = Arrived.of(demo, refresh=True)
    mails, repeats, _ = demo.alerts()

    say("Events")
    row("answered with \"accepted\" by the gateway, or made by the producer", taken)
    row("in the topic transactions", incoming)
    if filtered:
        row("dropped by the filter step", filtered)
    row("scored, in the topic processed_transactions", scored)
    row("indexed in OpenSearch", now.indexed)
    row("rows in the Parquet files", now.rows)
    row("dead letters", sum(dead.values()), " ".join(f"{stage}: {count}" for stage, count in dead.items()))
    if now.ids != now.rows:
        row("events with an event_id that came before: the index has it once", now.rows - now.ids)

    say("Outcomes")
    for outcome, count in outcomes(demo.name).items():
        row(outcome, count)
    row("blocked events that a mail names", now.named, f"in {mails} mails, {repeats} of them repeats")

    say("Milliseconds from an event's arrival to its result", "    p50      p99")
    for name, stage in stages.items():
        if stage["p99_ms"] >= 0:
            print(f"  {name:<66}{stage['p50_ms']:>9,.0f}{stage['p99_ms']:>9,.0f}")

    wrong = [
        text
        for text, good in (
            ("accepted and in the topic", taken == incoming),
            ("in the topic, and scored, filtered or dead", incoming == scored + filtered + dead["detect"]),
            ("scored and indexed", now.ids - dead["search"] == now.indexed),
            ("scored and archived", scored - dead["lake"] == now.rows),
            ("blocked and mailed", now.blocked - dead["alert"] == now.named),
        )
        if not good
    ]
    print()
    if wrong:
        raise DemoError("NOT equal: " + "; ".join(wrong))
    print("Equal: every event that was taken in is where it belongs, once.")


# ---- talking ----


def say(title: str, right: str = "") -> None:
    print(f"\n{title:<68}{right}")


def row(text: str, number: int, more: str = "") -> None:
    print(f"  {text:<66}{number:>9,}  {more}".rstrip())


def note(text: str) -> None:
    print(f"      {text}", flush=True)


def warn(text: str) -> None:
    print(f"warning: {text}", file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True)
    parser.add_argument("--dir", required=True, type=pathlib.Path)
    commands = parser.add_subparsers(required=True)
    commands.add_parser("clean").set_defaults(run=clean)
    commands.add_parser("report").set_defaults(run=report)
    for name, run in (("wait-ready", wait_ready), ("wait-done", wait_done)):
        command = commands.add_parser(name)
        command.add_argument("--pid", required=True, type=int)
        command.set_defaults(run=run)
    command = commands.add_parser("post")
    command.add_argument("--to", required=True)
    command.add_argument("file")
    command.set_defaults(run=post)
    args = parser.parse_args()
    try:
        args.run(Demo(args.name, args.dir), args)
    except DemoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
