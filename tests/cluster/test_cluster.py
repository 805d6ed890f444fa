"""The one-node cluster of ./dev cluster: what runs on it is real, and nothing is left of it."""

import pathlib
import subprocess

import pytest

from lib import kafka as k
from lib.cluster import HOST, ROOT, Cluster, ClusterError, forward
from lib.wait import eventually

pytestmark = pytest.mark.cluster

SHELL = "localhost/busybox:1"
LEVADA = "localhost/levada:dev"


def traces() -> dict[str, set[str]]:
    """What a node makes outside its folder, by kind; each must be after `down` as it was before `up`."""

    def lines(*command: str) -> set[str]:
        return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines())

    def below(*folders: str) -> set[str]:
        return {str(path) for folder in folders for path in pathlib.Path(folder).rglob("*")}

    return {
        "links": lines("ip", "-brief", "link"),
        "routes": lines("ip", "route"),
        "namespaces": lines("ip", "netns"),
        "rules": lines("iptables-save") - {""},
        # The folder that `ip netns` shares between namespaces stays once it is there.
        "mounts": {
            mount for line in lines("cat", "/proc/mounts") if (mount := line.split()[1]) != "/run/netns"
        },
        "control groups": {str(path) for path in pathlib.Path("/sys/fs/cgroup").glob("**/kubepods")},
        "files": below("/run/containerd", "/var/lib/cni", "/var/lib/kubelet", "/var/log/containers", "/var/log/pods"),
        "processes": {line for line in lines("ps", "-eo", "args") if str(Cluster().folder) in line},
    }


@pytest.fixture(scope="module")
def before() -> dict[str, set[str]] | None:
    """The traces before this module's cluster came up; None when one ran already."""
    return None if Cluster().running() else traces()


@pytest.fixture(scope="module")
def cluster(before):
    cluster = Cluster()
    cluster.up()
    yield cluster
    if before is not None:
        cluster.down()


@pytest.fixture
def namespace(cluster, unique):
    with cluster.namespace(unique) as name:
        yield name


def web(namespace: str) -> list[dict]:
    """Two pods that answer with their own names, and a Service before them."""
    labels = {"app": "web"}
    container = {
        "name": "web", "image": SHELL, "imagePullPolicy": "Never",
        "command": ["sh", "-c", "cd /tmp && hostname >index.html && exec httpd -f -p 8080"],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
    }
    deployment = {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": namespace},
        "spec": {
            "replicas": 2, "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
            },
        },
    }
    service = {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": namespace},
        "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    return [deployment, service]


def test_a_service_is_found_by_its_name_and_spreads_over_its_pods(cluster, namespace):
    cluster.apply(*web(namespace))
    cluster.kubectl("rollout", "status", "deployment/web", "-n", namespace, "--timeout=60s")
    fetch = f"for i in $(seq 20); do timeout 5 wget -qO- http://web.{namespace}.svc/ || exit 1; done"
    answers = cluster.run(namespace, "client", SHELL, "sh", "-c", fetch).split()
    pods = cluster.kubectl("get", "pods", "-n", namespace, "-l", "app=web", "-o", "name").split()
    assert len(answers) == 20
    assert {f"pod/{answer}" for answer in answers} == set(pods)


def test_no_name_of_the_world_outside_is_found(cluster, namespace):
    with pytest.raises(ClusterError, match="NXDOMAIN"):
        cluster.run(namespace, "client", SHELL, "nslookup", "example.com")


def test_pods_reach_the_servers_of_this_machine(cluster, namespace, opensearch, smtp):
    port = opensearch.url.rsplit(":", 1)[1]
    fetch = f"timeout 5 wget -qO- http://host.levada.internal:{port}/"
    assert '"number" : "2.19.' in cluster.run(namespace, "search", SHELL, "sh", "-c", fetch)
    greet = f"timeout 2 nc {HOST} {smtp.port} </dev/null || true"
    assert cluster.run(namespace, "mail", SHELL, "sh", "-c", greet).startswith("220 ")


def test_a_pod_writes_to_the_kafka_of_this_machine(cluster, namespace, private_kafka, unique):
    image = ROOT / "build" / "images" / "levada.tar"
    assert image.exists(), "no image: run ./dev images"
    cluster.load(image)
    k.create_topic(private_kafka.address, unique, 3)
    with forward(int(private_kafka.pods_address.rsplit(":", 1)[1])):
        cluster.run(
            namespace, "writer", LEVADA, "levada", "generate", "fraud", "--count", "1000",
            "--to", f"kafka:{unique}", "--kafka", private_kafka.pods_address,
        )
    records = k.read_all(private_kafka.address, unique)
    assert len(records) == 1000
    assert {record.partition for record in records} == {0, 1, 2}


def test_a_claim_gets_a_volume_that_pods_may_write_to_and_that_goes_with_it(cluster, namespace):
    cluster.apply({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": namespace},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }, {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "writer", "namespace": namespace},
        "spec": {
            "restartPolicy": "Never",
            "securityContext": {"runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532},
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
            "containers": [{
                "name": "writer", "image": SHELL, "imagePullPolicy": "Never",
                "command": ["sh", "-c", "echo kept >/data/file"],
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            }],
        },
    })
    cluster.kubectl("wait", "pod/writer", "-n", namespace, "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s")
    folder = cluster.volume(namespace, "data")
    assert (folder / "file").read_text() == "kept\n"
    cluster.kubectl("delete", "pod/writer", "pvc/data", "-n", namespace, "--timeout=60s")
    eventually(lambda: not folder.exists(), "the volume's data is gone")


def test_a_deleted_namespace_goes_with_all_that_is_in_it(cluster, unique):
    with cluster.namespace(unique) as namespace:
        cluster.apply(*web(namespace))
        cluster.kubectl("rollout", "status", "deployment/web", "-n", namespace, "--timeout=60s")
    with pytest.raises(ClusterError, match="NotFound"):
        cluster.kubectl("get", "namespace", unique)


def test_up_twice_is_one_node(cluster):
    pids = cluster.pids()
    assert "kubelet" in pids
    cluster.up()
    assert cluster.pids() == pids


def test_down_leaves_nothing_and_up_begins_anew(cluster, before, unique):
    if before is None:
        pytest.skip("a cluster ran before this test: it is not the test's to remove")
    cluster.kubectl("create", "configmap", unique)
    cluster.down()
    assert not cluster.running()
    after = traces()
    for kind, things in before.items():
        assert after[kind] - things == set(), kind
    assert [file.name for file in cluster.folder.iterdir()] == ["lock"]
    cluster.up()
    with pytest.raises(ClusterError, match="NotFound"):
        cluster.kubectl("get", "configmap", unique)
