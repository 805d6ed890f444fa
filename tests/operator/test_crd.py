"""The CRD on a real API server: it installs, explains itself, refuses what is wrong and changes no plan."""

import copy
import json
import pathlib
import subprocess

import pytest
import yaml

from lib.servers import Kubernetes
from lib.wait import eventually

pytestmark = pytest.mark.kubernetes

ROOT = pathlib.Path(__file__).resolve().parents[2]
CRD = ROOT / "manifests" / "crd" / "pipelines.levada.dev.yaml"
SAMPLES = sorted(set((ROOT / "manifests" / "samples").glob("*.yaml")) - {ROOT / "manifests/samples/kustomization.yaml"})
KUBECTL = ROOT / ".deps" / "kubernetes" / "bin" / "kubectl"

GOOD = yaml.safe_load("""
apiVersion: levada.dev/v1alpha1
kind: Pipeline
metadata: {name: shop}
spec:
  connections:
    mail: {smtp: {host: mail.example.com, from: shop@example.com, tls: {caFile: mail.pem}}}
    store: {s3: {endpoint: "https://minio:9000", pathStyle: true, secretRef: store-keys}}
  files:
  - {path: model.json, configMap: models}
  - {path: mail.pem, s3: {via: store, bucket: ca, key: mail/1.pem, maxSize: 1Mi}}
  topics:
  - {name: orders, partitions: 3, retention: 7d, config: {min.insync.replicas: "2"}, unmanaged: [retention.ms]}
  - {name: scored, fields: [{name: id, type: string, required: true}, {name: score, type: double}]}
  stages:
  - {name: gateway, ingest: {http: {path: /orders}, to: orders}}
  - name: score
    autoscaling: {minReplicas: 0, maxReplicas: 3, targetDrainTime: 30s}
    scoring:
      from: orders
      steps:
      - filter: amount > 0
      - set: [{name: score, value: "on"}]
      - model: {xgboost: model.json, inputs: [amount], as: risk}
      - rules: {rules: [{name: all, when: "true", outcome: "yes"}]}
      to: scored
    pod:
      labels: {team: risk}
      resources: {requests: {cpu: 2, memory: 512Mi}, limits: {cpu: "2.5"}}
      nodeSelector: {disk: ssd}
      tolerations: [{key: batch, operator: Exists, effect: NoSchedule, tolerationSeconds: 0}]
      affinity:
        nodeAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
          - {weight: 1, preference: {matchExpressions: [{key: zone, operator: In, values: [a, "no"]}]}}
      env:
      - {name: TOKEN, valueFrom: {secretKeyRef: {name: shop, key: token}}}
      - {name: EMPTY, value: ""}
      envFrom: [{secretRef: {name: shop, optional: true}}]
  - name: lake
    replicas: 1
    pod: {volume: {size: 1Gi, storageClassName: fast}}
    archiving: {from: scored, parquet: {folder: lake/scored}}
  - name: alert
    notify: {from: scored, email: {via: mail, to: [desk@example.com], subject: Hi, body: "${id}"}}
""")


class Cluster:
    """kubectl against the API server of these tests."""

    def __init__(self, server: Kubernetes):
        self._server = server

    def run(self, *arguments: str, manifest=None) -> subprocess.CompletedProcess:
        text = manifest if isinstance(manifest, str) or manifest is None else json.dumps(manifest)
        return subprocess.run(
            [KUBECTL, "--kubeconfig", self._server.kubeconfig, *arguments],
            input=text, text=True, capture_output=True, timeout=60)

    def __call__(self, *arguments: str, manifest=None) -> str:
        done = self.run(*arguments, manifest=manifest)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refusal(self, manifest, *arguments: str) -> str:
        """What the API server says of a manifest that it refuses."""
        done = self.run("apply", "-f", "-", *arguments, manifest=manifest)
        assert done.returncode != 0, f"was taken: {done.stdout}"
        return done.stderr


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """An API server with nothing on it but the CRD, put there as users do."""
    server = Kubernetes(tmp_path_factory.mktemp("api"))
    server.start()
    cluster = Cluster(server)
    cluster("apply", "-f", str(CRD))
    eventually(lambda: cluster.run("explain", "pl.status").returncode == 0, "the schema is served")
    yield cluster
    server.kill()


