"""Scoring beside what librdkafka alone needs to move the same events from topic to topic.

Four programs, one after the other and round after round, read the same topic of card transactions
and write to topics of six partitions, exactly once, with a commit every second:

  limit      kafka_limit: records as they come, librdkafka and nothing else
  limit+     the same with values that grow by as many bytes as those of `stateless` do
  stateless  levada-scoring: filter, three computed fields, two rules, routed to two topics
  model      the same and an XGBoost model of 60 trees

What counts is the events for each second of processor time that the process used, kernel included,
between the commits at 20 % and at 90 % of the input. That is next to independent of what else runs.

  EVENTS=2000000 ROUNDS=3   how much and how often
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

from lib.kafka import create_topic, end_offsets
from lib.servers import Kafka
from measure import Measured, machine

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN = pathlib.Path(os.environ.get("LEVADA_BUILD_DIR", ROOT / "build" / "release")) / "bin"
EVENTS = int(os.environ.get("EVENTS", "2000000"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
PARTITIONS = 6

MANIFEST = """
apiVersion: levada.dev/v1alpha1
kind: Pipeline
metadata: {{name: {name}}}
spec:
  topics:
  - name: {source}
    key: entity_id
    fields:
    - {{name: event_id, type: string, required: true}}
    - {{name: event_time, type: timestamp, required: true}}
    - {{name: entity_id, type: string, required: true}}
    - {{name: transaction_amt, type: double, required: true}}
    - {{name: distance_km, type: double}}
    - {{name: billing_country, type: string}}
  - {{name: {name}-normal, key: entity_id}}
  - {{name: {name}-large, key: entity_id}}
  stages:
  - name: score
    scoring:
      from: {source}
      commitInterval: 1s
      steps:
      - filter: transaction_amt > 0
      - set:
        - {{name: hour, value: event_time.getHours()}}
        - {{name: per_km, value: transaction_amt / (distance_km + 1.0)}}
        - {{name: corridor, value: 'billing_country + "-" + transaction_currency'}}
{model}      - rules:
          rules:
          - {{name: large, when: transaction_amt > 220, outcome: review}}
          - {{name: rest, when: "true", outcome: approve}}
      outputs:
      - {{to: {name}-large, when: outcome == "review"}}
      - {{to: {name}-normal, when: outcome != "review"}}
"""

MODEL = f"""      - model:
          xgboost: {ROOT}/models/fraud/fraud.json
          inputs: [transaction_amt, distance_km, hour, hour <= 6, "event_time.getDayOfWeek() in [0, 6]"]
"""


def write_manifest(folder: pathlib.Path, name: str, source: str, model: str = "") -> pathlib.Path:
    manifest = folder / f"{name}.yaml"
    manifest.write_text(MANIFEST.format(name=name, source=source, model=model))
    return manifest


def grown_by(folder: pathlib.Path) -> int:
    """Bytes that the stage adds to an event, on average."""
    events = subprocess.run([BIN / "levada", "generate", "fraud", "--count", "5000"], check=True,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    results = subprocess.run([BIN / "levada-scoring", "--pipeline", write_manifest(folder, "pipe", "events"),
                              "--stage", "score", "--pipe"], input=events, check=True,
                             stdout=subprocess.PIPE).stdout
    assert results.count(b"\n") == 5000
    return round((len(results) - len(events)) / 5000)


def run(folder: pathlib.Path, kafka: str, source: str, kind: str, extra: int) -> dict:
    """One program over the whole topic."""
    name = f"{kind.strip('+')}-{uuid.uuid4().hex[:8]}"
    if kind.startswith("limit"):
        group = name
        topics = [name]
        command = [BIN / "kafka_limit", kafka, group, source, name, "1000"]
        command += [str(extra)] if kind == "limit+" else []
    else:
        group = f"levada.default.{name}.score"
        topics = [f"{name}-normal", f"{name}-large", f"levada.default.{name}.dead-letters"]
        manifest = write_manifest(folder, name, source, MODEL if kind == "model" else "")
        command = [BIN / "levada-scoring", "--pipeline", manifest, "--stage", "score", "--kafka", kafka]
    for topic in topics:
        create_topic(kafka, topic, PARTITIONS)
    return Measured(kafka, command, group, source, EVENTS, folder / f"{name}.log").measure()


def main() -> None:
    kafka = Kafka().address
    source = "bench-" + uuid.uuid4().hex[:8]
    results: dict[str, list[dict]] = {"limit": [], "limit+": [], "stateless": [], "model": []}
    before = machine()
    print(f"{before['cores']} cores of {before['cpu']}, Linux {before['kernel']}, load {before['load']}; "
          f"{EVENTS:,} events, {ROUNDS} rounds")
    with tempfile.TemporaryDirectory() as folder:
        create_topic(kafka, source, PARTITIONS)
        subprocess.run([BIN / "levada", "generate", "fraud", "--days", "0", "--count", str(EVENTS), "--to", f"kafka:{source}",
                        "--kafka", kafka], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert sum(end_offsets(kafka, source).values()) == EVENTS
        extra = grown_by(pathlib.Path(folder))
        print(f"limit+: {extra} bytes more an event")
        print(f"{'':<12}{'events/CPU s':>14}{'CPU us/event':>14}{'events/s':>12}{'peak MB':>10}{'of limit':>10}"
              f"{'of limit+':>11}{'MB more':>10}", flush=True)
        for _ in range(ROUNDS):
            for kind, rounds in results.items():
                rounds.append(run(pathlib.Path(folder), kafka, source, kind, extra))
    middle = {kind: {key: statistics.median(result[key] for result in rounds) for key in rounds[0]}
              for kind, rounds in results.items()}
    limit, grown = middle["limit"], middle["limit+"]
    for kind, numbers in middle.items():
        numbers["of_limit"] = numbers["events_per_cpu_second"] / limit["events_per_cpu_second"]
        numbers["of_grown_limit"] = numbers["events_per_cpu_second"] / grown["events_per_cpu_second"]
        numbers["more_mb"] = numbers["peak_mb"] - limit["peak_mb"]
        print(f"{kind:<12}{numbers['events_per_cpu_second']:>14,.0f}{numbers['cpu_us']:>14.2f}"
              f"{numbers['events_per_second']:>12,.0f}{numbers['peak_mb']:>10.0f}{numbers['of_limit']:>10.0%}"
              f"{numbers['of_grown_limit']:>11.0%}{numbers['more_mb']:>+10.0f}")
    if os.environ.get("RESULT"):
        pathlib.Path(os.environ["RESULT"]).write_text(json.dumps(
            {"machine": before, "events": EVENTS, "median": middle, "rounds": results}, indent=1) + "\n")


if __name__ == "__main__":
    begun = time.monotonic()
    main()
    print(f"took {time.monotonic() - begun:.0f} s", file=sys.stderr)
