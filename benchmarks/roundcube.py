"""Debian's Roundcube on loopback, for one comparison: fetched and unpacked, never installed.

Its packages go under `.cache/`, PHP with them, and nothing outside that folder changes. Roundcube
is under the GPL; the product neither ships nor imports it.
"""

import os
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.servers import DovecotServer, SmtpKeeper, free_port, stop, wait_until_listening

CACHE = Path(__file__).resolve().parent.parent / ".cache" / "roundcube"
#: The plugins bring the archive button: one click instead of two for filing a message away. What
#: a machine already has is fetched again where it is named here: its files are served from there.
PACKAGES = (
    "roundcube", "roundcube-sqlite3", "roundcube-plugins", "php-cli", "libjs-jquery",
    "libjs-jquery-ui", "libjs-bootstrap4", "libjs-popper.js", "libjs-jstimezonedetect",
)  # fmt: skip
#: In this order: the later ones use the earlier.
EXTENSIONS = (
    "pdo", "sqlite3", "pdo_sqlite", "dom", "ctype", "exif", "fileinfo", "iconv", "intl",
    "mbstring", "posix", "simplexml", "sockets", "tokenizer", "xml", "xmlreader", "xmlwriter",
)  # fmt: skip
_CONFIG = """<?php
$config = [];
$config['db_dsnw'] = 'sqlite:///{home}/roundcube.db?mode=0600';
$config['imap_host'] = '127.0.0.1:{imap}';
$config['smtp_host'] = '127.0.0.1:{smtp}';
$config['smtp_user'] = '';
$config['smtp_pass'] = '';
$config['mail_domain'] = 'alder-street.example';
$config['des_key'] = 'twenty-four-bytes-of-key';
$config['log_dir'] = '{home}/logs';
$config['temp_dir'] = '{home}/temp';
$config['plugins'] = ['archive'];
$config['reply_mode'] = 1;
$config['skin'] = 'elastic';
$config['language'] = 'en_US';
$config['enable_spellcheck'] = false;
$config['create_default_folders'] = true;
$config['sent_mbox'] = 'Sent';
$config['drafts_mbox'] = 'Drafts';
$config['trash_mbox'] = 'Trash';
$config['junk_mbox'] = 'Junk';
$config['archive_mbox'] = 'Archive';
"""


def unpacked() -> Path:
    """Return the folder with Roundcube and PHP, fetched from Debian where it is not there yet."""
    root = CACHE / "root"
    if (CACHE / "done").exists():
        return root
    archives = CACHE / "archives"
    (archives / "partial").mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["apt-get", "install", "-qq", "-y", "--no-install-recommends", "--reinstall",
         "--download-only",
         "-o", f"Dir::Cache::archives={archives}", "-o", "APT::Sandbox::User=", *PACKAGES],
        check=True,
    )  # fmt: skip
    for package in sorted(archives.glob("*.deb")):
        subprocess.run(["dpkg", "-x", str(package), str(root)], check=True)
    (CACHE / "done").touch()
    return root


@dataclass(frozen=True)
class Card:
    """Somebody in the webmail's own address book."""

    name: str
    address: str
    born: str


class Roundcube:
    """The webmail for one mailbox; every password is the one of the servers."""

    def __init__(self, imap: DovecotServer, smtp: SmtpKeeper) -> None:
        root = unpacked()
        self._kept = tempfile.TemporaryDirectory(prefix="roundcube-")
        self.home = Path(self._kept.name)
        share = root / "usr/share/roundcube"
        for name in ("logs", "temp", "config"):
            (self.home / name).mkdir()
        for source in (root / "etc/roundcube").glob("*.inc.php"):
            (self.home / "config" / source.name).write_text(source.read_text(encoding="utf-8"))
        config = _CONFIG.format(home=self.home, imap=imap.port, smtp=smtp.port)
        (self.home / "config" / "config.inc.php").write_text(config, encoding="utf-8")
        first = self.home / "first.php"
        first.write_text(f"<?php define('INSTALL_PATH', '{share}/');\n", encoding="utf-8")
        self._database = self.home / "roundcube.db"
        with sqlite3.connect(self._database) as tables:
            tables.executescript((share / "SQL/sqlite.initial.sql").read_text(encoding="utf-8"))
        self.address = f"http://127.0.0.1:{free_port()}"
        self._process = self._served(root, share, first)

    def _served(self, root: Path, share: Path, first: Path) -> "subprocess.Popen[bytes]":
        (php,) = (root / "usr/bin").glob("php[0-9]*")
        (extensions,) = (root / "usr/lib/php").glob("20*")
        wanted = [each for each in EXTENSIONS if (extensions / f"{each}.so").exists()]
        settings = {
            "extension_dir": str(extensions), "include_path": f".:{root}/usr/share/php",
            "auto_prepend_file": str(first), "display_errors": "0", "log_errors": "1",
            "error_log": str(self.home / "logs" / "php.log"), "date.timezone": "UTC",
        }  # fmt: skip
        words = [word for name, value in settings.items() for word in ("-d", f"{name}={value}")]
        words += ["-d", f"zend_extension={extensions}/opcache.so", "-d", "opcache.enable_cli=1"]
        words += [word for each in wanted for word in ("-d", f"extension={each}")]
        libraries = ":".join(str(folder) for folder in sorted(root.glob("*/lib/*-linux-gnu")))
        environment = {
            "PATH": os.environ["PATH"], "LD_LIBRARY_PATH": libraries,
            "PHP_CLI_SERVER_WORKERS": "4", "ROUNDCUBE_CONFIG_DIR": str(self.home / "config"),
        }  # fmt: skip
        host = self.address.removeprefix("http://")
        process = subprocess.Popen(
            [str(php), "-n", *words, "-S", host, "-t", str(share)],
            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        wait_until_listening(int(host.rpartition(":")[2]), process)
        return process

    def know(self, cards: Iterable[Card], responses: Iterable[tuple[str, str]]) -> None:
        """Fill the address book and the list of standard texts of whoever logged in first."""
        now = "2026-01-01 00:00:00"
        with sqlite3.connect(self._database) as tables:
            for card in cards:
                first, _, last = card.name.partition(" ")
                vcard = (
                    f"BEGIN:VCARD\r\nVERSION:3.0\r\nN:{last};{first};;;\r\nFN:{card.name}\r\n"
                    f"EMAIL;TYPE=INTERNET:{card.address}\r\nBDAY:{card.born}\r\nEND:VCARD"
                )
                tables.execute(
                    "INSERT INTO contacts (user_id, changed, name, email, firstname, surname,"
                    " vcard, words) VALUES (1, ?, ?, ?, ?, ?, ?, ?)",
                    (now, card.name, card.address, first, last, vcard, card.name.lower()),
                )
            for name, text in responses:
                tables.execute(
                    "INSERT INTO responses (user_id, name, data, is_html, changed)"
                    " VALUES (1, ?, ?, 0, ?)",
                    (name, text, now),
                )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        # Its workers are children of its own: they end with it.
        stop(self._process)
        self._kept.cleanup()