@pytest.fixture
def namespace(cluster, unique):
    cluster("create", "namespace", unique)
    return unique


def edit(path: str, value) -> dict:
    """GOOD with `value` at `path` (`stages.1.scoring.to`) of its spec; with None there is nothing there."""
    manifest = copy.deepcopy(GOOD)
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    at = manifest["spec"]
    for part in way:
        at = at[part]
    if value is None:
        del at[last]
    elif isinstance(at, list) and last == len(at):
        at.append(value)
    else:
        at[last] = value
    return manifest


class TestInstall:
    def test_applies_with_plain_kubectl_and_again(self, cluster):
        assert "unchanged" in cluster("apply", "-f", str(CRD))
        crd = json.loads(cluster("get", "crd", "pipelines.levada.dev", "-o", "json"))
        conditions = {each["type"]: each["status"] for each in crd["status"]["conditions"]}
        assert conditions["Established"] == "True"
        assert conditions["NamesAccepted"] == "True"
        assert conditions.get("NonStructuralSchema", "False") == "False"
        last_applied = crd["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"]
        assert len(last_applied) < 262144

    def test_is_found_by_its_short_name_and_category(self, cluster):
        resource = cluster("api-resources", "--api-group=levada.dev", "-o", "wide")
        row = resource.splitlines()[1].split()
        assert row[:2] == ["pipelines", "pl"]
        assert row[-1] == "levada"

    @pytest.mark.parametrize("path, words", [
        ("pipeline", ["A streaming dataflow: its connections, its topics and the stages between them."]),
        ("pipeline.spec.stages", ["The stages, each a consumer group and a process", "archiving", "Writes files.",
                                  "-required-"]),
        ("pipeline.spec.stages.replicas", ["Number of workers; 0 stops the stage."]),
        ("pipeline.spec.stages.scoring.delivery", ["exactlyOnce", "atLeastOnce", "Default: exactlyOnce."]),
        ("pl.spec.deletionPolicy", ["Retain: topics, consumer groups and volumes stay", "Default: Retain."]),
        ("pl.status.stages", ["A row a stage", "deadLetters"]),
    ])
    def test_explains_itself(self, cluster, path, words):
        text = " ".join(cluster("explain", path).split())
        for word in words:
            assert word in text

    def test_columns_of_a_pipeline(self, cluster, namespace):
        cluster("apply", "-n", namespace, "-f", "-", manifest=GOOD)
        status = {"status": {"phase": "Running", "stagesReady": "4/4", "topicsReady": "4/4", "lag": 12,
                             "eventsPerSecond": 3400, "observedGeneration": 1}}
        cluster("patch", "pl", "shop", "-n", namespace, "--subresource=status", "--type=merge",
                "-p", json.dumps(status))
        header, row = cluster("get", "pl", "-n", namespace).splitlines()
        assert header.split() == ["NAME", "PHASE", "STAGES", "TOPICS", "LAG", "EVENTS/S", "AGE"]
        assert row.split()[:6] == ["shop", "Running", "4/4", "4/4", "12", "3400"]

    def test_an_apply_of_the_manifest_leaves_the_status_alone(self, cluster, namespace):
        cluster("apply", "-n", namespace, "-f", "-", manifest=GOOD)
        cluster("patch", "pl", "shop", "-n", namespace, "--subresource=status", "--type=merge",
                "-p", '{"status": {"phase": "Running"}}')
        changed = edit("paused", True)
        cluster("apply", "-n", namespace, "-f", "-", manifest=changed)
        pipeline = json.loads(cluster("get", "pl", "shop", "-n", namespace, "-o", "json"))
        assert pipeline["status"] == {"phase": "Running"}
        assert pipeline["metadata"]["generation"] == 2

    def test_a_status_of_another_shape_is_refused(self, cluster, namespace):
        cluster("apply", "-n", namespace, "-f", "-", manifest=GOOD)
        patch = '{"status": {"phase": "Sleeping"}}'
        done = cluster.run("patch", "pl", "shop", "-n", namespace, "--subresource=status", "--type=merge", "-p", patch)
        assert 'Unsupported value: "Sleeping"' in done.stderr


