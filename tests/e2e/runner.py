"""A small manifest, and levada run of any."""

import json
import subprocess
import time

from lib.wait import eventually

SMALL = """
apiVersion: levada.dev/v1alpha1
kind: Pipeline
metadata: {{name: {name}}}
spec:
  topics:
  - {{name: {name}.a, partitions: {partitions}, retention: {retention}}}
  - {{name: {name}.b, partitions: 2}}
  stages:
  - name: work
    scoring:
      from: {name}.a
      steps:
      - set: [{{name: twice, value: n * 2}}]
      to: {name}.b
"""


class Runner:
    """levada run of any manifest, until stop()."""

    def __init__(self, build, folder, kafka, manifest, *arguments):
        self.folder = folder
        self._err = folder / f"run-{time.monotonic_ns()}.err"
        self._out = self._err.with_suffix(".out")
        with open(self._out, "wb") as out, open(self._err, "wb") as err:
            self.process = subprocess.Popen(
                [str(build / "bin" / "levada"), "run", str(manifest), "--kafka", kafka.address, "--json",
                 *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=folder)

    def wait_ready(self) -> None:
        def running() -> bool:
            assert self.process.poll() is None, self.errors()
            lines = self._out.read_text().splitlines(keepends=True)
            return bool(lines) and lines[-1].endswith("\n") and all(
                stage["state"] == "running" for stage in json.loads(lines[-1])["stages"])
        eventually(running, "it runs")

    def state(self) -> str:
        """Of its only stage, as it says itself."""
        lines = self._out.read_text().splitlines(keepends=True)
        return json.loads(lines[-1])["stages"][0]["state"] if lines and lines[-1].endswith("\n") else ""

    def errors(self) -> str:
        return self._err.read_text()

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(120)
