"""Disks that are really full: a file system of a given size, which only the processes started inside it see."""

import pathlib
import subprocess


class SmallDisk:
    """A tmpfs over `folder`, in a mount namespace of its own (root is not needed).

    disk = SmallDisk(folder, megabytes=16)
    subprocess.Popen([*disk.inside, "program", …])
    disk.resize(64)
    """

    def __init__(self, folder: pathlib.Path, megabytes: float):
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        script = 'mount -t tmpfs -o size="$1" tmpfs "$0" && echo mounted && exec sleep infinity'
        self._holder = subprocess.Popen(
            ["unshare", "--map-root-user", "--mount", "sh", "-c", script, str(folder), _size(megabytes)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert self._holder.stdout.readline() == b"mounted\n", "no namespace of one's own"

    @property
    def inside(self) -> list[str]:
        """What a command begins with that is to see the disk."""
        return ["nsenter", "--target", str(self._holder.pid), "--user", "--mount", "--preserve-credentials"]

    @property
    def folder(self) -> pathlib.Path:
        """Its files, as they are seen from outside."""
        return pathlib.Path(f"/proc/{self._holder.pid}/root{self._folder}")

    def resize(self, megabytes: float) -> None:
        """Not below what is in use."""
        subprocess.run([*self.inside, "mount", "-o", f"remount,size={_size(megabytes)}", str(self._folder)], check=True)

    def close(self) -> None:
        self._holder.kill()
        self._holder.wait()


def _size(megabytes: float) -> str:
    return f"{int(megabytes * 1024)}k"
