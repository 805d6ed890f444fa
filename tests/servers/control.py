"""A file that tells a test server to misbehave.

The file DIR/control holds one line, `MODE` or `MODE COUNT` or `MODE COUNT SECONDS`. Each request that
the server would answer takes one from COUNT; at zero the file is removed and the server behaves again.
Without COUNT the mode stays until the file is removed. Tests write it with lib.servers.Server.misbehave.
"""

import dataclasses
import os
import pathlib


@dataclasses.dataclass
class Fault:
    mode: str
    seconds: float = 0.0


class Control:
    def __init__(self, folder: str, modes: set[str]):
        self._file = pathlib.Path(folder) / "control"
        self._modes = modes

    def next(self) -> Fault | None:
        """The fault for the next request, if any."""
        try:
            words = self._file.read_text().split()
        except FileNotFoundError:
            return None
        if not words:
            return None
        mode, count, seconds = words[0], int((words + ["-1"])[1]), float((words + ["0", "0"])[2])
        if mode not in self._modes:
            raise ValueError(f"{self._file}: no mode '{mode}'; there are {sorted(self._modes)}")
        if count == 1:
            self._file.unlink()
        elif count > 1:
            # Renamed into place: a reader never sees half a line.
            new = self._file.with_suffix(".new")
            new.write_text(f"{mode} {count - 1} {seconds}\n")
            os.replace(new, self._file)
        return Fault(mode, seconds)
