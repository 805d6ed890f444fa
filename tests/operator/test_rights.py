"""The chart grants the operator just what it needs, on a real API server."""

import json

import pytest
import yaml

from lib.chart import CHART, OPERATOR, PROGRAMS, ROOT, SYSTEM, Api, of_kind, pods_of, render, run
from lib.chart import api, namespace  # noqa: F401, fixtures
from lib.wait import eventually

pytestmark = pytest.mark.kubernetes

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
