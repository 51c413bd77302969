"""A private PostgreSQL cluster of Debian's own programs, gone when the test session ends."""

import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg

OWNER = "triage_owner"
#: The database that every test's own is a copy of.
TEMPLATE = "template_triage"


def programs() -> Path | None:
    """Return the folder with the newest initdb and postgres, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


def fastest() -> str:
    """Return memory where there is plenty of it: a sync costs nothing there, and stays on."""
    memory = "/dev/shm"
    roomy = os.path.isdir(memory) and shutil.disk_usage(memory).free > 4 * 2**30
    return memory if roomy else "/tmp"


class PostgresServer:
    """One cluster on a unix socket in a temporary folder; root runs it as user postgres."""

    def __init__(self, *initdb: str) -> None:
        bin_folder = programs()
        assert bin_folder is not None
        self._bin = bin_folder
        # Not pytest's folder: the user postgres must be able to walk to it, and a socket's path
        # may have at most 107 characters.
        self.folder = Path(tempfile.mkdtemp(prefix="triage-pg-", dir=fastest()))
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        self._numbers = itertools.count()
        # Kept open: every test asks for a database and gives it back.
        self._administrator: psycopg.Connection[tuple[object, ...]] | None = None
        data = self.folder / "data"
        self._run("initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "-N", *initdb)
        self.start()
        self.ask("postgres", f"CREATE ROLE {OWNER} LOGIN CREATEROLE CREATEDB")
        self.ask("postgres", f"CREATE DATABASE {TEMPLATE} OWNER {OWNER}")

    @property
    def template_url(self) -> str:
        """The database that every test's own is a copy of; migrate it once, as its owner."""
        return self.url(TEMPLATE)

    def url(self, database: str, user: str = OWNER) -> str:
        return f"postgresql+psycopg://{user}@/{database}?host={self.folder}"

    @contextmanager
    def database(self) -> Iterator[str]:
        """Lend a fresh copy of the template."""
        with self.copy(TEMPLATE) as url:
            yield url

    @contextmanager
    def copy(self, template: str) -> Iterator[str]:
        """Lend a copy of a database that nobody is connected to; `template0` is an empty one."""
        name = f"triage_{next(self._numbers)}"
        # Since 15 PostgreSQL would rather write every page of the copy into its log as well.
        how = " STRATEGY FILE_COPY" if self._bin.parent.name >= "15" else ""
        self.ask("postgres", f"CREATE DATABASE {name} TEMPLATE {template} OWNER {OWNER}{how}")
        try:
            yield self.url(name)
        finally:
            self.ask("postgres", f"DROP DATABASE {name} WITH (FORCE)")

    def ask(self, database: str, statement: str) -> None:
        """Run one statement as the cluster's administrator."""
        if database == "postgres":
            if self._administrator is None:
                self._administrator = self._connect(database)
            self._administrator.execute(statement.encode())
            return
        with self._connect(database) as connection:
            connection.execute(statement.encode())

    def _connect(self, database: str) -> "psycopg.Connection[tuple[object, ...]]":
        import psycopg

        place = f"host={self.folder} dbname={database} user=postgres"
        return psycopg.connect(place, autocommit=True)

    def reload(self, setting: str, wanted: str) -> None:
        """Read the configuration anew and wait until `setting` has the wanted value."""
        self.ask("postgres", "SELECT pg_reload_conf()")
        for _ in range(500):
            with self._connect("postgres") as connection:
                row = connection.execute(f"SHOW {setting}".encode()).fetchone()
            if row == (wanted,):
                return
        raise AssertionError(f"{setting} did not become {wanted}")

    def start(
        self, data: str = "data", *, settings: str = "", environment: dict[str, str] | None = None
    ) -> None:
        """Serve the cluster in a folder of ours; `settings` are further `-c name=value`."""
        options = f"-k {self.folder} -c listen_addresses='' -c max_connections=200 {settings}"
        where = ("-D", f"{self.folder}/{data}", "-w", "-l", f"{self.folder}/log")
        self._run("pg_ctl", *where, "-o", options, "start", environment=environment)

    def stop(self, data: str = "data", *, mode: str = "immediate") -> None:
        if self._administrator is not None:
            self._administrator.close()
            self._administrator = None
        self._run("pg_ctl", "-D", f"{self.folder}/{data}", "-m", mode, "-w", "stop")

    def adopt(self, path: Path) -> None:
        """Give a folder to whoever runs the cluster, and to nobody else."""
        path.chmod(0o700)
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", "postgres:postgres", path], check=True)

    def close(self) -> None:
        self.stop()
        self.remove()

    def remove(self) -> None:
        """Remove what a stopped cluster leaves."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(
        self, program: str, *arguments: str, environment: dict[str, str] | None = None
    ) -> None:
        command = [str(self._bin / program), *arguments]
        if os.geteuid() == 0:
            command = [
                "setpriv",
                "--reuid=postgres",
                "--regid=postgres",
                "--clear-groups",
                *command,
            ]
        quiet = subprocess.DEVNULL
        subprocess.run(command, check=True, cwd="/", stdout=quiet, env=environment)
