"""The Kubernetes API as plain requests: quicker than a kubectl for each, and with watches.

    api = Api(server.kubeconfig)
    api.apply(pipeline)                                    # server-side, as "user"
    api.get("pipelines", "shop", "orders")["status"]
    for kind, object in api.watch("pipelines", "shop"): ...

Each thread needs its own: a connection is kept.
"""

import base64
import http.client
import json
import os
import ssl
import tempfile
import time
import urllib.parse
from typing import Iterator

import yaml

GROUPS = {
    "namespaces": "/api/v1", "configmaps": "/api/v1", "services": "/api/v1", "serviceaccounts": "/api/v1",
    "persistentvolumeclaims": "/api/v1", "secrets": "/api/v1", "pods": "/api/v1",
    "deployments": "/apis/apps/v1", "replicasets": "/apis/apps/v1", "networkpolicies": "/apis/networking.k8s.io/v1",
    "poddisruptionbudgets": "/apis/policy/v1", "events": "/apis/events.k8s.io/v1",
    "leases": "/apis/coordination.k8s.io/v1", "pipelines": "/apis/levada.dev/v1alpha1",
    "customresourcedefinitions": "/apis/apiextensions.k8s.io/v1",
}
# Of what the operator makes for a pipeline.
MADE = ["configmaps", "services", "serviceaccounts", "persistentvolumeclaims", "deployments", "networkpolicies",
        "poddisruptionbudgets"]
CLUSTER_WIDE = {"namespaces", "customresourcedefinitions"}


class ApiError(Exception):
    def __init__(self, code: int, body: str):
        super().__init__(f"{code}: {body[:500]}")
        self.code = code


class Api:
    def __init__(self, kubeconfig):
        config = yaml.safe_load(open(kubeconfig))
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self._host = urllib.parse.urlsplit(cluster["server"]).netloc
        self._context = ssl.create_default_context(
            cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        with tempfile.NamedTemporaryFile() as pair:
            pair.write(base64.b64decode(user["client-certificate-data"]))
            pair.write(base64.b64decode(user["client-key-data"]))
            pair.flush()
            self._context.load_cert_chain(pair.name)
        self._connection = None

    def request(self, method: str, path: str, body=None, content_type: str = "application/json") -> dict:
        """Tried again where a kept connection turns out to be closed, and while the server asks for patience."""
        text = body if isinstance(body, str) or body is None else json.dumps(body)
        data = None if text is None else text.encode()  # http.client would send Latin-1
        for _ in range(30):
            code, text = self._once(method, path, data, content_type)
            if code != 429:
                break
            time.sleep(1)
        if code >= 300:
            raise ApiError(code, text)
        return json.loads(text)

    def _once(self, method: str, path: str, data: bytes | None, content_type: str) -> tuple[int, str]:
        for attempt in (1, 2):
            fresh = self._connection is None
            try:
                if fresh:
                    self._connection = http.client.HTTPSConnection(self._host, context=self._context, timeout=30)
                self._connection.request(method, path, data, {"Content-Type": content_type})
                answer = self._connection.getresponse()
                return answer.status, answer.read().decode()
            except (OSError, http.client.HTTPException):
                self._connection = None
                if fresh or attempt == 2:
                    raise
        raise AssertionError("not reached")

    @staticmethod
    def path(kind: str, namespace: str = "", name: str = "") -> str:
        below = f"/namespaces/{namespace}" if namespace and kind not in CLUSTER_WIDE else ""
        return f"{GROUPS[kind]}{below}/{kind}" + (f"/{name}" if name else "")

    def get(self, kind: str, namespace: str, name: str) -> dict | None:
        try:
            return self.request("GET", self.path(kind, namespace, name))
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def list(self, kind: str, namespace: str = "", labels: str = "") -> list[dict]:
        query = "?labelSelector=" + urllib.parse.quote(labels) if labels else ""
        return self.request("GET", self.path(kind, namespace) + query)["items"]

    def apply(self, object: dict, manager: str = "user") -> dict:
        kind = object["kind"].lower() + "s"
        path = self.path(kind, object["metadata"].get("namespace", ""), object["metadata"]["name"])
        return self.request("PATCH", f"{path}?fieldManager={manager}&force=true", object, "application/apply-patch+yaml")

    def merge(self, kind: str, namespace: str, name: str, patch: dict) -> dict:
        return self.request("PATCH", self.path(kind, namespace, name), patch, "application/merge-patch+json")

    def delete(self, kind: str, namespace: str, name: str) -> None:
        try:
            self.request("DELETE", self.path(kind, namespace, name))
        except ApiError as error:
            if error.code != 404:
                raise

    def watch(self, kind: str, namespace: str = "", version: str = "", seconds: int = 3600) -> Iterator[tuple[str, dict]]:
        """(type, object) of each change; ends with the watch. On a connection of its own."""
        connection = http.client.HTTPSConnection(self._host, context=self._context, timeout=seconds + 10)
        query = urllib.parse.urlencode({"watch": 1, "resourceVersion": version, "timeoutSeconds": seconds})
        try:
            connection.request("GET", f"{self.path(kind, namespace)}?{query}")
            answer = connection.getresponse()
            if answer.status != 200:
                raise ApiError(answer.status, answer.read().decode())
            for line in answer:
                event = json.loads(line)
                yield event["type"], event["object"]
        finally:
            connection.close()


def install_crd(api: Api, root) -> None:
    path = api.path("customresourcedefinitions", name="pipelines.levada.dev")
    text = (root / "manifests" / "crd" / "pipelines.levada.dev.yaml").read_text()
    api.request("PATCH", f"{path}?fieldManager=user&force=true", text, "application/apply-patch+yaml")


def served(api: Api) -> bool:
    """Whether the CRD can be used."""
    try:
        api.list("pipelines")
        return True
    except ApiError:
        return False


def free_from(object: dict) -> dict:
    """Without what differs from one life of an object to the next."""
    copy = json.loads(json.dumps(object))
    for field in ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"):
        copy["metadata"].pop(field, None)
    for owner in copy["metadata"].get("ownerReferences", []):
        owner.pop("uid")
    copy["metadata"].get("annotations", {}).pop("levada.dev/fingerprint", None)
    copy.pop("status", None)
    return copy
