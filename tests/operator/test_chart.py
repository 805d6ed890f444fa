"""The chart charts/levada: what it makes is taken by a real API server, and grants just what the operator needs."""

import json
import pathlib
import re
import subprocess

import pytest
import requests
import yaml

from lib.servers import Kubernetes
from lib.wait import eventually

pytestmark = pytest.mark.kubernetes

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "levada"
PROGRAMS = ROOT / ".deps" / "kubernetes" / "bin"
SYSTEM = "levada-system"
OPERATOR = f"system:serviceaccount:{SYSTEM}:levada-operator"


def run(*command, stdin: str = "", good: bool = True) -> subprocess.CompletedProcess:
    done = subprocess.run([str(word) for word in command], input=stdin, capture_output=True, text=True, timeout=120)
    assert (done.returncode == 0) == good, done.stdout + done.stderr
    return done


def render(*values: str, namespace: str = SYSTEM) -> list[dict]:
    """What the chart makes with these `--set`s."""
    arguments = [word for value in values for word in ("--set", value)]
    text = run(PROGRAMS / "helm", "template", "levada", CHART, "-n", namespace, *arguments).stdout
    return [each for each in yaml.safe_load_all(text) if each]


def of_kind(objects: list[dict], kind: str) -> list[dict]:
    return [each for each in objects if each["kind"] == kind]


def pods_of(objects: list[dict]) -> dict:
    [deployment] = of_kind(objects, "Deployment")
    return deployment["spec"]["template"]["spec"]


class Api:
    """The API server as its administrator."""

    def __init__(self, server: Kubernetes):
        self.server = server
        self.session = requests.Session()
        self.session.trust_env = False
        pki = server.folder / "pki"
        self.session.verify = str(pki / "ca.crt")
        self.session.cert = (str(pki / "admin.crt"), str(pki / "admin.key"))

    def kubectl(self, *arguments, stdin: str = "", good: bool = True) -> subprocess.CompletedProcess:
        return run(PROGRAMS / "kubectl", "--kubeconfig", self.server.kubeconfig, *arguments, stdin=stdin, good=good)

    def helm(self, *arguments, good: bool = True) -> subprocess.CompletedProcess:
        return run(PROGRAMS / "helm", "--kubeconfig", self.server.kubeconfig, *arguments, good=good)

    def apply(self, objects: list[dict], *arguments) -> subprocess.CompletedProcess:
        text = "\n---\n".join(json.dumps(each) for each in objects)
        return self.kubectl("apply", "--server-side", "-f", "-", *arguments, stdin=text)

    def get(self, path: str) -> dict:
        answer = self.session.get(self.server.url + path)
        answer.raise_for_status()
        return answer.json()

    def resources(self) -> set[tuple[str, str]]:
        """All that the server serves, as (group, resource or resource/subresource)."""
        versions = [("", "/api/v1")]
        for group in self.get("/apis")["groups"]:
            versions += [(group["name"], f"/apis/{each['groupVersion']}") for each in group["versions"]]
        return {(group, each["name"]) for group, path in versions for each in self.get(path)["resources"]}

    def allows(self, user: str, verb: str, group: str, resource: str, namespace: str = "", name: str = "",
               groups: tuple = ()) -> bool:
        resource, _, subresource = resource.partition("/")
        review = {"spec": {"user": user, "groups": list(groups), "resourceAttributes": {
            "verb": verb, "group": group, "resource": resource, "subresource": subresource,
            "namespace": namespace, "name": name}}}
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        answer = self.session.post(self.server.url + path, json=review)
        answer.raise_for_status()
        return answer.json()["status"]["allowed"]


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    """An API server that the chart is installed on as users do, in namespace SYSTEM."""
    server = Kubernetes(tmp_path_factory.mktemp("api"))
    server.start()
    api = Api(server)
    api.helm("install", "levada", CHART, "-n", SYSTEM, "--create-namespace")
    api.kubectl("wait", "--for=condition=Established", "crd/pipelines.levada.dev", "--timeout=30s")
    eventually(lambda: ("levada.dev", "pipelines") in api.resources(), "the resource is served")
    yield api
    server.kill()


