"""What the tests of levada-operator as a process share: an API server of their own, a namespace on it, operators,
and what they wait for.

Kubernetes' controllers do not run there, so no pod runs and nothing is garbage-collected; what is looked at is
what the operator writes. The fixtures are taken by importing them.
"""

import json
import pathlib
import socket
import time
import uuid

import pytest

from lib.kafka import delete_topics
from lib.kube import MADE, Api, free_from, install_crd, served
from lib.operators import Operator, condition, pipeline, settled
from lib.servers import Kubernetes
from lib.wait import eventually

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Kubernetes(tmp_path_factory.mktemp("api"))
    server.start()
    install_crd(Api(server.kubeconfig), ROOT)
    yield server
    server.kill()


@pytest.fixture
def api(server):
    api = Api(server.kubeconfig)
    eventually(lambda: served(api), "the CRD is served")
    yield api
    # What was left of one test must not keep the next one busy.
    for live in api.list("pipelines"):
        namespace, name = live["metadata"]["namespace"], live["metadata"]["name"]
        if live["metadata"].get("finalizers"):
            api.merge("pipelines", namespace, name, {"metadata": {"finalizers": None}})
        api.delete("pipelines", namespace, name)
    lease = api.get("leases", "default", "levada-operator")
    if lease:
        api.delete("leases", "default", "levada-operator")


@pytest.fixture
def space(api, kafka):
    """A namespace; topics whose names begin with it go after the test."""
    name = "t" + uuid.uuid4().hex[:8]
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    delete_topics(kafka.address, name, f"levada.{name}.")


@pytest.fixture
def operators(build_dir, tmp_path, server, kafka):
    """operators("a") starts one of this identity; all are ended after the test."""
    made: list[Operator] = []

    def start(identity: str, *flags: str, brokers: str = kafka.address) -> Operator:
        made.append(Operator(build_dir, tmp_path, server.kubeconfig, brokers, identity, *flags).start())
        return made[-1]

    yield start
    for operator in made:
        if operator.process.poll() is None:
            operator.thaw()
        operator.kill()


@pytest.fixture
def silent():
    """The address of a Kafka that hangs: it takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        yield "127.0.0.1:%d" % listener.getsockname()[1]


def made_for(api: Api, space: str, name: str) -> dict[str, dict]:
    return {f"{kind} {one['metadata']['name']}": free_from(one)
            for kind in MADE for one in api.list(kind, space, f"levada.dev/pipeline={name}")}


def collect_garbage(api: Api, space: str) -> None:
    """As Kubernetes does it with what pipelines owned that are gone."""
    live = {one["metadata"]["uid"] for one in (api.list("pipelines", space) if served(api) else [])}
    for kind in MADE:
        for one in api.list(kind, space, "levada.dev/pipeline"):
            if live.intersection(owner["uid"] for owner in one["metadata"].get("ownerReferences", [])):
                continue
            if one["metadata"].get("finalizers"):
                api.merge(kind, space, one["metadata"]["name"], {"metadata": {"finalizers": None}})
            api.delete(kind, space, one["metadata"]["name"])


def all_settled(api: Api, space: str, names: list[str], seconds: float = 120, meanwhile=lambda: None) -> None:
    def open_ones() -> list[str]:
        live = {one["metadata"]["name"]: one for one in api.list("pipelines", space)}
        return [f"{name}: {condition(live.get(name), 'TopicsReady') or condition(live.get(name), 'StagesReady')}"
                for name in names if not settled(live.get(name))]

    deadline = time.monotonic() + seconds
    while left := open_ones():
        assert time.monotonic() < deadline, f"{len(left)} not as wanted: {left[:3]}"
        meanwhile()
        time.sleep(0.2)


def amount_of(api: Api, space: str, name: str) -> str:
    """What the slices that the filter's Deployment mounts say."""
    deployment = api.get("deployments", space, f"{name}-filter")
    (slice_name,) = [volume["configMap"]["name"] for volume in deployment["spec"]["template"]["spec"]["volumes"]
                     if volume.get("configMap", {}).get("name", "").startswith(f"{name}-filter-")]
    return json.dumps(api.get("configmaps", space, slice_name)["data"])


def carried_out(api: Api, space: str, name: str, amount: int) -> None:
    # The slice before it goes when the operator hears of it from the API server, which may be after it has replaced it.
    selector = f"levada.dev/pipeline={name},levada.dev/stage=filter"
    eventually(lambda: len(list(api.list("configmaps", space, selector))) == 1, "the slice of before is gone", 30)
    assert f"amount > {amount}" in amount_of(api, space, name)


def time_to_apply(api: Api, space: str, name: str, amount: int) -> float:
    began = time.monotonic()
    generation = api.apply(pipeline(space, name, amount))["metadata"]["generation"]
    while True:
        live = api.get("pipelines", space, name)
        if live["status"].get("appliedGeneration") == generation:
            return time.monotonic() - began
        assert time.monotonic() - began < 60, live["status"]
        time.sleep(0.01)


def versions(api: Api, space: str) -> dict[str, str]:
    """Of everything that an operator writes; an event is never the same after a write."""
    return {f"{kind} {one['metadata']['name']}": one["metadata"]["resourceVersion"]
            for kind in ("pipelines", "events", *MADE) for one in api.list(kind, space)}


def at_rest(operator: Operator) -> None:
    """Returns when it has not written for three seconds."""
    while True:
        before = operator.writes()
        time.sleep(3)
        if operator.writes() == before:
            return


def names_of(space: str, count: int) -> list[str]:
    """Topics have no namespace, so the names are unique."""
    return [f"{space}-{i}" for i in range(count)]
