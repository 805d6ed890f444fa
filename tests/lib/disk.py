"""Disks that are really full: a file system of a given size, which only the processes started inside it see."""

import os
import pathlib
import subprocess

# Others than root need a user namespace too, in which they may mount; many systems let nobody but root make one.
_ROOT = os.geteuid() == 0
_UNSHARE = ["unshare", "--mount"] if _ROOT else ["unshare", "--map-root-user", "--mount"]
_ENTER = ["--mount"] if _ROOT else ["--user", "--mount", "--preserve-credentials"]

_REFUSED = """a small disk could not be mounted: {reason}
  as another user than root: run the tests as root, or let users do it
    (Ubuntu 24.04 and later: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0)
  in a container: start it with --privileged"""


class SmallDisk:
    """A tmpfs over `folder`, in a mount namespace of its own. RuntimeError where the system does not let us.

    disk = SmallDisk(folder, megabytes=16)
    subprocess.Popen([*disk.inside, "program", …])
    disk.resize(64)
    """

    def __init__(self, folder: pathlib.Path, megabytes: float):
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        script = 'mount -t tmpfs -o size="$1" tmpfs "$0" && echo mounted && exec sleep infinity'
        self._holder = subprocess.Popen(
            [*_UNSHARE, "sh", "-c", script, str(folder), _size(megabytes)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if self._holder.stdout.readline() != b"mounted\n":
            raise RuntimeError(_REFUSED.format(reason=self._holder.communicate()[1].decode().strip()))

    @property
    def inside(self) -> list[str]:
        """What a command begins with that is to see the disk."""
        return ["nsenter", "--target", str(self._holder.pid), *_ENTER]

    @property
    def folder(self) -> pathlib.Path:
        """Its files, as they are seen from outside."""
        return pathlib.Path(f"/proc/{self._holder.pid}/root{self._folder}")

    def resize(self, megabytes: float) -> None:
        """Not below what is in use."""
        # Named, or mount(8) takes its options over, and the id of its owner need not be one inside.
        options = f"remount,size={_size(megabytes)}"
        subprocess.run([*self.inside, "mount", "-o", options, "tmpfs", str(self._folder)], check=True)

    def close(self) -> None:
        self._holder.kill()
        self._holder.wait()


def _size(megabytes: float) -> str:
    return f"{int(megabytes * 1024)}k"
