"""The chart charts/levada: what it makes is taken by a real API server."""

import json
import re

import pytest
import yaml

from lib.chart import CHART, PROGRAMS, ROOT, SYSTEM, of_kind, pods_of, render, run
from lib.chart import api, namespace  # noqa: F401, fixtures

pytestmark = pytest.mark.kubernetes

# Values that each change something that the API server checks.
EVERYTHING = (
    "kafka.brokers=a:9092\\,b:9092", "kafka.tls.enabled=true", "kafka.tls.ca=-----BEGIN CERTIFICATE-----",
    "kafka.secretRef=levada-kafka", "settings.workers.images.scoring=a:1", "settings.workers.imagePullSecrets[0].name=b",
    "settings.workers.resources.requests.cpu=100m", "settings.workers.testResources.limits.memory=4Gi",
    "settings.workers.logLevel=warn",
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
        objects = render("webhook.certManager.enabled=true")
        authority, certificate = sorted((each["spec"] for each in of_kind(objects, "Certificate")), key=lambda spec: "isCA" not in spec)
        assert certificate["dnsNames"] == [f"levada-operator-webhook.{SYSTEM}.svc"]
        issuers = {each["metadata"]["name"]: each["spec"] for each in of_kind(objects, "Issuer")}
        assert issuers[certificate["issuerRef"]["name"]] == {"ca": {"secretName": authority["secretName"]}}
        assert issuers[authority["issuerRef"]["name"]] == {"selfSigned": {}}
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
                       for file in ("controller/status.cc", "controller/tests_passed.cc", "controller/kafka_state.h",
                                    "topics/decide.cc", "topics/kafka_state.cc", "topics/cluster.cc"))
        reasons = {reason for pattern in (r'\breason = [^;,]*?"([A-Z]\w+)"', r'\? "([A-Z]\w+)"', r'return "(Tests\w+)"')
                   for reason in re.findall(pattern, code)}
        assert {"AllReady", "Stuck", "OldManifestRuns", "Pending", "Creating", "KafkaUnavailable",
                "TestsFailed"} <= reasons
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