@pytest.fixture
def namespace(api, unique):
    api.kubectl("create", "namespace", unique)
    return unique


VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
MAKES = {"get", "list", "watch", "create", "patch"}
# All that the operator does, by what operator/controller and operator/kube call.
NEEDS = {
    ("levada.dev", "pipelines"): {"list", "watch", "patch"},
    ("levada.dev", "pipelines/status"): {"patch"},
    ("", "secrets"): {"get", "list", "watch"},
    ("", "configmaps"): MAKES | {"delete"},
    ("", "services"): MAKES | {"delete"},
    ("", "serviceaccounts"): MAKES,
    ("", "persistentvolumeclaims"): MAKES,
    ("", "pods"): {"list", "watch"},
    ("batch", "jobs"): MAKES | {"delete"},
    ("apps", "deployments"): MAKES | {"delete"},
    ("apps", "replicasets"): {"list", "watch"},
    ("networking.k8s.io", "networkpolicies"): MAKES | {"delete"},
    ("policy", "poddisruptionbudgets"): MAKES | {"delete"},
    ("events.k8s.io", "events"): {"create", "patch"},
}
# Not in the API server of the tests, where nobody has installed it.
MONITORING = [("monitoring.coreos.com", "podmonitors"), ("monitoring.coreos.com", "prometheusrules")]


def rights_in(api: Api, user: str, namespace: str) -> dict[tuple[str, str], set[str]]:
    """Every verb on every resource that the user has in a namespace; "": in all."""
    found = {}
    for group, resource in sorted(api.resources()):
        verbs = {verb for verb in VERBS if api.allows(user, verb, group, resource, namespace)}
        if verbs:
            found[group, resource] = verbs
    return found


