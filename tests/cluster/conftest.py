"""The node, a Kafka and a mail server that its pods reach, and the chart installed on it."""

import contextlib
import uuid

import pytest

from cluster.pipeline import ClusterPipeline, Traffic
from cluster.release import Release
from lib.cluster import ROOT, Cluster, forward
from lib.servers import Kafka, Smtp

IMAGE = ROOT / "build" / "images" / "levada.tar"


@pytest.fixture(scope="session")
def node():
    """The node with Levada's image; as it was, after the tests."""
    cluster = Cluster()
    ran = cluster.running()
    cluster.up()
    assert IMAGE.exists(), "no image: run ./dev images"
    cluster.load(IMAGE)
    yield cluster
    if not ran:
        cluster.down()


@pytest.fixture(scope="session")
def pods_kafka(tmp_path_factory):
    """A Kafka of these tests' own, to stop and start, which pods reach too."""
    kafka = Kafka(tmp_path_factory.mktemp("kafka"))
    kafka.start()
    with forward(int(kafka.pods_address.rsplit(":", 1)[1])):
        yield kafka
    kafka.kill()


@pytest.fixture(scope="session")
def pods_smtp(tmp_path_factory):
    smtp = Smtp(tmp_path_factory.mktemp("smtp"))
    smtp.start()
    with forward(smtp.port):
        yield smtp
    smtp.kill()


@pytest.fixture(scope="session")
def release(node, pods_kafka):
    """The chart with its defaults. What of it was there before is removed: it would look after the same pipelines."""
    release = Release(node, pods_kafka.pods_address)
    release.remove()
    release.install()
    yield release
    release.remove()


@pytest.fixture(scope="session")
def make_pipeline(node, release, pods_kafka, opensearch, pods_smtp):
    """make_pipeline(edit): the sample in a namespace of its own with all that it needs, not yet applied.
    A context manager; the namespace goes with it."""

    @contextlib.contextmanager
    def make(edit=lambda document: None):
        with node.namespace("t" + uuid.uuid4().hex[:8]) as namespace:
            pipeline = ClusterPipeline(node, namespace, pods_kafka, opensearch, pods_smtp, edit)
            pipeline.prepare()
            yield pipeline

    return make


@pytest.fixture(scope="module")
def shop(make_pipeline):
    """A pipeline that runs, with two gateways. The tests of a module change it one after the other."""

    def two_gateways(document: dict) -> None:
        document["spec"]["stages"][0]["replicas"] = 2

    with make_pipeline(two_gateways) as pipeline:
        pipeline.apply()
        yield pipeline


@pytest.fixture(scope="module")
def traffic(shop):
    """Events that come in all the while."""
    traffic = Traffic(shop, shop.name)
    traffic.flows()
    yield traffic
    traffic.stop()
