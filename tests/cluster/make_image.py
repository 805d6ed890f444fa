"""Writes a folder as a container image, for `ctr images import` and the like; needs nothing but Python.

    make_image.py localhost/pause:1 FOLDER pause.tar --entrypoint /pause --user 65535

The file is an OCI image layout with one layer. The same folder gives the same bytes: no times, and
everything belongs to root.
"""

import argparse
import hashlib
import io
import json
import os
import pathlib
import platform
import tarfile

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
EPOCH = "1970-01-01T00:00:00Z"
INDEX, MANIFEST, CONFIG, LAYER = (
    f"application/vnd.oci.image.{kind}" for kind in ("index.v1+json", "manifest.v1+json", "config.v1+json", "layer.v1.tar")
)


def anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mtime = entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


def layer_of(folder: pathlib.Path) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(folder.rglob("*")):
            tar.add(path, path.relative_to(folder), recursive=False, filter=anonymous)
    return out.getvalue()


class Layout:
    """The files of an OCI image layout."""

    def __init__(self):
        self.files: dict[str, bytes] = {}

    def add(self, kind: str, content: bytes | dict) -> dict:
        """Adds a blob; returns its descriptor."""
        data = content if isinstance(content, bytes) else json.dumps(content, sort_keys=True).encode()
        digest = hashlib.sha256(data).hexdigest()
        self.files[f"blobs/sha256/{digest}"] = data
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(data)}

    def write(self, file: pathlib.Path, manifest: dict) -> None:
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [manifest]}
        files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index.json": json.dumps(index).encode()} | self.files
        new = file.with_suffix(".new")
        with tarfile.open(new, "w") as tar:
            for name, data in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
        os.replace(new, file)


def write_image(name: str, folder: pathlib.Path, file: pathlib.Path, settings: dict) -> None:
    layout = Layout()
    layer = layout.add(LAYER, layer_of(folder))
    config = layout.add(CONFIG, {
        "architecture": ARCHITECTURE, "os": "linux", "created": EPOCH, "config": settings,
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}, "history": [{"created": EPOCH}],
    })
    manifest = layout.add(MANIFEST, {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]})
    manifest["annotations"] = {
        "io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.rsplit(":", 1)[-1],
    }
    manifest["platform"] = {"architecture": ARCHITECTURE, "os": "linux"}
    layout.write(file, manifest)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="with its tag")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--entrypoint", help="the program that the image runs")
    parser.add_argument("--user", help="number of the user that it runs as")
    args = parser.parse_args()
    settings = {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}
    if args.entrypoint:
        settings["Entrypoint"] = [args.entrypoint]
    if args.user:
        settings["User"] = args.user
    write_image(args.name, args.folder, args.file, settings)


if __name__ == "__main__":
    main()