class TestRights:
    def test_in_the_cluster_are_those_that_are_needed_and_no_other(self, api):
        assert rights_in(api, OPERATOR, "") == NEEDS

    @pytest.mark.parametrize("group, resource", MONITORING)
    def test_on_monitoring(self, api, group, resource):
        assert {verb for verb in VERBS if api.allows(OPERATOR, verb, group, resource)} == MAKES | {"delete"}

    def test_to_be_waited_for_by_what_it_owns(self, api):
        assert api.allows(OPERATOR, "update", "levada.dev", "pipelines/finalizers")

    def test_to_own_what_is_deleted_before_its_pipeline(self, api, namespace):
        """The API server has the admission plugin OwnerReferencesPermissionEnforcement, as OpenShift has."""
        api.kubectl("apply", "-n", namespace, "-f", ROOT / "manifests" / "samples" / "fraud-prevention.yaml")
        pipeline = json.loads(api.kubectl("get", "-n", namespace, "pipeline", "fraud-prevention", "-o", "json").stdout)
        owner = {"apiVersion": pipeline["apiVersion"], "kind": "Pipeline", "name": "fraud-prevention",
                 "uid": pipeline["metadata"]["uid"], "controller": True, "blockOwnerDeletion": True}
        owned = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {
            "name": "owned", "namespace": namespace, "ownerReferences": [owner]}})
        api.kubectl("create", "role", "maker", "-n", namespace, "--verb=create", "--resource=configmaps")
        api.kubectl("create", "rolebinding", "maker", "-n", namespace, "--role=maker", "--user=maker")
        refused = api.kubectl("create", "--as=maker", "-f", "-", stdin=owned, good=False)
        assert "blockOwnerDeletion" in refused.stderr, "else this server does not ask for the right"
        api.kubectl("create", f"--as={OPERATOR}", "-f", "-", stdin=owned)

    @pytest.mark.parametrize("release", ["levada", "second"])
    def test_the_lease_is_that_of_the_installation(self, release):
        """Two that look after a namespace each, from one namespace: each elects its own."""
        text = run(PROGRAMS / "helm", "template", release, CHART, "-n", SYSTEM, "--set", "watchNamespace=a").stdout
        objects = [each for each in yaml.safe_load_all(text) if each]
        [lease] = [word.removeprefix("--lease=") for word in pods_of(objects)["containers"][0]["args"]
                   if word.startswith("--lease=")]
        [role] = [each for each in of_kind(objects, "Role") if each["metadata"]["name"].endswith("-lease")]
        assert role["rules"][1]["resourceNames"] == [lease]
        assert (lease == "levada-operator") == (release == "levada")

    def test_on_the_one_lease(self, api):
        def allows(verb, name="", where=SYSTEM):
            return api.allows(OPERATOR, verb, "coordination.k8s.io", "leases", where, name)

        assert allows("create")
        assert all(allows(verb, "levada-operator") for verb in ("get", "update"))
        assert not any(allows(verb, "another") for verb in VERBS if verb != "create")
        assert not any(allows(verb, "levada-operator", "default") for verb in VERBS)

    def test_on_the_webhooks_certificate(self, api):
        """One Secret and one configuration by name, both made by the chart: it may make none."""
        group, resource, webhook = "admissionregistration.k8s.io", "validatingwebhookconfigurations", "levada-operator"

        def on_secrets(name, where=SYSTEM):
            return {verb for verb in VERBS if api.allows(OPERATOR, verb, "", "secrets", where, name)}

        def on_webhooks(name):
            return {verb for verb in VERBS if api.allows(OPERATOR, verb, group, resource, "", name)}

        reads = {"get", "list", "watch"}  # of all, as the test above has it
        assert on_secrets(f"{webhook}-webhook") == reads | {"update"}
        assert on_secrets("another") == on_secrets(f"{webhook}-webhook", "default") == reads
        assert on_webhooks(webhook) == {"get", "patch"}
        assert on_webhooks("another") == set()

    @pytest.mark.parametrize("verb, group, resource", [
        ("create", "", "secrets"), ("create", "", "pods/exec"), ("create", "", "pods"),
        ("delete", "", "persistentvolumeclaims"), ("create", "", "serviceaccounts/token"),
        ("escalate", "rbac.authorization.k8s.io", "clusterroles"),
        ("bind", "rbac.authorization.k8s.io", "clusterroles"),
        ("create", "rbac.authorization.k8s.io", "rolebindings"), ("impersonate", "", "users"),
        ("create", "levada.dev", "pipelines"), ("delete", "levada.dev", "pipelines"), ("get", "", "nodes"),
        ("*", "*", "*"),
    ])
    def test_none(self, api, verb, group, resource):
        assert not api.allows(OPERATOR, verb, group, resource)

    def test_with_one_namespace_end_at_it(self, api, namespace, unique):
        system = f"{unique}-system"
        api.kubectl("create", "namespace", system)
        values = (f"watchNamespace={namespace}", "crds.install=false")
        objects = render(*values, namespace=system)
        kinds = {each["kind"] for each in objects}
        assert not kinds & {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition",
                            "ValidatingWebhookConfiguration"}
        assert f"--namespace={namespace}" in pods_of(objects)["containers"][0]["args"]
        api.apply(objects)
        user = f"system:serviceaccount:{system}:levada-operator"
        eventually(lambda: api.allows(user, "list", "levada.dev", "pipelines", namespace), "the roles count")
        assert rights_in(api, user, namespace) == NEEDS
        assert rights_in(api, user, "") == {}
        assert rights_in(api, user, "default") == {}

    def test_of_people(self, api, namespace):
        for user, role in (("vera", "view"), ("eda", "edit")):
            api.kubectl("create", "rolebinding", user, f"--clusterrole=levada-operator-pipelines-{role}",
                        f"--user={user}", "-n", namespace)
        eventually(lambda: api.allows("eda", "create", "levada.dev", "pipelines", namespace), "the roles count")
        reads = {"get", "list", "watch"}
        assert rights_in(api, "vera", namespace) == {("levada.dev", "pipelines"): reads}
        assert rights_in(api, "eda", namespace) == {("levada.dev", "pipelines"): set(VERBS)}
        assert rights_in(api, "eda", "default") == {}

    def test_of_people_count_in_the_roles_that_everybody_knows(self):
        labels = {each["metadata"]["name"].rsplit("-", 1)[-1]: each["metadata"]["labels"]
                  for each in of_kind(render(), "ClusterRole")}
        aggregates = {name: {label.rsplit("-", 1)[-1] for label in each if label.startswith("rbac.")}
                      for name, each in labels.items()}
        assert aggregates == {"view": {"view", "edit", "admin"}, "edit": {"edit", "admin"}, "operator": set(),
                              "webhook": set()}


