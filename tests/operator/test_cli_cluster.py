"""levada status, pause, resume, dlq and plan against a cluster: a real API server, a real operator and a real Kafka.

No pod runs, since there is no node: logs are tried in tests/cluster.
"""

import copy
import json
import pathlib
import subprocess
import uuid

import pytest
import yaml

from lib import kafka as topics
from lib.kube import MADE, Api, install_crd
from lib.operators import Operator, pipeline, settled
from lib.servers import Kubernetes
from lib.wait import eventually

pytestmark = pytest.mark.kubernetes

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Kubernetes(tmp_path_factory.mktemp("api"))
    server.start()
    install_crd(Api(server.kubeconfig), ROOT)
    yield server
    server.kill()


@pytest.fixture(scope="module")
def operator(server, build_dir, tmp_path_factory, kafka):
    operator = Operator(build_dir, tmp_path_factory.mktemp("operator"), server.kubeconfig, kafka.address, "cli")
    operator.start()
    operator.wait_until_leading()
    install(Api(server.kubeconfig), kafka.address)
    yield operator
    operator.kill()


def install(api: Api, brokers: str) -> None:
    """The Deployment and settings that the chart would make; the process beside the server is what acts."""
    meta = {"name": "levada-operator", "namespace": "default", "labels": {"app.kubernetes.io/name": "levada-operator"}}
    api.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta,
               "data": {"settings.yaml": json.dumps({"kafka": {"brokers": brokers}})}})
    labels = {"app": "levada-operator"}
    container = {"name": "operator", "image": "levada", "args": ["--settings=/etc/levada/operator/settings.yaml"],
                 "volumeMounts": [{"name": "settings", "mountPath": "/etc/levada/operator"}]}
    api.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {
            "containers": [container], "volumes": [{"name": "settings", "configMap": {"name": "levada-operator"}}]}}}})


@pytest.fixture
def api(server):
    return Api(server.kubeconfig)


@pytest.fixture
def space(api, kafka):
    name = "t" + uuid.uuid4().hex[:8]
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    for live in api.list("pipelines", name):
        api.delete("pipelines", name, live["metadata"]["name"])
    topics.delete_topics(kafka.address, name)


@pytest.fixture
def levada(build_dir, server, tmp_path, monkeypatch):
    """levada("status", …) as the administrator; files are written to tmp_path."""
    monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("LEVADA_KAFKA", raising=False)

    def run(*arguments) -> subprocess.CompletedProcess:
        return subprocess.run([str(build_dir / "bin" / "levada"), *map(str, arguments)], text=True, capture_output=True,
                              timeout=60, cwd=tmp_path, stdin=subprocess.DEVNULL)
    return run


@pytest.fixture
def carried_out(api, operator, space):
    """carried_out(manifest): applied, and the operator has done all of it."""
    def apply(manifest: dict) -> dict:
        api.apply(manifest)
        name = manifest["metadata"]["name"]
        return eventually(lambda: settled(live := api.get("pipelines", space, name)) and live, "the operator has done it", 60)
    return apply


def orders(space: str, amount: int = 100, **spec) -> dict:
    return pipeline(space, f"{space}-orders", amount, **spec)


