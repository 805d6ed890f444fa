"""The real servers of tests/servers as Python objects.

    kafka = Kafka(folder=tmp_path)     # a private one, on free ports
    kafka.start()                      # returns when it answers
    kafka.kill()                       # kill -9; start() brings it back on its port with its data
    kafka.stop()

Without a folder it is the shared one that `./dev servers up` starts. The scripts beside this package do
the work; an object is cheap and holds no process. Not for several threads at once.
"""

import email
import email.message
import email.policy
import os
import pathlib
import socket
import subprocess

import pyarrow.fs

SCRIPTS = pathlib.Path(__file__).resolve().parent.parent / "servers"


class ServerError(Exception):
    """A server that did not start, stop or answer; the message has the end of its log."""


def free_ports(count: int = 1) -> int:
    """The first of `count` free ports in a row, below the range that outgoing connections take theirs from.

    Each process starts to look at a place of its own, so that tests in parallel rarely collide.
    """
    first, last = 20000, 32000
    start = first + (os.getpid() * 97) % (last - first)
    for i in range(0, last - first, 10):
        base = first + (start - first + i) % (last - first - count)
        if base not in _given and all(_is_free(base + offset) for offset in range(count)):
            _given.update(range(base, base + count))
            return base
    raise ServerError("no free ports")


_given: set[int] = set()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class Server:
    """What all servers have; see the subclasses for addresses."""

    kind = ""
    port_count = 1

    def __init__(self, folder: pathlib.Path | None = None, port: int | None = None):
        self._arguments: list[str] = []
        if folder is not None:
            self._arguments += ["--dir", str(folder / self.kind)]
            port = port or free_ports(self.port_count)
        if port is not None:
            self._arguments += ["--port", str(port)]
        self.exports = dict(line.split("=", 1) for line in self._call("exports").splitlines())
        # Where it keeps its data, logs, certificate and `control` file.
        self.folder = pathlib.Path(self._call("folder").strip())

    def start(self) -> None:
        self._call("start")

    def stop(self) -> None:
        self._call("stop")

    def kill(self) -> None:
        self._call("kill")

    def pause(self) -> None:
        """Stops its processes (SIGSTOP): connections stay open and nothing answers."""
        self._call("pause")

    def resume(self) -> None:
        self._call("resume")

    def running(self) -> bool:
        return self._run("status").returncode == 0

    def alive(self) -> bool:
        """Whether its processes are there, be they busy, paused or still starting."""
        return self._run("alive").returncode == 0

    @property
    def user(self) -> str:
        return self.exports[f"LEVADA_{self.kind.upper()}_USER"]

    @property
    def password(self) -> str:
        return self.exports[f"LEVADA_{self.kind.upper()}_PASSWORD"]

    @property
    def ca(self) -> pathlib.Path:
        """The file of the CA certificate that its TLS is checked with."""
        return pathlib.Path(self.exports[f"LEVADA_{self.kind.upper()}_CA"])

    def misbehave(self, mode: str, count: int = 0, seconds: float = 0.0) -> None:
        """The next `count` requests (0: until behave()) meet the fault; modes: secure_proxy.py, smtp.py."""
        new = self.folder / "control.test"
        new.write_text(f"{mode} {count or -1} {seconds}\n")
        os.replace(new, self.folder / "control")

    def behave(self) -> None:
        (self.folder / "control").unlink(missing_ok=True)

    def _run(self, action: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [SCRIPTS / f"{self.kind}.sh", action, *self._arguments],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=200,
        )

    def _call(self, action: str) -> str:
        done = self._run(action)
        if done.returncode != 0:
            raise ServerError(f"{self.kind} {action}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout


class Kafka(Server):
    kind = "kafka"
    port_count = 5

    @property
    def address(self) -> str:
        return self.exports["LEVADA_KAFKA"]

    @property
    def secure_address(self) -> str:
        """SASL_SSL; mechanisms PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512 with `user` and `password`."""
        return self.exports["LEVADA_KAFKA_SECURE"]

    @property
    def pods_address(self) -> str:
        """Of the plaintext listener as the pods of `./dev cluster` reach it."""
        return self.exports["LEVADA_KAFKA_PODS"]


class OpenSearch(Server):
    """`misbehave` works on secure_url only."""

    kind = "opensearch"
    port_count = 3

    @property
    def url(self) -> str:
        return self.exports["LEVADA_OPENSEARCH"]

    @property
    def secure_url(self) -> str:
        return self.exports["LEVADA_OPENSEARCH_SECURE"]


class S3(Server):
    kind = "s3"
    port_count = 11

    @property
    def url(self) -> str:
        return self.exports["LEVADA_S3"]

    @property
    def secure_url(self) -> str:
        return self.exports["LEVADA_S3_SECURE"]

    @property
    def bucket(self) -> str:
        """One that is there; `reader` may read it, `user` may do everything."""
        return self.exports["LEVADA_S3_BUCKET"]

    def put(self, key: str, content: bytes) -> None:
        with self._files().open_output_stream(f"{self.bucket}/{key}") as stream:
            stream.write(content)

    def delete(self, key: str) -> None:
        self._files().delete_file(f"{self.bucket}/{key}")

    def _files(self) -> pyarrow.fs.S3FileSystem:
        return pyarrow.fs.S3FileSystem(
            access_key=self.user, secret_key=self.password, region="us-east-1",
            endpoint_override=self.url, force_virtual_addressing=False,
        )


class Smtp(Server):
    kind = "smtp"

    @property
    def host(self) -> str:
        return self.exports["LEVADA_SMTP"].rsplit(":", 1)[0]

    @property
    def port(self) -> int:
        return int(self.exports["LEVADA_SMTP"].rsplit(":", 1)[1])

    def mails(self) -> list[email.message.EmailMessage]:
        """Every mail that was kept, in order; its envelope is in X-Envelope-From and X-Envelope-To."""
        folder = pathlib.Path(self.exports["LEVADA_SMTP_MAIL"])
        return [
            email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
            for file in sorted(folder.glob("*.eml"))
        ]


class Kubernetes(Server):
    """An API server with its etcd; no controllers, no nodes."""

    kind = "kubernetes"
    port_count = 3

    @property
    def url(self) -> str:
        return self.exports["LEVADA_KUBERNETES"]

    @property
    def kubeconfig(self) -> pathlib.Path:
        """The administrator's."""
        return pathlib.Path(self.exports["LEVADA_KUBECONFIG"])