# Values that each change something that the API server checks.
EVERYTHING = (
    "kafka.brokers=a:9092\\,b:9092", "kafka.tls.enabled=true", "kafka.tls.ca=-----BEGIN CERTIFICATE-----",
    "kafka.secretRef=levada-kafka", "settings.workers.images.scoring=a:1", "settings.workers.imagePullSecrets[0].name=b",
    "settings.workers.resources.requests.cpu=100m", "settings.workers.logLevel=warn",
    "settings.workers.userId=1000730000", "settings.workers.listen=::",
    "settings.networkPolicies.metricsFrom[0].podSelector.matchLabels.a=b", "settings.prometheus.podMonitors=false",
    "settings.prometheus.labels.release=prometheus", "settings.prometheus.scrapeInterval=30s",
    "webhook.failurePolicy=Fail", "webhook.timeoutSeconds=10", "webhook.port=10250",
    "webhook.namespaceSelector.matchLabels.a=b", "settings.grafana.labels.a=b",
    "settings.grafana.annotations.folder=c", "image.digest=sha256:" + "0" * 64, "imagePullSecrets[0].name=login",
    "priorityClassName=system-cluster-critical", "nodeSelector.disk=ssd", "tolerations[0].operator=Exists",
    "affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight=1",
    "affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchExpressions[0].key=a",
    "affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchExpressions[0]"
    ".operator=Exists",
    "topologySpreadConstraints[0].topologyKey=zone", "topologySpreadConstraints[0].maxSkew=2",
    "topologySpreadConstraints[0].whenUnsatisfiable=DoNotSchedule", "extraEnv[0].name=HTTPS_PROXY",
    "extraEnv[0].value=http://proxy", "extraEnvFrom[0].secretRef.name=more", "extraVolumes[0].name=ca",
    "extraVolumes[0].configMap.name=ca", "extraVolumeMounts[0].name=ca", "extraVolumeMounts[0].mountPath=/ca",
    "extraArgs[0]=--log-level=debug", "podLabels.a=b", "podAnnotations.a=b", "commonLabels.team=data",
    "networkPolicy.metricsFrom[0].podSelector.matchLabels.a=b", "networkPolicy.egress[0].ports[0].port=443",
    "rbac.extraRules[0].apiGroups[0]=apps", "rbac.extraRules[0].resources[0]=statefulsets",
    "rbac.extraRules[0].verbs[0]=get",
)


