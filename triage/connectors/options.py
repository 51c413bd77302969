"""Reads the settings of one inbox or outbox, and says which line of triage.toml is wrong.

Rule of the room: every key is asked for by name; a key nobody asked for is a spelling mistake and
is refused, so that `mailbox = "Urgent"` never silently means "INBOX only".
"""

from collections.abc import Mapping, Sequence

from triage.errors import BadSettings

#: Keys that belong to the wiring, not to a connector; they may stand in the same table.
_WIRING = frozenset({"name", "kind", "type", "clinic", "channel", "enabled", "keyring"})


class Options:
    """One table of settings; each question is remembered so that leftovers can be named."""

    def __init__(self, settings: Mapping[str, object], room: str) -> None:
        self._settings = settings
        self._asked: set[str] = set(_WIRING)
        name = settings.get("name")
        if not isinstance(name, str) or not name:
            raise BadSettings(f"{room}, name")
        #: `inbox front-desk`, as every message of this connector calls itself.
        self.who = f"{room} {name}"
        self.name = name

    def wrong(self, key: str) -> BadSettings:
        """Return the error that names the line `key` of this table."""
        return BadSettings(f"{self.who}, {key}")

    def text(self, key: str, default: str | None = None) -> str:
        """Return a string without control characters; without a default it must be there."""
        value = self._take(key, default)
        if not isinstance(value, str) or (default is None and not value):
            raise self.wrong(key)
        if any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
            raise self.wrong(key)
        return value

    def one_of(self, key: str, choices: Sequence[str]) -> str:
        """Return one of `choices`; the first is the default."""
        value = self.text(key, choices[0])
        if value not in choices:
            raise self.wrong(f"{key} (one of {', '.join(choices)})")
        return value

    def number(self, key: str, default: float, *, least: float, most: float) -> float:
        """Return a number within [least, most]."""
        value = self._take(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.wrong(key)
        if not least <= value <= most:
            raise self.wrong(f"{key} ({least:g} to {most:g})")
        return value

    def whole(self, key: str, default: int, *, least: int, most: int) -> int:
        """Return a whole number within [least, most]."""
        value = self.number(key, default, least=least, most=most)
        if value != int(value):
            raise self.wrong(key)
        return int(value)

    def yes(self, key: str) -> bool:
        """Return whether it says true; nothing says false."""
        value = self._take(key, False)
        if not isinstance(value, bool):
            raise self.wrong(f"{key} (true or false)")
        return value

    def words(self, key: str, default: Sequence[str]) -> tuple[str, ...]:
        """Return a non-empty list of different strings."""
        value = self._take(key, tuple(default))
        if isinstance(value, str) or not isinstance(value, Sequence) or not value:
            raise self.wrong(key)
        if not all(isinstance(word, str) and word.isprintable() and word for word in value):
            raise self.wrong(key)
        if len(set(value)) != len(value):
            raise self.wrong(key)
        return tuple(value)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of different strings, empty when it is not there."""
        return self.words(key, ()) if self._take(key, ()) else ()

    def pairs(self, key: str) -> dict[str, str]:
        """Return a table of strings; empty when it is not there."""
        value = self._take(key, {})
        if not isinstance(value, Mapping):
            raise self.wrong(key)
        if not all(isinstance(part, str) for item in value.items() for part in item):
            raise self.wrong(key)
        return dict(value)

    def done(self) -> None:
        """Refuse keys that nobody asked for."""
        unknown = sorted(set(self._settings) - self._asked)
        if unknown:
            raise self.wrong(f"{unknown[0]} (no such setting)")

    def _take(self, key: str, default: object) -> object:
        self._asked.add(key)
        return self._settings.get(key, default)
