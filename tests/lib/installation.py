"""The chart, installed on an API server without nodes, and the operator as a process beside it."""

import json
import pathlib
import ssl
import subprocess

import yaml

from lib.servers import Kubernetes, free_ports
from lib.wait import eventually

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "levada"
PROGRAMS = ROOT / ".deps" / "kubernetes" / "bin"
SYSTEM = "levada-system"
NAME = "levada-operator"


def run(*command, stdin: str = "") -> subprocess.CompletedProcess:
    return subprocess.run([str(word) for word in command], input=stdin, capture_output=True, text=True, timeout=120)


class Installation:
    """Installation(build_dir, tmp_path, "--set", "kafka.brokers=…"): the chart on an API server of its own.

    No pods run there: the operator is a process, with just the rights that the chart gives to its account. The API
    server calls its webhook by URL. close() ends all of it.
    """

    def __init__(self, build: pathlib.Path, folder: pathlib.Path, *values):
        self._build, self._folder = build, folder
        (folder / "api").mkdir()
        self.server = Kubernetes(folder / "api")
        self.server.start()
        self._operators: list[subprocess.Popen] = []
        self.helm("install", "levada", CHART, "-n", SYSTEM, "--create-namespace", *values)
        # Not `kubectl wait`, which fails on a CRD that has no status yet.
        eventually(lambda: self.kubectl("get", "pipelines", good=None).returncode == 0, "the resource is served")

    def kubectl(self, *arguments, stdin: str = "", good: bool | None = True) -> subprocess.CompletedProcess:
        done = run(PROGRAMS / "kubectl", "--kubeconfig", self.server.kubeconfig, *arguments, stdin=stdin)
        assert good is None or (done.returncode == 0) == good, done.stdout + done.stderr
        return done

    def helm(self, *arguments) -> None:
        done = run(PROGRAMS / "helm", "--kubeconfig", self.server.kubeconfig, *arguments)
        assert done.returncode == 0, done.stderr

    def get(self, *what) -> dict:
        return json.loads(self.kubectl("get", *what, "-o", "json").stdout)

    def apply(self, manifest: dict, *arguments, good: bool | None = True) -> subprocess.CompletedProcess:
        return self.kubectl("apply", "-f", "-", *arguments, stdin=json.dumps(manifest), good=good)

    def call(self, host: str, port: int) -> None:
        """Has the API server call this address in place of the Service."""
        patch = [{"op": "replace", "path": "/webhooks/0/clientConfig/url", "value": f"https://{host}:{port}/validate"}]
        if "service" in self.configuration()["clientConfig"]:
            patch[0]["op"] = "add"
            patch.append({"op": "remove", "path": "/webhooks/0/clientConfig/service"})
        self.kubectl("patch", "validatingwebhookconfiguration", NAME, "--type=json", "-p", json.dumps(patch))

    def call_service(self) -> None:
        """As the chart has it, which nobody answers here."""
        service = {"name": f"{NAME}-webhook", "namespace": SYSTEM, "port": 443, "path": "/validate"}
        patch = [{"op": "remove", "path": "/webhooks/0/clientConfig/url"},
                 {"op": "add", "path": "/webhooks/0/clientConfig/service", "value": service}]
        self.kubectl("patch", "validatingwebhookconfiguration", NAME, "--type=json", "-p", json.dumps(patch))

    def configuration(self) -> dict:
        [webhook] = self.get("validatingwebhookconfiguration", NAME)["webhooks"]
        return webhook

    def secret(self) -> dict:
        return self.get("secret", f"{NAME}-webhook", "-n", SYSTEM).get("data", {})

    def _kubeconfig(self) -> pathlib.Path:
        """The operator's account, with just the rights that the chart gives it."""
        config = yaml.safe_load(self.server.kubeconfig.read_text())
        config["users"][0]["user"] |= {
            "as": f"system:serviceaccount:{SYSTEM}:{NAME}",
            "as-groups": ["system:serviceaccounts", f"system:serviceaccounts:{SYSTEM}", "system:authenticated"]}
        file = self._folder / "operator.kubeconfig"
        file.write_text(yaml.safe_dump(config))
        return file

    def condition(self, namespace: str, pipeline: str, type: str) -> dict:
        found = self.get("pipeline", pipeline, "-n", namespace).get("status", {}).get("conditions", [])
        return next((each for each in found if each["type"] == type), {})

    def start_operator(self, identity: str, port: int | None = None) -> int:
        """With the chart's settings, but for host and port; None: without a webhook. The port of its metrics."""
        settings = yaml.safe_load(self.get("configmap", NAME, "-n", SYSTEM)["data"]["settings.yaml"])
        webhook = settings.pop("webhook", None)
        if port:
            webhook["port"] = port
            webhook["selfManaged"]["hosts"].append("127.0.0.1")
            settings["webhook"] = webhook
        file = self._folder / f"{identity}.yaml"
        file.write_text(yaml.safe_dump(settings))
        metrics = free_ports()
        with open(self._folder / f"{identity}.log", "ab") as log:
            self._operators.append(subprocess.Popen(
                [self._build / "bin" / "levada-operator", "--kubeconfig", self._kubeconfig(), "--settings", file,
                 "--operator-namespace", SYSTEM, "--identity", identity, "--address", "127.0.0.1",
                 "--http-port", str(metrics)], stdout=log, stderr=log))
        if port:
            eventually(lambda: self.served(port), "the webhook answers")
        return metrics

    def served(self, port: int) -> str:
        try:
            return ssl.get_server_certificate(("127.0.0.1", port))
        except OSError:
            return ""

    def stop_operators(self) -> list[int]:
        for operator in self._operators:
            operator.terminate()
        codes = [operator.wait(40) for operator in self._operators]
        self._operators.clear()
        return codes

    def close(self) -> None:
        for operator in self._operators:
            operator.kill()
            operator.wait()
        self.server.kill()
