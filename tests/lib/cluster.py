"""The cluster of `./dev cluster` for tests.

    cluster = Cluster()
    cluster.up()
    cluster.apply({"apiVersion": "v1", "kind": "Pod", …})
    cluster.kubectl("wait", "--for=condition=Ready", "pod/a", "--timeout=30s")

An object is cheap and holds no process. It is always the node made here, whatever KUBECONFIG says.
"""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
from typing import Iterator

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
NODE = ROOT / "tests" / "cluster" / "node.sh"
KUBECTL = ROOT / ".deps" / "kubernetes" / "bin" / "kubectl"
# This machine, as pods see it.
HOST = "10.199.0.1"


class ClusterError(Exception):
    """A command that failed; the message has what it said."""


class Cluster:
    def __init__(self):
        exports = dict(line.split("=", 1) for line in _run([NODE, "exports"]).splitlines())
        self.kubeconfig = pathlib.Path(exports["LEVADA_CLUSTER_KUBECONFIG"])
        self.folder = self.kubeconfig.parent

    def up(self) -> str:
        return _run([ROOT / "dev", "cluster", "up", "--node"])

    def down(self) -> str:
        return _run([ROOT / "dev", "cluster", "down", "--node"])

    def load(self, *files: pathlib.Path) -> str:
        return _run([ROOT / "dev", "cluster", "load", "--node", *files])

    def running(self) -> bool:
        return subprocess.run([NODE, "alive"]).returncode == 0

    def pids(self) -> dict[str, int]:
        """Of its processes, by their names."""
        return {file.stem: int(file.read_text().split()[0]) for file in self.folder.glob("*.pid")}

    def kubectl(self, *arguments: str, stdin: str = "", seconds: float = 120) -> str:
        return _run([KUBECTL, "--kubeconfig", self.kubeconfig, *arguments], stdin, seconds)

    def apply(self, *objects: dict) -> None:
        self.kubectl("apply", "-f", "-", stdin="\n---\n".join(json.dumps(each) for each in objects))

    def volume(self, namespace: str, claim: str) -> pathlib.Path:
        """The folder of this machine that a claim's volume is."""
        return self.folder / "volumes" / self.kubectl("get", "pvc", claim, "-n", namespace, "-o=jsonpath={.spec.volumeName}")

    def run(self, namespace: str, name: str, image: str, *command: str) -> str:
        """What a pod with this command prints; ClusterError with it when the command fails."""
        return self.kubectl(
            "run", name, "-n", namespace, "--image", image, "--image-pull-policy=Never", "--restart=Never",
            "--attach", "--rm", "--quiet", "--command", "--", *command,
        )

    @contextlib.contextmanager
    def namespace(self, name: str) -> Iterator[str]:
        """A namespace that is there until the end, with the service account that pods need."""
        self.kubectl("create", "namespace", name)
        try:
            self.kubectl("wait", "--for=create", "serviceaccount/default", "-n", name, "--timeout=30s")
            yield name
        finally:
            # Its pods may take their time to end, as a worker that drains does.
            self.kubectl("delete", "namespace", name, "--ignore-not-found", "--timeout=180s", seconds=200)


@contextlib.contextmanager
def forward(*ports: int) -> Iterator[None]:
    """Lets pods reach these ports of this machine's loopback interface, at HOST."""
    program = ROOT / "tests" / "cluster" / "forward.py"
    with subprocess.Popen([sys.executable, program, "--address", HOST, *map(str, ports)]) as process:
        try:
            yield
        finally:
            process.terminate()


def _run(command: list, stdin: str = "", seconds: float = 300) -> str:
    done = subprocess.run(
        [str(word) for word in command], input=stdin, capture_output=True, text=True, timeout=seconds,
        env=os.environ | {"NO_PROXY": "*"},  # the cluster is on this machine
    )
    if done.returncode != 0:
        raise ClusterError(f"{' '.join(map(str, command[:4]))}: {done.stderr.strip()}\n{done.stdout.strip()}")
    return done.stdout
