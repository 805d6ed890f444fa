"""The chart on the node, as Helm installs it.

    release = Release(cluster, kafka="10.199.0.1:19095")
    release.install()
    release.operators(0)       # nobody acts
    release.helm("upgrade", …)
"""

import json
import os
import subprocess

from lib.cluster import ROOT, Cluster, ClusterError
from lib.wait import eventually

HELM = ROOT / ".deps" / "kubernetes" / "bin" / "helm"
CHART = ROOT / "charts" / "levada"
NAMESPACE = "levada-system"
OPERATOR = "deployment/levada-operator"
CRD = "pipelines.levada.dev"


class Release:
    def __init__(self, cluster: Cluster, kafka: str):
        self.cluster, self.kafka, self.chart = cluster, kafka, CHART

    def helm(self, *arguments: str) -> str:
        done = subprocess.run(
            [HELM, "--kubeconfig", self.cluster.kubeconfig, "--namespace", NAMESPACE, *arguments],
            capture_output=True, text=True, timeout=300, env=os.environ | {"NO_PROXY": "*"},
        )
        if done.returncode != 0:
            raise ClusterError(f"helm {' '.join(map(str, arguments[:2]))}: {done.stderr}\n{done.stdout}")
        return done.stdout

    def kubectl(self, *arguments: str, **options) -> str:
        return self.cluster.kubectl("-n", NAMESPACE, *arguments, **options)

    def install(self) -> None:
        """Or upgrades to the chart as it is now; returns when the operator answers."""
        self.helm("upgrade", "--install", "levada", str(self.chart), "--create-namespace", "--set", f"kafka.brokers={self.kafka}")
        self.wait()

    def uninstall(self) -> None:
        self.helm("uninstall", "levada", "--ignore-not-found", "--wait", "--timeout=60s")

    def remove(self) -> None:
        """All of it, with the CRD and every pipeline."""
        self.uninstall()
        self.kubectl("delete", "crd", CRD, "--ignore-not-found", "--timeout=120s")
        self.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=120s")

    def operators(self, count: int) -> None:
        self.kubectl("scale", OPERATOR, f"--replicas={count}")
        if count:
            self.wait()
        else:
            eventually(lambda: not self.pods(), "no operator runs", 90, every=0.5)

    def wait(self) -> None:
        self.kubectl("rollout", "status", OPERATOR, "--timeout=120s", seconds=150)

    def pods(self) -> list[str]:
        return self.kubectl("get", "pods", "-l", "app.kubernetes.io/name=levada-operator", "-o", "name").split()

    def leader(self) -> str:
        """Name of the pod that acts."""
        lease = json.loads(self.kubectl("get", "lease", "levada-operator", "-o", "json"))
        return lease["spec"].get("holderIdentity", "")