# What is wrong with GOOD, and what the API server says to it. The same words as `levada validate` where a
# rule says them; the API server's own where a type, pattern or bound does.
REFUSED = [
    ("an unknown key", edit("topics.0.colour", "red"), 'unknown field "spec.topics[0].colour"'),
    ("no topics", edit("topics", None), "spec.topics: Required value"),
    ("an empty list of stages", edit("stages", []), "should have at least 1 items"),
    ("a topic twice", edit("topics.2", {"name": "orders"}), "spec.topics[2]: Duplicate value"),
    ("a stage twice", edit("stages.4", GOOD["spec"]["stages"][0]), "spec.stages[4]: Duplicate value"),
    ("a field twice", edit("topics.1.fields.2", {"name": "id", "type": "int"}), "fields[2]: Duplicate value"),
    ("a stage without a kind", edit("stages.4", {"name": "x"}),
     "expected exactly one of `ingest`, `scoring`, `indexing`, `archiving` or `notify`"),
    ("a stage of two kinds", edit("stages.0.archiving", {"from": "orders", "ndjson": {"folder": "x"}}),
     "expected exactly one of `ingest`"),
    ("a step of two kinds", edit("stages.1.scoring.steps.0.drop", ["a"]), "expected exactly one of `filter`"),
    ("to beside outputs", edit("stages.1.scoring.outputs", [{"to": "scored"}]),
     "expected exactly one of `to` or `outputs`"),
    ("an ingest without a source", edit("stages.0.ingest", {"to": "orders"}),
     "expected at least one of `http`, `grpc`, `file` or `schedule`"),
    ("a file beside http", edit("stages.0.ingest.file", {"path": "a.json"}),
     "only `http` and `grpc` may stand together"),
    ("a connection of two kinds", edit("connections.mail.webhook", {"url": "http://a"}),
     "expected exactly one of `kafka`, `opensearch`, `smtp`, `webhook` or `s3`"),
    ("Kafka under another name", edit("connections.other", {"kafka": {"brokers": "a:1"}}),
     "the one that carries the pipeline's topics is named `kafka`"),
    ("SASL without a user", edit("connections.kafka", {"kafka": {"brokers": "a:1", "sasl": "PLAIN"}}),
     "SASL needs a user"),
    ("a name that is none", edit("stages.0.name", "Gateway"), "spec.stages[0].name in body should match"),
    ("a long name", edit("stages.0.name", "a" * 64), "may not be more than 63"),
    ("a duration that is none", edit("topics.0.retention", "1 week"), "retention in body should match"),
    ("a duration as a number", edit("topics.0.retention", 7), "must be of type string"),
    ("a boolean for text", edit("stages.1.scoring.steps.0.filter", True), "must be of type string"),
    ("an enum's unknown value", edit("stages.1.scoring.delivery", "twice"), 'Unsupported value: "twice"'),
    ("no partitions", edit("topics.0.partitions", 0), "should be greater than or equal to 1"),
    ("too many partitions", edit("topics.0.partitions", 10001), "should be less than or equal to 10000"),
    ("a folder outside", edit("stages.2.archiving.parquet.folder", "../lake"), "folder in body should match"),
    ("an address with a password", edit("connections.hook", {"webhook": {"url": "http://u:p@a"}}),
     "url in body should match"),
    ("a closed topic without fields", edit("topics.0.closed", True), "a closed topic without `fields`"),
    ("replicas beside autoscaling", edit("stages.1.replicas", 2),
     "expected at most one of `replicas` or `autoscaling`"),
    ("autoscaling of ingest", edit("stages.0.autoscaling", {"maxReplicas": 2}), "there is no lag to scale on"),
    ("more than one that reads a file",
     edit("stages.0", {"name": "in", "replicas": 2, "ingest": {"file": {"path": "a"}, "to": "orders"}}),
     "has one worker"),
    ("a least that is more than the most", edit("stages.1.autoscaling.minReplicas", 4),
     "expected at most `maxReplicas`"),
    ("a volume for a stage that writes no files", edit("stages.1.pod.volume", {"size": "1Gi"}),
     "only an archiving stage writes to a volume"),
    ("a claim with a size", edit("stages.2.pod.volume.claim", "lake"), "a claim that is there already"),
    ("a toleration of everything without Exists", edit("stages.1.pod.tolerations.0", {"value": "x"}),
     "expected `operator: Exists` without a `value`, or a `key`"),
    ("memory that is no quantity", edit("stages.1.pod.resources.requests.memory", "1GB"), "should match"),
    ("a variable with two values", edit("stages.1.pod.env.0.value", "x"),
     "expected exactly one of `value` or `valueFrom`"),
    ("a variable twice", edit("stages.1.pod.env.1.name", "TOKEN"), "env[1]: Duplicate value"),
    ("a file from two places", edit("files.0.secret", "s"),
     "expected exactly one of `configMap`, `secret`, `claim` or `s3`"),
    ("a key beside that of an object", edit("files.1.key", "mail.pem"), "an object in a bucket is named by `s3.key`"),
    ("a sum that is none", edit("files.1.s3.sha256", "abc"), "sha256 in body should match"),
    ("an object without a key", edit("files.1.s3", {"via": "store", "bucket": "ca"}), "key: Required value"),
    ("a mention twice", edit("topics.0.unmanaged", ["retention.ms", "retention.ms"]), "unmanaged[1]: Duplicate value"),
]


