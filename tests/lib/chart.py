"""The chart charts/levada, as Helm makes and installs it, for tests.

    objects = render("webhook.enabled=false")
    api = Api(server)           # an API server, as its administrator
    api.helm("install", "levada", CHART, "-n", SYSTEM, "--create-namespace")

The fixtures `api` and `namespace` are taken by importing them.
"""

import json
import pathlib
import subprocess

import pytest
import requests
import yaml

from lib.servers import Kubernetes
from lib.wait import eventually

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
    eventually(lambda: ("levada.dev", "pipelines") in api.resources(), "the resource is served")
    yield api
    server.kill()


@pytest.fixture
def namespace(api, unique):
    api.kubectl("create", "namespace", unique)
    return unique
