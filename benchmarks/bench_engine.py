"""The stream engine beside librdkafka's limit, Kafka Streams and Flink SQL, on the same topic in one run.

Jobs, each exactly once with a commit every second, over card payments of about 268 bytes, four
partitions, lz4, by 100,000 customers of whom few make most (Zipf):

  filter    a condition on two fields, and seven fields of twelve go on
  window    count and sum of a minute for each customer, when it is over
  join      a condition, and a customer's row of a table of 100,000
  features  count, sum and largest over one, five and fifteen minutes for each customer (not for the
            peers, which have no like of it in one query)
  model     five features of the event, an XGBoost model of 60 trees, three rules by its score (not
            for the peers)

  limit     kafka_limit: reads all and writes as many records of the same size; librdkafka alone

What counts is the events for each second of processor time that the process used, kernel included,
between the commits at 20 % and at 90 % of the input, and the most memory that was resident. The
results of all are counted.

  EVENTS=4000000 ROUNDS=1   how much and how often
  ONLY=levada,limit         which programs
  JOBS=window,join          which jobs
  RESULT=FILE               the numbers as JSON
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import uuid

from lib.kafka import create_topic, end_offsets, read_all
from lib.servers import Kafka
from measure import Measured, machine

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN = pathlib.Path(os.environ.get("LEVADA_BUILD_DIR", ROOT / "build" / "release")) / "bin"
PEERS = ROOT / ".deps" / "peers"
EVENTS = int(os.environ.get("EVENTS", "4000000"))
ROUNDS = int(os.environ.get("ROUNDS", "1"))
PROGRAMS = os.environ.get("ONLY", "limit,levada,streams,flink").split(",")
PARTITIONS = 4
PER_SECOND = 10_000  # events of a second of event time

HEAD = """
apiVersion: levada.dev/v1alpha1
kind: Pipeline
metadata: {{name: {name}}}
spec:
  topics:
  - name: {source}
    partitions: 4
    key: user_id
    timestamp: ts
    fields:
    - {{name: user_id, type: string}}
    - {{name: ts, type: timestamp}}
    - {{name: amount, type: double}}
    - {{name: country, type: string}}
  - {{name: {users}, compacted: true, key: user_id}}
  - {{name: {name}, partitions: 4}}
  stages:
  - name: work
    scoring:
      from: {source}
      to: {name}
      commitInterval: 1s
      steps:
"""

STEPS = {
    "filter": """
      - filter: amount > 100 && country != "JP"
      - select: [id, ts, user_id, amount, currency, merchant, country]
""",
    "window": """
      - window:
          by: [user_id]
          tumbling: 1m
          lateness: 5s
          set:
          - {{name: payments, value: count()}}
          - {{name: total, value: sum(amount)}}
""",
    "join": """
      - filter: amount > 100
      - join: {{table: {users}, by: user_id, as: user}}
      - set:
        - {{name: tier, value: user.tier}}
      - select: [id, user_id, amount, tier]
""",
    "features": """
      - features:
          by: [user_id]
          over: [1m, 5m, 15m]
          set:
          - {{name: payments, value: count()}}
          - {{name: total, value: sum(amount)}}
          - {{name: largest, value: max(amount)}}
      - select: [id, user_id, amount, payments_1m, total_1m, largest_1m, payments_5m, total_5m, largest_5m,
                 payments_15m, total_15m, largest_15m]
""",
    "model": f"""
      - set:
        - {{{{name: hour, value: ts.getHours()}}}}
        - {{{{name: foreign, value: 'country != "US" ? 1.0 : 0.0'}}}}
      - model:
          xgboost: {ROOT}/models/fraud/fraud.json
          inputs: [amount, amount * foreign, hour, hour <= 6, "ts.getDayOfWeek() in [0, 6]"]
          as: score
      - rules:
          rules:
          - {{{{name: certain, when: score > 0.9, outcome: block}}}}
          - {{{{name: doubtful, when: score > 0.5 && amount > 100, outcome: review}}}}
          - {{{{name: rest, when: "true", outcome: approve}}}}
      - select: [id, ts, user_id, amount, score, outcome]
""",
}
ALONE = ("features", "model")  # not for the peers
JOBS = os.environ.get("JOBS", ",".join(STEPS)).split(",")
JAVA_OPENS = [option for package in ("lang", "util", "nio", "time", "net", "io", "util.concurrent", "lang.reflect")
              for option in ("--add-opens", f"java.base/java.{package}=ALL-UNNAMED")]


def make_peers() -> None:
    """The peers' jars from Maven, and their classes."""
    for name in {"streams", "flink"} & set(PROGRAMS):
        folder, sources = PEERS / name, ROOT / "benchmarks" / "peers" / name
        if not (folder / "libs").is_dir():
            subprocess.run(["mvn", "-B", "-ntp", "-q", "-f", sources / "pom.xml", "dependency:copy-dependencies",
                            f"-DoutputDirectory={folder / 'libs'}"], check=True, stdin=subprocess.DEVNULL)
        subprocess.run(["javac", "-cp", f"{folder}/libs/*", "-d", folder, *sources.glob("*.java")], check=True)