# Its key is nowhere.
CERTIFICATE = """-----BEGIN CERTIFICATE-----
MIIBcTCCARegAwIBAgIUTVAynUC/8Nzz3cZeDe2WCJPiKKgwCgYIKoZIzj0EAwIw
DTELMAkGA1UEAwwCY2EwIBcNMjYxMTIzMTIyODM0WhgPMjEyNjEwMzAxMjI4MzRa
MA0xCzAJBgNVBAMMAmNhMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEILRp9aHF
0LxEgp98QEZU+zlkfK6ZUxQZ6Hzzq3bfbQvVPom1yaD6ZXEJ3SULXrm4QDS/aA3b
vVxKXWeFb2ycDKNTMFEwHQYDVR0OBBYEFNWojKFh1QceVLISUWdAwzk91WIgMB8G
A1UdIwQYMBaAFNWojKFh1QceVLISUWdAwzk91WIgMA8GA1UdEwEB/wQFMAMBAf8w
CgYIKoZIzj0EAwIDSAAwRQIhANceicegSS3kuK+j+MVbeZwyghqxQ2w6Clo0XHZ5
cVU+AiBgsGFq2jG/vW703OFPlxCIc95T8iKMUw7pc+x8gpU47g==
-----END CERTIFICATE-----
"""