class TestValidation:
    def test_the_good_one_is_good(self, cluster, namespace):
        assert "created" in cluster("apply", "-n", namespace, "-f", "-", manifest=GOOD)

    @pytest.mark.parametrize("manifest, message", [pytest.param(*rest, id=name) for name, *rest in REFUSED])
    def test_refuses(self, cluster, manifest, message):
        refusal = cluster.refusal(manifest, "--dry-run=server")
        assert message in refusal

    def test_refuses_a_name_that_no_topic_could_have(self, cluster):
        manifest = copy.deepcopy(GOOD)
        manifest["metadata"]["name"] = "shop.eu"
        assert "metadata.name" in cluster.refusal(manifest, "--dry-run=server")

    @pytest.fixture
    def validate(self, build_dir, tmp_path):
        def run(manifest: dict) -> subprocess.CompletedProcess:
            file = tmp_path / "manifest.yaml"
            file.write_text(yaml.safe_dump(manifest))
            return subprocess.run([build_dir / "bin" / "levada", "validate", file], capture_output=True, text=True)
        return run

    def test_levada_validate_takes_the_good_one(self, validate):
        done = validate(GOOD)
        assert done.returncode == 0, done.stderr
        assert "warning" not in done.stderr + done.stdout

    @pytest.mark.parametrize("manifest", [pytest.param(each[1], id=each[0]) for each in REFUSED])
    def test_levada_validate_refuses_the_same(self, validate, manifest):
        done = validate(manifest)
        assert done.returncode == 2, done.stdout + done.stderr


TRANSITIONS = [
    ("fewer partitions", "topics.0.partitions", 2, "a topic cannot lose partitions"),
    ("the default's partition in place of three", "topics.0.partitions", None, "a topic cannot lose partitions"),
    ("another kind of stage", "stages.0", {"name": "gateway", "archiving": {"from": "orders", "ndjson": {"folder": "x"}}},
     "a stage keeps its kind"),
    ("a smaller volume", "stages.2.pod.volume.size", "500Mi", "a volume cannot shrink"),
    ("another storage class", "stages.2.pod.volume.storageClassName", "slow", "of a volume cannot change"),
]

ALLOWED = [
    ("more partitions", "topics.0.partitions", 6),
    ("a larger volume", "stages.2.pod.volume.size", "2000Mi"),
    ("a volume that is there", "stages.2.pod.volume", {"claim": "lake"}),
    ("one stage less", "stages.0", None),
    ("another stage", "stages.0.name", "entrance"),
]


