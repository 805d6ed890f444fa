"""levada logs of real pods: told apart, readable, and followed from one pod to the next."""

import os
import subprocess

import pytest

from lib.cluster import ROOT, Cluster
from lib.wait import eventually

pytestmark = pytest.mark.cluster

# Two lines at once, then one a while: as a worker logs them.
SPEAK = """
say() { echo "{\\"ts\\":\\"$(date -u +%Y-%m-%dT%H:%M:%S.000Z)\\",\\"level\\":\\"info\\",\\"msg\\":\\"$1\\",\\"stage\\":\\"echo\\",\\"n\\":$2}"; }
say begins 0; say reads 1; n=2; while true; do sleep 1; say goes-on $n; n=$((n+1)); done
"""


@pytest.fixture(scope="module")
def cluster():
    cluster = Cluster()
    ran = cluster.running()
    cluster.up()
    yield cluster
    if not ran:
        cluster.down()


@pytest.fixture
def pipeline(cluster, unique):
    """A pipeline whose one pod is this test's: no operator touches it."""
    crd = ROOT / "manifests" / "crd" / "pipelines.levada.dev.yaml"
    if "pipelines.levada.dev" not in cluster.kubectl("get", "crd", "-o", "name"):
        cluster.kubectl("apply", "-f", str(crd))
        cluster.kubectl("wait", "--for=condition=Established", "crd/pipelines.levada.dev", "--timeout=30s")
    labels = {"levada.dev/pipeline": unique, "levada.dev/stage": "echo"}
    container = {"name": "worker", "image": "localhost/busybox:1", "imagePullPolicy": "Never", "command": ["sh", "-c", SPEAK]}
    with cluster.namespace(unique) as namespace:
        meta = {"name": unique, "namespace": namespace}
        cluster.apply(
            {"apiVersion": "levada.dev/v1alpha1", "kind": "Pipeline",
             "metadata": {**meta, "annotations": {"levada.dev/reconcile": "paused"}},
             "spec": {"topics": [{"name": "a"}, {"name": "b"}],
                      "stages": [{"name": "echo", "scoring": {"from": "a", "steps": [{"filter": "n > 1"}], "to": "b"}}]}},
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": {
                "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": {
                    "containers": [container], "terminationGracePeriodSeconds": 0}}}})
        cluster.kubectl("rollout", "status", f"deployment/{unique}", "-n", namespace, "--timeout=60s")
        yield unique


def test_readable_and_followed_to_the_next_pod(cluster, pipeline, build_dir, tmp_path):
    command = [build_dir / "bin" / "levada", "logs", pipeline, "-n", pipeline, "--kubeconfig", cluster.kubeconfig]
    environment = os.environ | {"NO_PROXY": "*", "XDG_RUNTIME_DIR": str(tmp_path)}
    pod = lambda: cluster.kubectl("get", "pods", "-n", pipeline, "--field-selector=status.phase=Running", "-o", "name").strip()
    first = pod().rsplit("-", 1)[1]
    read = lambda *more: subprocess.run([*map(str, command), *more], env=environment, text=True, capture_output=True, timeout=60)
    lines = read("--tail", "all").stdout.splitlines()
    assert lines[0].startswith(f"echo/{first} | 20") and lines[0].endswith(" INFO  begins n=0")
    assert lines[1].endswith(" INFO  reads n=1")
    assert len(read("--tail", "1").stdout.splitlines()) == 1
    log = tmp_path / "followed"
    with open(log, "wb") as out:
        follow = subprocess.Popen([*map(str, command), "-f", "--tail", "0"], env=environment, stdout=out)
    try:
        eventually(lambda: f"echo/{first} | " in log.read_text(), "lines of the first pod", 60)
        cluster.kubectl("delete", "pod", "-n", pipeline, "-l", f"levada.dev/pipeline={pipeline}", "--wait=false")
        eventually(lambda: " begins n=0" in log.read_text(), "the next pod, from its first line", 60)
        text = log.read_text()
        assert follow.poll() is None
    finally:
        follow.terminate()
        follow.wait()
    assert len(set(text.splitlines())) == len(text.splitlines()), "no line comes twice"
