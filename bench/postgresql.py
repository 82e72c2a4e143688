"""A private PostgreSQL server in a folder, to be stopped and started at will; Debian's or whichever is installed."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self, final


def binaries() -> Path | None:
    """The folder of `initdb` and `pg_ctl`, the newest that is installed; None where there is none."""
    found = shutil.which("pg_ctl")
    folders = [*Path("/usr/lib/postgresql").glob("*/bin"), *([Path(found).resolve().parent] if found else [])]
    complete = [folder for folder in folders if (folder / "initdb").exists() and (folder / "pg_ctl").exists()]
    return max(complete, default=None, key=lambda folder: folder.parent.name)


def why_not() -> str:
    """Why no private server can be started here; '' where one can."""
    if binaries() is None:
        return "no PostgreSQL server binary: install Debian's package postgresql"
    if os.geteuid() == 0 and _user() is None:
        return "PostgreSQL refuses to run as root, and there is no user postgres or nobody"
    return ""


def _user() -> str | None:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    return None


@final
class PrivateServer:
    """A server of our own on a free port of this machine, with its files in a folder that is removed at the end.

    Durable as it comes: fsync and synchronous_commit are left on, unless it is for tests that lose no power.
    """

    def __init__(self, durable: bool = True) -> None:
        if reason := why_not():
            raise RuntimeError(reason)
        found = binaries()
        assert found is not None
        self._binaries = found
        self._as: dict[str, Any] = {"user": _user(), "extra_groups": []} if os.geteuid() == 0 else {}
        self._folder = Path(tempfile.mkdtemp(prefix="imitative-postgresql-"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        if self._as:
            shutil.chown(self._folder, str(self._as["user"]))
        self._run("initdb", "-D", str(self._data), "-U", "imitative", "-A", "trust", "-E", "UTF8", "--no-locale")
        self._options = f"-p {self.port} -k {self._folder} -c listen_addresses=127.0.0.1 -c max_connections=200"
        self._options += "" if durable else " -c fsync=off"
        self.start()

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._binaries / program), *arguments]
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, cwd="/", timeout=120, **self._as
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr.strip() or done.stdout.strip()}")

    def start(self) -> None:
        """Start, and wait until it answers."""
        log = self._folder / "log"
        self._run("pg_ctl", "-D", str(self._data), "-w", "-t", "60", "-l", str(log), "-o", self._options, "start")

    def stop(self, how: str = "fast") -> None:
        """Stop: `fast` ends every connection, `immediate` is as if the power had gone."""
        self._run("pg_ctl", "-D", str(self._data), "-w", "-t", "60", "-m", how, "stop")

    def restart(self, how: str = "fast") -> None:
        """Stop and start."""
        self.stop(how)
        self.start()

    def database(self, name: str) -> str:
        """A new, empty database; its URL."""
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "imitative", name)
        return f"postgresql+psycopg://imitative@127.0.0.1:{self.port}/{name}"

    def schema(self, name: str) -> str:
        """A new, empty schema of the database `postgres`, which is made sooner than a database; its URL."""
        command = f"CREATE SCHEMA {name}"
        self._run("psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "imitative", "-c", command, "postgres")
        return f"postgresql+psycopg://imitative@127.0.0.1:{self.port}/postgres?options=-csearch_path%3D{name}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop("immediate")
        shutil.rmtree(self._folder, ignore_errors=True)
