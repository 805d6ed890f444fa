"""What operator/render makes of manifests is what a real API server takes, strictly."""

import pathlib
import subprocess

import pytest
import yaml

from lib.servers import Kubernetes

pytestmark = pytest.mark.kubernetes

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDENS = sorted((ROOT / "operator" / "render" / "testdata").glob("*.objects.yaml"))
KUBECTL = ROOT / ".deps" / "kubernetes" / "bin" / "kubectl"
# No CRDs of Prometheus' operator here.
OPTIONAL = {"PodMonitor", "PrometheusRule"}
# Of all goldens. Its pods have to meet the strictest of the standards, or kubectl prints a warning.
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace",
             "metadata": {"name": "shop", "labels": {"pod-security.kubernetes.io/warn": "restricted"}}}


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory):
    """kubectl against a server of its own: (arguments, objects) → its two outputs."""
    server = Kubernetes(tmp_path_factory.mktemp("api"))
    server.start()

    def run(*arguments: str, objects: list[dict]) -> subprocess.CompletedProcess:
        return subprocess.run([KUBECTL, f"--kubeconfig={server.kubeconfig}", *arguments, "-f", "-"],
                              input=yaml.safe_dump_all(objects), capture_output=True, text=True)

    made = run("apply", objects=[NAMESPACE])
    assert made.returncode == 0, made.stderr
    yield run
    server.kill()


def apply(kubectl, objects: list[dict]) -> subprocess.CompletedProcess:
    return kubectl("apply", "--server-side", "--dry-run=server", "--validate=strict", objects=objects)


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: golden.name.removesuffix(".objects.yaml"))
def test_all_objects_are_taken_without_a_warning(kubectl, golden):
    objects = [one for one in yaml.safe_load_all(golden.read_text()) if one["kind"] not in OPTIONAL]
    assert len(objects) > 5
    applied = apply(kubectl, objects)
    assert applied.returncode == 0 and not applied.stderr, applied.stderr
    assert len(applied.stdout.splitlines()) == len(objects)


def test_the_server_would_complain(kubectl):
    """Of a field that does not exist, and of pods that ask for too much."""
    objects = [one for one in yaml.safe_load_all(GOLDENS[0].read_text()) if one["kind"] == "Deployment"][:1]
    objects[0]["spec"]["template"]["spec"]["securityContext"]["runAsNonRoot"] = False
    assert "restricted" in apply(kubectl, objects).stderr
    objects[0]["spec"]["replica"] = 1
    assert "replica" in apply(kubectl, objects).stderr


@pytest.mark.parametrize("kinds", [("RollingUpdate", "Recreate"), ("Recreate", "RollingUpdate")])
def test_the_strategy_of_a_deployment_can_change(kubectl, kinds):
    by_kind = {one["spec"]["strategy"]["type"]: one for golden in GOLDENS
               for one in yaml.safe_load_all(golden.read_text()) if one["kind"] == "Deployment"}
    name = {"name": f"strategy-{kinds[0].lower()}", "namespace": "shop"}
    for kind in kinds:
        deployment = {**by_kind["Recreate"], "metadata": name}
        deployment["spec"] = {**deployment["spec"], "strategy": by_kind[kind]["spec"]["strategy"]}
        applied = kubectl("apply", "--server-side", objects=[deployment])
        assert applied.returncode == 0, applied.stderr