class TestStatus:
    def test_is_what_the_operator_wrote(self, levada, carried_out, space):
        live = carried_out(orders(space))
        done = levada("status", f"{space}-orders", "-n", space, "--json")
        seen = json.loads(done.stdout)
        assert done.returncode == 1, "no pod runs here"
        assert seen["phase"] == live["status"]["phase"] and seen["where"].startswith("cluster ")
        assert [stage["name"] for stage in seen["stages"]] == ["gateway", "filter", "files"]
        assert {topic["name"] for topic in seen["topics"]} == {topic["name"] for topic in live["status"]["topics"]}
        assert {row["type"] for row in seen["conditions"]} >= {"Valid", "TopicsReady", "StagesReady", "Ready"}
        text = levada("status", f"{space}-orders", "-n", space).stdout
        assert "0/1" in text and "CONDITION" in text and "TopicsReady" in text

    def test_lists_and_says_what_is_not_there(self, levada, carried_out, space):
        carried_out(orders(space))
        rows = levada("status", "-n", space).stdout.splitlines()
        assert [row.split()[:2] for row in rows[1:]] == [[space, f"{space}-orders"]]
        assert space in levada("status", "-A").stdout
        done = levada("status", f"{space}-order", "-n", space)
        assert done.returncode == 1 and f'did you mean "{space}-orders"?' in done.stderr

    def test_an_invalid_manifest_is_told(self, levada, api, operator, space):
        manifest = orders(space)
        manifest["spec"]["stages"][1]["scoring"]["steps"] = [{"filter": "amount >"}]
        api.apply(manifest)
        eventually(lambda: "Invalid" in levada("status", f"{space}-orders", "-n", space).stdout, "it says so")
        assert "spec.stages[1]" in levada("status", f"{space}-orders", "-n", space).stdout

    def test_a_context_that_there_is_not(self, levada):
        done = levada("status", "--context", "nowhere")
        assert done.returncode != 0 and "nowhere" in done.stderr


class TestPause:
    def test_until_it_goes_on(self, levada, api, carried_out, space):
        name = f"{space}-orders"
        carried_out(orders(space))
        replicas = lambda: {one["metadata"]["name"]: one["spec"]["replicas"] for one in api.list("deployments", space)}
        assert set(replicas().values()) == {1}
        done = levada("pause", name, "-n", space)
        assert done.returncode == 0 and "paused" in done.stdout, done.stderr
        eventually(lambda: set(replicas().values()) == {0}, "the workers end")
        eventually(lambda: "Paused" in levada("status", name, "-n", space).stdout, "it says so")
        assert "paused already" in levada("pause", name, "-n", space).stdout
        assert levada("resume", name, "-n", space).returncode == 0
        assert "paused" not in api.get("pipelines", space, name)["spec"]
        eventually(lambda: set(replicas().values()) == {1}, "they start")

    def test_says_who_else_writes_it(self, levada, carried_out, space):
        carried_out(orders(space, paused=True))
        done = levada("resume", f"{space}-orders", "-n", space)
        assert done.returncode == 0 and "the manifest that user applies" in done.stdout

    def test_not_one_stage(self, levada, carried_out, space):
        carried_out(orders(space))
        done = levada("pause", f"{space}-orders", "-n", space, "--stage", "filter")
        assert done.returncode == 2 and "replicas: 0" in done.stderr

    def test_who_may_not_is_told_what_to_ask_for(self, levada, carried_out, server, space, tmp_path):
        carried_out(orders(space))
        config = yaml.safe_load(pathlib.Path(server.kubeconfig).read_text())
        config["users"][0]["user"]["as"] = "nobody"
        mine = tmp_path / "nobody.kubeconfig"
        mine.write_text(yaml.safe_dump(config))
        done = levada("pause", f"{space}-orders", "-n", space, "--kubeconfig", mine)
        assert done.returncode == 1 and "forbidden" in done.stderr and "Ask for the role" in done.stderr


def test_logs_of_no_pods(levada, carried_out, space):
    carried_out(orders(space))
    done = levada("logs", f"{space}-orders", "-n", space)
    assert done.returncode == 1 and "has no pods" in done.stderr
    done = levada("logs", f"{space}-orders", "-n", space, "--stage", "filtr")
    assert done.returncode == 1 and 'did you mean "filter"?' in done.stderr