class TestChanges:
    @pytest.mark.parametrize("path, value, message", [pytest.param(*rest, id=name) for name, *rest in TRANSITIONS])
    def test_refuses(self, cluster, namespace, path, value, message):
        cluster("apply", "-n", namespace, "-f", "-", manifest=GOOD)
        assert message in cluster.refusal(edit(path, value), "-n", namespace)

    @pytest.mark.parametrize("path, value", [pytest.param(*rest, id=name) for name, *rest in ALLOWED])
    def test_takes(self, cluster, namespace, path, value):
        cluster("apply", "-n", namespace, "-f", "-", manifest=GOOD)
        assert "configured" in cluster("apply", "-n", namespace, "-f", "-", manifest=edit(path, value))

    def test_two_owners_of_one_pipeline_keep_their_topics(self, cluster, namespace):
        """Server-side apply merges topics by name; the second manager needs not know of the first's."""
        cluster("apply", "-n", namespace, "--server-side", "--field-manager=one", "-f", "-", manifest=GOOD)
        second = {"apiVersion": "levada.dev/v1alpha1", "kind": "Pipeline", "metadata": {"name": "shop"},
                  "spec": {"topics": [{"name": "scored", "retention": "1d"}]}}
        cluster("patch", "pl", "shop", "-n", namespace, "--type=merge", "-p", '{"metadata": {"labels": {"a": "b"}}}')
        done = cluster.run("apply", "-n", namespace, "--server-side", "--field-manager=two", "-f", "-",
                           manifest=second)
        assert "spec.stages: Required value" not in done.stderr, done.stderr
        pipeline = json.loads(cluster("get", "pl", "shop", "-n", namespace, "-o", "json"))
        assert [topic["name"] for topic in pipeline["spec"]["topics"]] == ["orders", "scored"]
        assert pipeline["spec"]["topics"][1]["retention"] == "1d"
        assert len(pipeline["spec"]["stages"]) == 4


class TestRoundTrip:
    """What `kubectl get -o yaml` gives is a manifest, and comes to the same plan."""

    @pytest.fixture
    def plan(self, build_dir, kafka):
        """What `levada plan` says of a file."""
        def say(file: pathlib.Path) -> str:
            done = subprocess.run([build_dir / "bin" / "levada", "plan", "--kafka", kafka.address, file],
                                  capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout
        return say

    @pytest.mark.parametrize("file", SAMPLES, ids=lambda file: file.stem)
    def test_of_a_sample(self, cluster, namespace, plan, tmp_path, file):
        cluster("apply", "-n", namespace, "-f", str(file))
        self.compare(cluster, namespace, plan, tmp_path, file.read_text())

    def test_tests_are_the_same_afterwards(self, cluster, namespace, build_dir, tmp_path):
        """Nulls in their events too, which `kubectl apply` keeps with --server-side only."""
        source, after = ROOT / "services/scoring/testdata/pipelines/join.yaml", tmp_path / "after.yaml"
        cluster("apply", "--server-side", "-n", namespace, "-f", str(source))
        after.write_text(cluster("get", "pl", "join", "-n", namespace, "-o", "yaml"))
        assert yaml.safe_load(after.read_text())["spec"]["tests"] == yaml.safe_load(source.read_text())["spec"]["tests"]
        done = subprocess.run([build_dir / "bin" / "levada", "test", "--require", after], capture_output=True, text=True,
                              timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr

    def test_of_everything_else(self, cluster, namespace, plan, tmp_path):
        cluster("apply", "-n", namespace, "-f", "-", manifest=GOOD)
        cluster("patch", "pl", "shop", "-n", namespace, "--subresource=status", "--type=merge",
                "-p", '{"status": {"phase": "Running"}}')
        self.compare(cluster, namespace, plan, tmp_path, yaml.safe_dump(GOOD))

    @staticmethod
    def compare(cluster, namespace, plan, tmp_path, text):
        before, after = tmp_path / "before.yaml", tmp_path / "after.yaml"
        manifest = yaml.safe_load(text)
        manifest["metadata"]["namespace"] = namespace  # as kubectl -n does
        before.write_text(yaml.safe_dump(manifest))
        for output in ("yaml", "json"):
            after.write_text(cluster("get", "pl", manifest["metadata"]["name"], "-n", namespace, "-o", output,
                                     "--show-managed-fields"))
            assert plan(after) == plan(before)