class Bench:
    def __init__(self, folder: pathlib.Path):
        self.folder, self.kafka = folder, Kafka().address
        self.source = "engine-" + uuid.uuid4().hex[:8]
        self.users = self.source + "-users"
        self.shape: dict[str, tuple[int, int]] = {}  # of a job's results: how many, bytes of values

    def load(self) -> None:
        create_topic(self.kafka, self.source, PARTITIONS)
        create_topic(self.kafka, self.users, PARTITIONS, cleanup_policy="compact")
        subprocess.run([BIN / "engine_load", self.kafka, self.source, str(EVENTS), str(PER_SECOND), self.users], check=True)
        assert sum(end_offsets(self.kafka, self.source).values()) == EVENTS

    def run(self, job: str, program: str) -> dict:
        name = f"{program}-{job}-{uuid.uuid4().hex[:8]}"
        create_topic(self.kafka, name, PARTITIONS)
        group, command = getattr(self, program)(job, name)
        measured = Measured(self.kafka, command, group, self.source, EVENTS, self.folder / f"{name}.log")
        # Flink commits what its last checkpoint had, and ends by the signal; so does a Java program.
        java = program in ("streams", "flink")
        result = measured.measure((143,) if java else (0,), EVENTS // 50 if java else 0)
        results = read_all(self.kafka, name, seconds=300)
        result["results"] = len(results)
        if program == "levada":
            self.shape[job] = len(results), round(statistics.mean(len(record.value) for record in results))
        return result

    def limit(self, job: str, name: str) -> tuple[str, list]:
        results, size = self.shape[job]
        extra = size - self.event_bytes()
        return name, [BIN / "kafka_limit", self.kafka, name, self.source, name, "1000", str(extra),
                      str(round(results * 1_000_000 / EVENTS))]

    def event_bytes(self) -> int:
        return 268

    def levada(self, job: str, name: str) -> tuple[str, list]:
        prefix = f"levada.default.{name}."
        for topic in (f"{prefix}dead-letters", f"{prefix}work.changelog"):
            partitions = PARTITIONS if topic.endswith("changelog") else 1
            create_topic(self.kafka, topic, partitions, max_message_bytes="15728640")
        manifest = self.folder / f"{name}.yaml"
        manifest.write_text((HEAD + STEPS[job]).format(name=name, source=self.source, users=self.users))
        return prefix + "work", [BIN / "levada-scoring", "--pipeline", manifest, "--stage", "work", "--kafka", self.kafka]

    def streams(self, job: str, name: str) -> tuple[str, list]:
        return name, self._java("streams", "StreamsPeer", job, name)

    def flink(self, job: str, name: str) -> tuple[str, list]:
        return name, self._java("flink", "FlinkPeer", job, name)

    def _java(self, peer: str, main: str, job: str, name: str) -> list:
        return ["java", "-Xmx1g", "-XX:+UseParallelGC", *JAVA_OPENS, "-cp", f"{PEERS / peer}/libs/*:{PEERS / peer}", main, job,
                self.kafka, self.source, name, self.users, name, str(self.folder / name)]


def programs_of(job: str) -> list[str]:
    # The limit writes what Levada wrote: after it.
    wanted = [program for program in ("levada", "limit", "streams", "flink") if program in PROGRAMS]
    return [program for program in wanted if job not in ALONE or program in ("levada", "limit")]


def main() -> None:
    make_peers()
    before = machine()
    print(f"{before['cores']} cores of {before['cpu']}, Linux {before['kernel']}, load {before['load']}; {EVENTS:,} events, "
          f"{ROUNDS} rounds")
    print(f"{'':<20}{'events/CPU s':>14}{'CPU us/event':>14}{'events/s':>12}{'peak MB':>10}{'results':>12}", flush=True)
    found: dict[str, list[dict]] = {}
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(pathlib.Path(folder))
        bench.load()
        for _ in range(ROUNDS):
            for job in JOBS:
                for program in programs_of(job):
                    numbers = bench.run(job, program)
                    found.setdefault(f"{job} {program}", []).append(numbers)
                    print(f"{job:<10}{program:<10}{numbers['events_per_cpu_second']:>14,.0f}{numbers['cpu_us']:>14.2f}"
                          f"{numbers['events_per_second']:>12,.0f}{numbers['peak_mb']:>10.0f}{numbers['results']:>12,}", flush=True)
    if os.environ.get("RESULT"):
        pathlib.Path(os.environ["RESULT"]).write_text(json.dumps({"machine": before, "events": EVENTS, "rounds": found}, indent=1))


if __name__ == "__main__":
    begun = time.monotonic()
    main()
    print(f"took {time.monotonic() - begun:.0f} s", file=sys.stderr)