def test_dead_letters_by_the_pipelines_name(levada, carried_out, space, kafka):
    name = f"{space}-orders"
    live = carried_out(orders(space))
    dead = next(row["name"] for row in live["status"]["topics"] if row["role"] == "DeadLetters")
    topics.produce(kafka.address, dead, [topics.Record(b'{"a": 1}', b"k", [
        ("levada-error", b"amount is missing"), ("levada-stage", f"{name}/filter".encode()),
        ("levada-topic", f"{name}.orders".encode())])])
    assert "1 dead letters, 0 of them" in levada("dlq", "list", name, "-n", space).stdout
    done = levada("dlq", "replay", name, "-n", space)
    assert "1 sent" in done.stdout, done.stderr
    assert [record.value for record in topics.read_all(kafka.address, f"{name}.orders")] == [b'{"a": 1}']
    assert "1 deleted" in levada("dlq", "purge", name, "-n", space, "--yes").stdout


class TestPlan:
    @pytest.fixture
    def plan(self, levada, tmp_path, space):
        def read(manifest: dict, *flags) -> dict:
            file = tmp_path / "plan.json"
            file.write_text(json.dumps(manifest))
            done = levada("plan", file, "--json", "-n", space, *flags)
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout)
        return read

    def objects(self, api: Api, space: str) -> dict[str, str]:
        """Those that the operator made, by kind and name, with their versions."""
        return {f"{one_kind} {one['metadata']['name']}": one["metadata"]["resourceVersion"]
                for one_kind in MADE for one in api.list(one_kind, space, "app.kubernetes.io/managed-by=levada")}

    def told(self, plan: dict, action: str) -> set[str]:
        plurals = {"NetworkPolicy": "networkpolicies"}
        return {f"{plurals.get(one['kind'], one['kind'].lower() + 's')} {one['name']}"
                for one in plan["objects"] if one["action"] == action}

    def test_of_a_new_one_is_what_is_then_made(self, api, plan, carried_out, space):
        seen = plan(orders(space))
        assert seen["new"] and seen["operator"] == "Deployment default/levada-operator" and not seen["refused"]
        assert {stage["name"]: stage["action"] for stage in seen["stages"]} == dict.fromkeys(
            ["gateway", "filter", "files"], "create")
        assert {(one["action"], one["topic"]) for one in seen["topics"]} == {
            ("create", name) for name in (f"{space}-orders.orders", f"{space}-orders.large",
                                          f"levada.{space}.{space}-orders.dead-letters")}
        assert self.objects(api, space) == {}, "the plan has made nothing"
        carried_out(orders(space))
        assert set(self.objects(api, space)) == self.told(seen, "create")
        after = plan(orders(space))
        assert not after["changes"] and after["objects"] == [] and after["topics"] == []
        assert {stage["action"] for stage in after["stages"]} == {"none"}

    def test_of_one_changed_stage_is_what_is_then_changed(self, api, plan, carried_out, space):
        carried_out(orders(space))
        before = self.objects(api, space)
        seen = plan(orders(space, 200))
        stages = {stage["name"]: stage for stage in seen["stages"]}
        assert [name for name, stage in stages.items() if stage["rolls"]] == ["filter"]
        assert stages["filter"]["reasons"][0] == "its slice changes"
        assert any(line.startswith("- ") and "100" in line for line in stages["filter"]["slice"])
        assert any(line.startswith("+ ") and "200" in line for line in stages["filter"]["slice"])
        assert self.objects(api, space) == before, "the plan has changed nothing"
        carried_out(orders(space, 200))
        after = eventually(lambda: not (plan(orders(space, 200)))["changes"] and self.objects(api, space), "all is done")
        assert set(after) - set(before) == self.told(seen, "create")
        assert {name for name in before if name in after and before[name] != after[name]} == self.told(seen, "change")
        assert set(before) - set(after) == self.told(seen, "delete")

    def test_of_a_stage_that_goes_and_one_that_comes(self, api, plan, carried_out, space):
        manifest = orders(space)
        carried_out(manifest)
        before = self.objects(api, space)
        changed = copy.deepcopy(manifest)
        changed["spec"]["stages"][2]["name"] = "lake"
        seen = plan(changed)
        assert {stage["name"]: stage["action"] for stage in seen["stages"]} == {
            "gateway": "none", "filter": "none", "lake": "create", "files": "delete"}
        carried_out(changed)
        after = eventually(lambda: not plan(changed)["changes"] and self.objects(api, space), "all is done")
        assert set(before) - set(after) == self.told(seen, "delete")
        assert set(after) - set(before) == self.told(seen, "create")

    def test_topics_by_the_operators_rules(self, plan, carried_out, space):
        manifest = orders(space)
        manifest["spec"]["topics"].append({"name": f"{space}.table", "compacted": True, "key": "id"})
        carried_out(manifest)
        grown = copy.deepcopy(manifest)
        for topic in grown["spec"]["topics"]:
            topic["partitions"] = 9
        seen = plan(grown)
        assert {(one["action"], one["topic"]) for one in seen["topics"]} == {
            ("grow", f"{space}-orders.orders"), ("grow", f"{space}-orders.large")}
        assert len(seen["refused"]) == 1 and f"{space}.table" in seen["refused"][0]
        assert "levada.dev/accept-repartition" in seen["refused"][0]

    def test_a_manifest_that_is_refused(self, levada, tmp_path, operator, space):
        manifest = orders(space)
        manifest["spec"]["stages"][0]["name"] = "Not_A_Name"
        file = tmp_path / "bad.json"
        file.write_text(json.dumps(manifest))
        done = levada("plan", file, "-n", space)
        assert done.returncode == 2 and not done.stdout

    def test_a_name_that_is_taken_is_told(self, api, plan, operator, space):
        name = f"{space}-orders-filter"
        labels = {"app": "mine"}
        api.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": space}, "spec": {
            "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": {
                "containers": [{"name": "a", "image": "a"}]}}}})
        assert any(f"Deployment {name} is there already" in text for text in plan(orders(space))["refused"])

    def test_what_others_have_set_stays_and_what_the_manifest_lost_goes(self, levada, api, server, plan, operator, space, tmp_path):
        """As kubectl apply has it: three ways."""
        kubectl = ROOT / ".deps" / "kubernetes" / "bin" / "kubectl"
        manifest = orders(space, restartNonce=7)
        file = tmp_path / "applied.json"
        file.write_text(json.dumps(manifest))
        subprocess.run([kubectl, "--kubeconfig", server.kubeconfig, "apply", "-f", file], check=True, capture_output=True)
        name = f"{space}-orders"
        eventually(lambda: settled(api.get("pipelines", space, name)), "the operator has done it", 60)
        levada("pause", name, "-n", space)
        eventually(lambda: settled(api.get("pipelines", space, name)), "it is paused", 60)
        del manifest["spec"]["restartNonce"]
        seen = plan(manifest)
        reasons = {stage["name"]: stage["reasons"] for stage in seen["stages"]}
        assert all(reasons[name] == ["restartNonce changes"] for name in reasons), reasons
        assert all(stage["rolls"] for stage in seen["stages"])

    def test_exit_codes_and_text(self, levada, operator, space, tmp_path):
        file = tmp_path / "plan.json"
        file.write_text(json.dumps(orders(space)))
        assert levada("plan", file, "-n", space).returncode == 0
        done = levada("plan", file, "-n", space, "--exit-code")
        assert done.returncode == 3 and f"Pipeline {space}/{space}-orders on cluster " in done.stdout
        assert "  + filter: 1 worker\n" in done.stdout and "+ Deployment " in done.stdout
        # The current context has Levada: it is meant without a flag, unless Kafka is named.
        assert "on cluster" in levada("plan", file).stdout
        done = levada("plan", file, "--local", "--kafka", "127.0.0.1:1")
        assert done.returncode == 1 and "Kafka at 127.0.0.1:1" in done.stderr

    def test_kafka_that_is_not_reached_from_here(self, plan, carried_out, space):
        carried_out(orders(space))
        grown = orders(space)
        grown["spec"]["topics"][0]["partitions"] = 9
        seen = plan(grown, "--kafka", "127.0.0.1:1")
        assert any("Kafka is not reached" in note for note in seen["notes"])
        assert [one["action"] for one in seen["topics"]] == ["grow"]
