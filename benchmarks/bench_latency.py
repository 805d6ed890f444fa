"""How long events take through a stage, from when they are due to when their results can be read.

latency_probe writes card payments of 268 bytes at a steady rate to four partitions and reads the
results (read_committed); between it is one program at a time, with a commit every 100 ms:

  kafka   nothing: the probe reads what it wrote
  limit   kafka_limit: the records as they are, librdkafka alone
  set     levada-scoring: a condition that all fulfil, and a computed field
  state   the same and the count and sum of five minutes by customer

  RATE=20000 DURATION=20 ROUNDS=3  events a second, for how long, how often
  ONLY=limit,set                   which programs
  DELIVERY=atLeastOnce             atLeastOnce, exactlyOnce or both (the default)
  RESULT=FILE                      the numbers as JSON
"""

import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import uuid

from lib.kafka import create_topic
from lib.servers import Kafka
from measure import machine
from process import cpu_seconds, peak_megabytes

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN = pathlib.Path(os.environ.get("LEVADA_BUILD_DIR", ROOT / "build" / "release")) / "bin"
RATE = int(os.environ.get("RATE", "20000"))
SECONDS = int(os.environ.get("DURATION", "20"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
PROGRAMS = os.environ.get("ONLY", "kafka,limit,set,state").split(",")
DELIVERIES = os.environ.get("DELIVERY", "atLeastOnce,exactlyOnce").split(",")
WARM_UP = 5
PARTITIONS = 4

MANIFEST = """
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
  - {{name: {name}, partitions: 4}}
  stages:
  - name: work
    scoring:
      from: {source}
      to: {name}
      delivery: {delivery}
      commitInterval: 100ms
      steps:
      - filter: amount >= 0
      - set:
        - {{name: large, value: amount > 400}}
{more}"""

STATE = """      - features:
          by: [user_id]
          over: [5m]
          set:
          - {name: payments, value: count()}
          - {name: total, value: sum(amount)}
"""


def levada(folder: pathlib.Path, kafka: str, source: str, name: str, delivery: str, more: str) -> list:
    prefix = f"levada.default.{name}."
    create_topic(kafka, prefix + "dead-letters", 1)
    create_topic(kafka, prefix + "work.changelog", PARTITIONS, max_message_bytes="15728640")
    manifest = folder / f"{name}.yaml"
    manifest.write_text(MANIFEST.format(name=name, source=source, delivery=delivery, more=more))
    return [BIN / "levada-scoring", "--pipeline", manifest, "--stage", "work", "--kafka", kafka]


def run(folder: pathlib.Path, kafka: str, delivery: str, program: str) -> dict:
    name = f"latency-{program}-{uuid.uuid4().hex[:8]}"
    source = name if program == "kafka" else name + "-in"
    for topic in {source, name}:
        create_topic(kafka, topic, PARTITIONS)
    probe = [BIN / "latency_probe", kafka, source, name, str(RATE), str(SECONDS), str(WARM_UP)]
    if program == "kafka":
        return json.loads(subprocess.run(probe, check=True, stdout=subprocess.PIPE).stdout)
    if program == "limit":
        once = [] if delivery == "exactlyOnce" else ["0", "1000000", delivery]
        command = [BIN / "kafka_limit", kafka, name, source, name, "100", *once]
    else:
        command = levada(folder, kafka, source, name, delivery, STATE if program == "state" else "")
    with open(folder / f"{name}.log", "wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        time.sleep(3)  # it gets its partitions
        before = cpu_seconds(process.pid)
        result = json.loads(subprocess.run(probe, check=True, stdout=subprocess.PIPE).stdout)
        result["cpu_us"] = (cpu_seconds(process.pid) - before) * 1e6 / (RATE * (SECONDS + WARM_UP))
        result["peak_mb"] = peak_megabytes(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
    assert code == 0, f"exit code {code}: {(folder / f'{name}.log').read_text()}"
    return result


def main() -> None:
    kafka = Kafka().address
    before = machine()
    print(f"{before['cores']} cores of {before['cpu']}, Linux {before['kernel']}, load {before['load']}; {RATE:,} events/s "
          f"for {SECONDS} s, {ROUNDS} rounds, their median")
    found: dict[str, list[dict]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(ROUNDS):
            for delivery in DELIVERIES:
                for program in PROGRAMS:
                    found.setdefault(f"{delivery} {program}", []).append(run(pathlib.Path(folder), kafka, delivery, program))
    print(f"{'ms':<24}{'p50':>8}{'p90':>8}{'p99':>8}{'p99.9':>8}{'max':>8}{'CPU us/event':>14}{'peak MB':>9}   p99 of each")
    for label, rounds in found.items():
        middle = {key: statistics.median(numbers[key] for numbers in rounds) for key in rounds[0]}
        own = f"{middle['cpu_us']:>14.2f}{middle['peak_mb']:>9.0f}" if "cpu_us" in middle else " " * 23
        each = ", ".join(f"{numbers['p99']:.1f}" for numbers in rounds)
        print(f"{label:<24}{middle['p50']:>8.1f}{middle['p90']:>8.1f}{middle['p99']:>8.1f}{middle['p999']:>8.1f}"
              f"{middle['max']:>8.1f}{own}   {each}")
    if os.environ.get("RESULT"):
        pathlib.Path(os.environ["RESULT"]).write_text(json.dumps({"machine": before, "rate": RATE, "rounds": found}, indent=1))


if __name__ == "__main__":
    begun = time.monotonic()
    main()
    print(f"took {time.monotonic() - begun:.0f} s", file=sys.stderr)
