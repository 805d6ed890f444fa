"""What real workers report gets into a pipeline's status. The API server runs no pods: a test makes them, with the
address of a worker that it has started."""

import pathlib
import subprocess
import uuid

import pytest

from lib.kafka import delete_topics, produce
from lib.kube import Api, ApiError, install_crd
from lib.operators import Operator, pipeline, settled
from lib.servers import Kubernetes, free_ports
from lib.wait import eventually

pytestmark = pytest.mark.kubernetes

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Worker:
    """A worker of the stage `filter`, with the slice that the operator has made, and its pod."""

    def __init__(self, build: pathlib.Path, folder: pathlib.Path, api: Api, space: str, name: str, slice: str):
        self.api, self.space, self.name = api, space, name
        (folder / f"{name}.yaml").write_text(slice)
        port = free_ports()
        with open(folder / f"{name}.log", "wb") as log:
            self.process = subprocess.Popen(
                [build / "bin" / "levada-scoring", "--pipeline", folder / f"{name}.yaml", "--stage", "filter",
                 "--http-port", str(port)], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        labels = {"app.kubernetes.io/managed-by": "levada", "levada.dev/pipeline": space, "levada.dev/stage": "filter"}
        api.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": space, "labels": labels},
                   "spec": {"containers": [{"name": "worker", "image": "levada",
                                            "ports": [{"name": "metrics", "containerPort": port}]}]}})

    def becomes(self, ready: bool) -> None:
        status = {"phase": "Running", "podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}],
                  "conditions": [{"type": "Ready", "status": str(ready)}]}
        self.api.request("PATCH", self.api.path("pods", self.space, self.name) + "/status", {"status": status},
                         "application/merge-patch+json")

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.api.request("DELETE", self.api.path("pods", self.space, self.name) + "?gracePeriodSeconds=0")


def served(api: Api) -> bool:
    try:
        return api.list("pipelines") == []
    except ApiError:
        return False


@pytest.fixture
def api(tmp_path):
    server = Kubernetes(tmp_path / "api")
    server.start()
    api = Api(server.kubeconfig)
    api.kubeconfig = server.kubeconfig
    install_crd(api, ROOT)
    eventually(lambda: served(api), "the CRD is served")
    yield api
    server.kill()


def test_errors_and_dead_letters_of_workers_are_in_the_status(api, build_dir, kafka, tmp_path):
    space = "t" + uuid.uuid4().hex[:8]
    operator = Operator(build_dir, tmp_path, api.kubeconfig, kafka.address, "a")
    workers = []

    def row() -> dict:
        return api.get("pipelines", space, space)["status"]["stages"][1]

    def start(name: str, brokers: str) -> Worker:
        [slice] = [each["data"] for each in api.list("configmaps", space, "levada.dev/stage=filter")]
        [text] = slice.values()
        assert kafka.address in text
        workers.append(Worker(build_dir, tmp_path, api, space, name, text.replace(kafka.address, brokers)))
        return workers[-1]

    try:
        api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}})
        api.apply(pipeline(space, space))
        operator.start()
        eventually(lambda: settled(api.get("pipelines", space, space)), "it is carried out", 60)
        assert "errors" not in row(), "no worker has said anything yet"

        start("good", kafka.address).becomes(ready=True)
        produce(kafka.address, f"{space}.orders", [b"{", b'{"amount": "text"}', b'{"amount": 200}'])
        eventually(lambda: row().get("deadLetters") == 2, "the dead letters are counted", 90)
        assert row()["errors"] == 0 and "lastError" not in row()

        lost = start("lost", f"127.0.0.1:{free_ports()}")
        lost.becomes(ready=False)
        eventually(lambda: row()["errors"] > 0, "the errors of the second one are counted", 60)
        status = api.get("pipelines", space, space)["status"]
        assert row()["deadLetters"] == 2, "those of the first one still are"
        # Why it is not ready is told where one looks for it.
        assert "; lost: " in row()["lastError"]
        [ready] = [each for each in status["conditions"] if each["type"] == "StagesReady"]
        assert row()["lastError"] in ready["message"]

        lost.becomes(ready=True)
        eventually(lambda: "lastErrorTime" in row(), "the newest error has its time", 60)
        lost.end()
        workers.remove(lost)
        eventually(lambda: row()["errors"] == 0, "its errors went with it", 60)
    finally:
        operator.kill()
        for worker in workers:
            worker.end()
        delete_topics(kafka.address, space, f"levada.{space}.")
