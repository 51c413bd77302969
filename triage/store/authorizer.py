"""What a running process may ask of SQLite: rows, never tables, triggers or settings.

Rule of the room: whatever is not listed is denied.
"""

from typing import Any

_OK, _DENY = 0, 1
_READ, _SELECT, _INSERT, _UPDATE, _DELETE = 20, 21, 18, 23, 9
_TRANSACTION, _FUNCTION, _SAVEPOINT, _RECURSIVE, _PRAGMA = 22, 31, 32, 33, 19

_ROWS = frozenset({_READ, _SELECT, _INSERT, _UPDATE, _DELETE, _TRANSACTION, _SAVEPOINT, _RECURSIVE})
#: Settings that may be read; changing any of them is denied.
_READABLE = frozenset(
    {
        "foreign_keys",
        "integrity_check",
        "journal_mode",
        "quick_check",
        "read_uncommitted",
        "recursive_triggers",
        "synchronous",
    }
)
#: Questions about a table; they name it and change nothing.
_DESCRIBING = frozenset({"table_info", "table_xinfo"})
#: Tables of SQLite itself hold the triggers; writing them would take the guards away.
_SCHEMA = frozenset({"sqlite_master", "sqlite_schema", "sqlite_temp_master", "sqlite_temp_schema"})


def only_rows(
    action: int, first: str | None, second: str | None, _database: Any, _trigger: Any
) -> int:
    """Answer SQLite's question whether a statement may be prepared."""
    if action == _PRAGMA:
        reading = first in _READABLE and second is None
        return _OK if reading or first in _DESCRIBING else _DENY
    if action == _FUNCTION:
        return _DENY if second in {"load_extension", "sqlcipher_export"} else _OK
    if action in (_INSERT, _UPDATE, _DELETE) and first in _SCHEMA:
        return _DENY
    return _OK if action in _ROWS else _DENY