class TestObjects:
    @pytest.mark.parametrize("values", [(), EVERYTHING], ids=["defaults", "everything"])
    def test_are_taken_and_keep_to_the_restricted_standard(self, api, namespace, values):
        api.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/warn=restricted",
                    "pod-security.kubernetes.io/enforce=restricted")
        objects = [each for each in render(*values, "crds.install=false", namespace=namespace)
                   if not each["apiVersion"].startswith("monitoring")]
        done = api.apply(objects, "--dry-run=server", "--validate=strict", "--force-conflicts")
        assert len(done.stdout.splitlines()) == len(objects)
        assert "Warning" not in done.stderr

    def test_of_monitoring_are_there_if_wanted(self):
        assert not [each for each in render() if each["apiVersion"].startswith("monitoring")]
        for kind, endpoints in (("PodMonitor", "podMetricsEndpoints"), ("ServiceMonitor", "endpoints")):
            [monitor] = of_kind(render(f"metrics.monitor.kind={kind}"), kind)
            assert monitor["spec"][endpoints] == [{"port": "http", "path": "/metrics", "honorLabels": True}]
        assert of_kind(render("metrics.alerts.enabled=true"), "PrometheusRule")

    @pytest.mark.parametrize("value", [
        "replicas=two", "log.level=loud", "replica=1", "kafka.brokers=kafka", "metrics.monitor.kind=Both",
        "image.pullPolicy=Sometimes", "image.digest=abc", "settings.workers.loglevel=info", "kafka.sasl=GSSAPI",
        "settings.workers.images.sorting=a:1", "kafka.tls.ca=/etc/ca.pem", "settings.prometheus.scrapeInterval=often",
        "webhook.failurePolicy=Maybe", "webhook.port=443", "webhook.certManager.issuer=a",
    ])
    def test_are_not_made_of_wrong_values(self, value):
        done = run(PROGRAMS / "helm", "template", CHART, "--set", value, good=False)
        assert "values don't meet the specifications of the schema" in done.stderr

    def test_of_cert_manager_stand_for_those_of_the_operator(self):
        def kinds(*values):
            return {each["kind"]: each for each in render(*values) if each["metadata"]["name"] == "levada-operator-webhook"
                    and each["kind"] != "Service"}

        assert set(kinds()) == {"Secret", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
        assert set(kinds("webhook.enabled=false")) == set()
        managed = kinds("webhook.certManager.enabled=true")
        assert set(managed) == {"Certificate", "Issuer"}
        certificate = managed["Certificate"]["spec"]
        assert certificate["dnsNames"] == [f"levada-operator-webhook.{SYSTEM}.svc"]
        assert certificate["issuerRef"] == {"name": managed["Issuer"]["metadata"]["name"]}
        objects = render("webhook.certManager.enabled=true")
        [volume] = [each for each in pods_of(objects)["volumes"] if each["name"] == "webhook"]
        assert volume["secret"]["secretName"] == certificate["secretName"]
        [settings] = [each for each in of_kind(objects, "ConfigMap") if "settings.yaml" in each["data"]]
        [mount] = [each for each in pods_of(objects)["containers"][0]["volumeMounts"] if each["name"] == "webhook"]
        webhook = yaml.safe_load(settings["data"]["settings.yaml"])["webhook"]
        assert webhook == {"port": 9443, "certificateFolder": mount["mountPath"]}
        theirs = kinds("webhook.certManager.enabled=true", "webhook.certManager.issuerRef.name=ours")
        assert set(theirs) == {"Certificate"}

    def test_of_the_webhook_meet(self):
        """Configuration, Service, port, certificate and NetworkPolicy are of one webhook."""
        objects = render("webhook.port=12345")
        [webhook] = of_kind(objects, "ValidatingWebhookConfiguration")[0]["webhooks"]
        called = webhook["clientConfig"]["service"]
        [service] = [each for each in of_kind(objects, "Service") if each["metadata"]["name"] == called["name"]]
        assert [each["port"] for each in service["spec"]["ports"]] == [called["port"]]
        target = service["spec"]["ports"][0]["targetPort"]
        [port] = [each for each in pods_of(objects)["containers"][0]["ports"] if each["name"] == target]
        [settings] = [each for each in of_kind(objects, "ConfigMap") if "settings.yaml" in each["data"]]
        own = yaml.safe_load(settings["data"]["settings.yaml"])["webhook"]
        assert own["port"] == port["containerPort"] == 12345
        assert own["selfManaged"]["hosts"] == [f"{called['name']}.{called['namespace']}.svc"]
        assert own["selfManaged"]["configuration"] == of_kind(
            objects, "ValidatingWebhookConfiguration")[0]["metadata"]["name"]
        assert own["selfManaged"]["secret"] in {each["metadata"]["name"] for each in of_kind(objects, "Secret")}
        [policy] = of_kind(objects, "NetworkPolicy")
        assert {"ports": [{"port": target, "protocol": "TCP"}]} in policy["spec"]["ingress"]

    def test_lint_finds_nothing(self):
        run(PROGRAMS / "helm", "lint", "--strict", CHART)

    def test_run_with_flags_that_the_operator_has(self, build_dir):
        usage = run(build_dir / "bin" / "levada-operator", "--help").stdout
        for argument in pods_of(render("watchNamespace=b"))["containers"][0]["args"]:
            assert argument.split("=")[0] in usage.replace(",", " ").split()

    @pytest.mark.parametrize("values", [(), EVERYTHING], ids=["defaults", "everything"])
    def test_have_settings_that_the_operator_takes(self, build_dir, tmp_path, values):
        [settings] = [each for each in of_kind(render(*values), "ConfigMap") if "settings.yaml" in each["data"]]
        file = tmp_path / "settings.yaml"

        def start() -> str:
            return run("env", "KUBECONFIG=/nonexistent", build_dir / "bin" / "levada-operator", "--settings", file,
                       good=False).stderr

        # A real certificate, which --set cannot have.
        text = settings["data"]["settings.yaml"].replace('"-----BEGIN CERTIFICATE-----"', json.dumps(CERTIFICATE))
        file.write_text(text)
        assert "no Kubernetes cluster is configured" in start()  # after it has read its settings
        file.write_text(text.replace("logLevel", "loglevel"))
        assert "workers.loglevel: unknown key" in start()

    def test_roll_the_operator_with_its_settings(self):
        def annotations(*values):
            [deployment] = of_kind(render(*values), "Deployment")
            return deployment["spec"]["template"]["metadata"]["annotations"]

        assert annotations() == annotations("networkPolicy.enabled=false")
        assert len({json.dumps(annotations(*values)) for values in (
            (), ("kafka.brokers=a:1",), ("kafka.brokers=b:1",), ("settings.grafana.dashboards=false",))}) == 4

    def test_have_the_version_of_the_project(self):
        chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
        assert f"VERSION {chart['appVersion']} " in (ROOT / "CMakeLists.txt").read_text()

    def test_are_those_of_the_plain_manifests(self, api):
        run(ROOT / "dev", "manifests", "--check")
        plain = api.kubectl("kustomize", ROOT / "manifests").stdout
        kinds = sorted(each["kind"] for each in yaml.safe_load_all(plain))
        chart = [each["kind"] for each in render() if each["kind"] != "Pod"]
        assert kinds == sorted([*chart, "Namespace"])


class TestGuide:
    """docs/guide/kubernetes.md says what is so."""

    TEXT = (ROOT / "docs" / "guide" / "kubernetes.md").read_text()

    def test_its_pipeline_is_taken(self, api):
        [manifest] = [block for block in re.findall(r"```yaml\n(.*?)```", self.TEXT, re.DOTALL) if "kind:" in block]
        api.kubectl("create", "namespace", yaml.safe_load(manifest)["metadata"]["namespace"])
        api.kubectl("apply", "--dry-run=server", "-f", "-", stdin=manifest)

    def test_its_table_has_every_condition_and_reason(self):
        table = self.TEXT.split("## Conditions")[1].split("##")[0]
        code = "".join((ROOT / "operator" / file).read_text()
                       for file in ("controller/status.cc", "controller/kafka_state.h", "topics/decide.cc",
                                    "topics/kafka_state.cc", "topics/cluster.cc"))
        reasons = set(re.findall(r'\breason = [^;,]*?"([A-Z]\w+)"', code)) | set(re.findall(r'\? "([A-Z]\w+)"', code))
        assert {"AllReady", "Stuck", "OldManifestRuns", "Pending", "Creating", "KafkaUnavailable"} <= reasons
        assert {reason for reason in reasons if reason not in table} == set()
        for condition in re.findall(r'\.type = "(\w+)"', code):
            assert f"| `{condition}` |" in table


PIPELINE = """
apiVersion: levada.dev/v1alpha1
kind: Pipeline
metadata: {name: orders}
spec:
  topics: [{name: orders}]
  stages: [{name: gateway, ingest: {http: {path: /orders}, to: orders}}]
"""


class TestCrd:
    """In the order of a life: an older CRD is upgraded, uninstalled, and found again."""

    @staticmethod
    def description(api) -> str:
        crd = json.loads(api.kubectl("get", "crd", "pipelines.levada.dev", "-o", "json").stdout)
        return crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["description"]

    @pytest.fixture
    def older_chart(self, tmp_path):
        chart = tmp_path / "levada"
        run("cp", "-r", CHART, chart)
        crd = chart / "files" / "pipelines.levada.dev.yaml"
        text = crd.read_text()
        assert "A streaming dataflow" in text
        crd.write_text(text.replace("A streaming dataflow", "An older dataflow"))
        return chart

    def test_is_upgraded_kept_with_the_pipelines_and_taken_over_again(self, api, namespace, older_chart):
        api.helm("upgrade", "levada", older_chart, "-n", SYSTEM)
        assert self.description(api).startswith("An older dataflow")
        api.kubectl("apply", "-n", namespace, "-f", "-", stdin=PIPELINE)

        api.helm("upgrade", "levada", CHART, "-n", SYSTEM)
        assert self.description(api).startswith("A streaming dataflow")

        api.helm("uninstall", "levada", "-n", SYSTEM)
        assert "orders" in api.kubectl("get", "pipelines", "-n", namespace).stdout
        left = api.kubectl("get", "deployments,serviceaccounts,roles,rolebindings,secrets,configmaps", "-n", SYSTEM,
                           "-o", "name").stdout
        assert "levada-operator" not in left
        assert "levada-operator" not in api.kubectl(
            "get", "clusterroles,clusterrolebindings,validatingwebhookconfigurations", "-o", "name").stdout

        api.helm("install", "levada", CHART, "-n", SYSTEM)
        assert "orders" in api.kubectl("get", "pipelines", "-n", namespace).stdout
        refused = api.helm("install", "levada", CHART, "-n", namespace, good=False)
        assert "invalid ownership metadata" in refused.stderr or "exists" in refused.stderr
