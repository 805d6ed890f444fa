"""Ingest beside servers that take the same requests and do nothing with them.

Each server is loaded in turn, round after round on the same machine; the load generator shares its
cores, so what counts is the server's own processor time for an event. "levada http" is core/http alone.
For levada-ingest that includes checking each event, writing it to Kafka and waiting for its answer.
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

from ingest.stage import Stage
from lib.servers import Kafka

BIN = pathlib.Path(os.environ["LEVADA_BUILD_DIR"]) / "bin"
ROUNDS = int(os.environ.get("ROUNDS", "3"))
SECONDS = float(os.environ.get("SECONDS_A_RUN", "4"))
THREADS = str(min(os.cpu_count() or 1, 4))
TICKS = os.sysconf("SC_CLK_TCK")

# kind of load, connections, events a request
LOADS = [("http", 64, 1), ("http", 16, 100), ("unary", 64, 1), ("stream", 4, 100)]

FIELDS = [
    {"name": "event_id", "type": "string", "required": True},
    {"name": "event_time", "type": "timestamp", "required": True},
    {"name": "entity_id", "type": "string", "required": True},
    {"name": "transaction_amt", "type": "double", "required": True},
    {"name": "transaction_currency", "type": "string"},
]


def cpu_seconds(pid: int) -> float:
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_megabytes(pid: int) -> float:
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmHWM")


class Bare:
    def __init__(self, kind: str):
        self.process = subprocess.Popen([BIN / "ingest_bare", kind, THREADS], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        self.pid = self.process.pid

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Ingest:
    def __init__(self, folder: str, kafka: str):
        self.stage = Stage(pathlib.Path(folder), BIN.parent, kafka, "b" + uuid.uuid4().hex[:10],
                           {"http": {"path": "/v1/events"}, "grpc": {}}, fields=FIELDS)
        manifest = self.stage.manifest
        manifest.write_text(manifest.read_text().replace("key: id", "key: entity_id")
                            .replace("timestamp: at", "timestamp: event_time"))
        self.pid = self.stage.start().pid

    def close(self):
        assert self.stage.drain(self.stage.workers[0]) == 0
        self.stage.close()


def run(pid: int, port: int, kind: str, connections: int, batch: int) -> dict:
    before = cpu_seconds(pid)
    done = subprocess.run([BIN / "ingest_load", kind, str(port), str(connections), str(SECONDS), str(batch)],
                          capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    assert result["requests"] > 0 and result["failed"] == 0, result
    result["us"] = (cpu_seconds(pid) - before) * 1e6 / result["events"]
    result["rate"] = result["events"] / result["seconds"]
    return result


def main() -> None:
    kafka = Kafka()
    with tempfile.TemporaryDirectory() as folder:
        ingest, http, levada, grpc = Ingest(folder, kafka.address), Bare("http"), Bare("levada"), Bare("grpc")
        idle = peak_megabytes(ingest.pid)
        try:
            print(f"{'load':<22}{'server':<16}{'events/s':>10}{'CPU us/event':>14}{'p50 ms':>9}{'p99 ms':>9}{'of bare':>9}")
            for kind, connections, batch in LOADS:
                if kind == "http":
                    servers = {"bare Beast": (http.pid, http.port), "levada http": (levada.pid, levada.port),
                               "levada-ingest": (ingest.pid, ingest.stage.http_port)}
                else:
                    servers = {"bare gRPC": (grpc.pid, grpc.port),
                               "levada-ingest": (ingest.pid, ingest.stage.grpc_port)}
                results: dict[str, list[dict]] = {name: [] for name in servers}
                for _ in range(ROUNDS):
                    for name, (pid, port) in servers.items():
                        results[name].append(run(pid, port, kind, connections, batch))
                bare = statistics.median(result["us"] for result in next(iter(results.values())))
                for name, rounds in results.items():
                    middle = {key: statistics.median(result[key] for result in rounds) for key in rounds[0]}
                    print(f"{kind + f' {connections} x {batch}':<22}{name:<16}{middle['rate']:>10,.0f}"
                          f"{middle['us']:>14.2f}{middle['p50_ms']:>9.2f}{middle['p99_ms']:>9.2f}"
                          f"{bare / middle['us']:>9.0%}", flush=True)
            print(f"memory of levada-ingest: {idle:.0f} MB idle, {peak_megabytes(ingest.pid):.0f} MB at most")
        finally:
            for server in (ingest, http, levada, grpc):
                server.close()


if __name__ == "__main__":
    begun = time.monotonic()
    main()
    print(f"took {time.monotonic() - begun:.0f} s", file=sys.stderr)
