"""Makes the volumes of the test cluster: a folder of this machine for each claim of the default storage class.

What a cloud's provisioner does for its disks this does for folders, so that claims are bound, volumes belong to
the pods' group, and a deleted claim takes its data along. Sizes are written down and not enforced.
"""

import argparse
import os
import pathlib
import queue
import shutil
import threading
import time

import requests

STORAGE_CLASS = "folders"
PROVISIONER = "levada.dev/folders"
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"  # tells Kubernetes' own controller to leave the deletion to us
CLAIMS, VOLUMES = "/api/v1/persistentvolumeclaims", "/api/v1/persistentvolumes"
AGAIN_SECONDS = 1


class Api:
    """One thread each: a session is not for several."""

    def __init__(self, url: str, pki: pathlib.Path):
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = str(pki / "ca.crt")
        self.session.cert = (str(pki / "admin.crt"), str(pki / "admin.key"))

    def get(self, path: str) -> dict:
        answer = self.session.get(self.url + path, timeout=10)
        answer.raise_for_status()
        return answer.json()

    def create(self, path: str, body: dict) -> None:
        answer = self.session.post(self.url + path, json=body, timeout=10)
        if answer.status_code != 409:  # it is there already
            answer.raise_for_status()

    def delete(self, path: str) -> None:
        answer = self.session.delete(self.url + path, timeout=10)
        if answer.status_code != 404:
            answer.raise_for_status()

    def watch(self, path: str, changed: queue.SimpleQueue) -> None:
        """Says that something changed; at the beginning too, as nobody knows what was before. Never returns."""
        while True:
            try:
                version = self.get(path)["metadata"]["resourceVersion"]
                changed.put(path)
                with self.session.get(f"{self.url}{path}?watch=1&resourceVersion={version}", stream=True,
                                      timeout=(10, 3600)) as answer:
                    for _ in answer.iter_lines():
                        changed.put(path)
            except requests.RequestException:
                pass
            time.sleep(AGAIN_SECONDS)


class Provisioner:
    def __init__(self, api: Api, folder: pathlib.Path, node: str):
        self.api, self.folder, self.node = api, folder, node

    def look(self) -> None:
        for claim in self.api.get(CLAIMS)["items"]:
            spec = claim["spec"]
            if spec.get("storageClassName") == STORAGE_CLASS and claim["status"].get("phase") == "Pending":
                self.provide(claim)
        for volume in self.api.get(VOLUMES)["items"]:
            ours = volume["metadata"].get("annotations", {}).get(PROVISIONED_BY) == PROVISIONER
            if ours and volume["status"].get("phase") == "Released":
                self.remove(volume["metadata"]["name"])

    def provide(self, claim: dict) -> None:
        metadata, spec = claim["metadata"], claim["spec"]
        name = f"pvc-{metadata['uid']}"
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        os.chmod(folder, 0o2775)
        here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [self.node]}
        self.api.create(VOLUMES, {
            "apiVersion": "v1", "kind": "PersistentVolume",
            "metadata": {"name": name, "annotations": {PROVISIONED_BY: PROVISIONER}},
            "spec": {
                "storageClassName": STORAGE_CLASS, "persistentVolumeReclaimPolicy": "Delete",
                "capacity": {"storage": spec["resources"]["requests"]["storage"]}, "accessModes": spec["accessModes"],
                "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": metadata["name"],
                             "namespace": metadata["namespace"], "uid": metadata["uid"]},
                "local": {"path": str(folder)},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
            },
        })

    def remove(self, name: str) -> None:
        shutil.rmtree(self.folder / name, ignore_errors=True)
        self.api.delete(f"{VOLUMES}/{name}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True, help="of the API server")
    parser.add_argument("--pki", required=True, type=pathlib.Path)
    parser.add_argument("--folder", required=True, type=pathlib.Path)
    parser.add_argument("--node", required=True)
    args = parser.parse_args()
    changed: queue.SimpleQueue = queue.SimpleQueue()
    for path in (CLAIMS, VOLUMES):
        threading.Thread(target=Api(args.url, args.pki).watch, args=(path, changed), daemon=True).start()
    provisioner = Provisioner(Api(args.url, args.pki), args.folder, args.node)
    while True:
        changed.get()
        while not changed.empty():  # one look sees all
            changed.get()
        try:
            provisioner.look()
        except requests.RequestException as error:
            print(error, flush=True)
            time.sleep(AGAIN_SECONDS)
            changed.put("again")


if __name__ == "__main__":
    main()
