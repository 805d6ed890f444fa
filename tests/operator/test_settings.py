"""What the chart's values `kafka` and `settings` come to: the operator with the chart's file and rights, a real Kafka."""

import pathlib

import pytest

from lib.installation import Installation
from lib.servers import free_ports
from lib.wait import eventually

pytestmark = pytest.mark.kubernetes


@pytest.fixture(scope="module")
def levada(build_dir, tmp_path_factory, kafka):
    """Kafka by TLS, with a log-in that is in no namespace yet."""
    levada = Installation(
        build_dir, tmp_path_factory.mktemp("settings"), "--set", f"kafka.brokers={kafka.secure_address}",
        "--set", "kafka.tls.enabled=true", "--set-file", f"kafka.tls.ca={kafka.folder / 'cert.pem'}",
        "--set", "kafka.secretRef=levada-kafka", "--set", "webhook.enabled=false",
        "--set", "settings.workers.resources.requests.memory=123Mi", "--set", "settings.workers.logLevel=warn",
        "--set", "settings.workers.imagePullSecrets[0].name=registry", "--set", "settings.workers.userId=1000730000",
        "--set", "settings.grafana.dashboards=false")
    levada.start_operator("a")
    yield levada
    levada.close()


def pipeline(namespace: str, topic: str) -> dict:
    return {"apiVersion": "levada.dev/v1alpha1", "kind": "Pipeline", "metadata": {"name": "orders", "namespace": namespace},
            "spec": {"deletionPolicy": "Delete", "topics": [{"name": topic}],
                     "stages": [{"name": "gateway", "ingest": {"http": {"path": "/orders"}, "to": topic}}]}}


def pod(levada, namespace: str) -> dict:
    return levada.get("deployment", "orders-gateway", "-n", namespace)["spec"]["template"]["spec"]


def test_a_namespace_has_the_shared_kafka_once_it_has_the_log_in(levada, kafka, unique):
    levada.kubectl("create", "namespace", unique)
    levada.apply(pipeline(unique, unique))
    eventually(lambda: "levada-kafka" in levada.condition(unique, "orders", "TopicsReady").get("message", ""),
               "the log-in is missed", seconds=60)
    assert "Secret levada-kafka" in levada.condition(unique, "orders", "StagesReady")["message"]

    levada.kubectl("create", "secret", "generic", "levada-kafka", "-n", unique, "--from-literal=username=levada",
                   "--from-literal=password=levada-secret")
    eventually(lambda: levada.condition(unique, "orders", "TopicsReady").get("status") == "True",
               "the topics are made over TLS", seconds=60)

    # What the workers are given, of which nothing but the log-in was there before.
    names = levada.kubectl("get", "configmaps,secrets", "-n", unique, "-o", "name").stdout.split()
    assert [name for name in names if name.startswith("secret/")] == ["secret/levada-kafka"]
    volumes = {each["name"]: each for each in pod(levada, unique)["volumes"]}
    mounts = {each["mountPath"]: each["name"] for each in pod(levada, unique)["containers"][0]["volumeMounts"]}
    ca = volumes[mounts["/etc/levada/files/levada.dev/kafka-ca.pem"]]["configMap"]["name"]
    held = levada.get("configmap", ca, "-n", unique)["data"]["kafka-ca.pem"]
    assert held == (pathlib.Path(kafka.folder) / "cert.pem").read_text()
    assert volumes[mounts["/etc/levada/secrets/levada-kafka"]]["secret"]["secretName"] == "levada-kafka"

    # Its topics are deleted with the same log-in.
    levada.kubectl("delete", "pipeline", "orders", "-n", unique, "--timeout=60s")


def test_pods_are_as_the_settings_have_them(levada, unique):
    levada.kubectl("create", "namespace", unique)
    levada.apply(pipeline(unique, unique))
    eventually(lambda: "deployment.apps/orders-gateway" in levada.kubectl(
        "get", "deployments", "-n", unique, "-o", "name").stdout, "the Deployment", seconds=60)
    spec = pod(levada, unique)
    [worker] = spec["containers"]
    assert worker["resources"] == {"requests": {"memory": "123Mi"}}
    assert {"name": "LEVADA_LOG_LEVEL", "value": "warn"} in worker["env"]
    assert spec["imagePullSecrets"] == [{"name": "registry"}]
    assert spec["securityContext"]["runAsUser"] == 1000730000
    assert "dashboard" not in levada.kubectl("get", "configmaps", "-n", unique, "-o", "name").stdout
    levada.kubectl("delete", "pipeline", "orders", "-n", unique, "--timeout=120s")
