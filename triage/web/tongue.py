"""The words of the pages in the reader's language.

Rule of the room: English is the message id, so a word nobody translated is shown in English and
never lost; nothing a patient wrote is looked up or changed here.

The catalogues are the text files in `locale/`, read once at the start. They are gettext's own
format, which every translator's tool opens, but no compiled file is made of them: a binary beside
its source grows old unseen, and a clone on which only `pip install -e .` ran would have none.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

LOCALE = Path(__file__).parent / "locale"
#: What a person may choose, as it is called in itself.
LANGUAGES: Mapping[str, str] = {"en": "English", "es": "Español"}
#: The context of what Python says with something in it, such as `Mailbox %(name)s is full.`
SENTENCE = "sentence"
_HOLE = re.compile(r"%\((\w+)\)s")
#: What in a sentence is words of ours again, such as a rule's; anything else may be a patient's.
_OURS = frozenset({"because", "name", "sure", "what", "word"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a catalogue: what the code says, and how it is said in the language."""

    context: str
    words: tuple[str, ...]
    said: tuple[str, ...]
    files: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Tongue:
    """One language; English has no words of its own."""

    code: str = "en"
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: Said to a script, which has no other way to them.
    scripted: Mapping[str, str] = field(default_factory=dict)
    sentences: tuple[tuple[re.Pattern[str], str], ...] = ()

    def say(self, text: str) -> str:
        """Return these words in this language."""
        return self.words.get(text, (text,))[0]

    def many(self, one: str, several: str, count: int) -> str:
        """Return the words for so many; English and Spanish count alike."""
        said = self.words.get(one, (one, several))
        return said[0] if count == 1 else said[-1]

    def said(self, text: str) -> str:
        """Return what Python made for people, whole or put together, in this language."""
        if not self.words or text in self.words:
            return self.say(text)
        for shape, said in self.sentences:
            if found := shape.fullmatch(text):
                parts = found.groupdict()
                parts |= {name: self.said(parts[name]) for name in parts.keys() & _OURS}
                return said % parts
        return text


ENGLISH = Tongue()


@cache
def tongue(code: str) -> Tongue:
    """Return a language by its code; English where there is no catalogue."""
    path = LOCALE / code / "LC_MESSAGES" / "desk.po"
    if code not in LANGUAGES or not path.exists():
        return ENGLISH
    found = [one for one in entries(path.read_text(encoding="utf-8")) if all(one.said)]
    plain = [one for one in found if one.context != SENTENCE]
    scripted = {one.words[0]: one.said[0] for one in plain if "static" in one.files}
    shapes = [(_shape(one.words[0]), one.said[0]) for one in found if one.context == SENTENCE]
    return Tongue(code, {one.words[0]: one.said for one in plain}, scripted, tuple(shapes))


def wanted(accepted: str) -> str:
    """Return the language a browser asks for in `Accept-Language`, of those we have."""
    best, most = "en", 0.0
    for part in accepted.lower().split(","):
        name, _, weight = part.strip().partition(";q=")
        code = name.split("-")[0]
        try:
            share = float(weight or 1)
        except ValueError:
            continue
        if code in LANGUAGES and share > most:
            best, most = code, share
    return best


def entries(text: str) -> Iterator[Entry]:
    """Read a catalogue; blank lines part its entries."""
    for block in re.split(r"\n\s*\n", text):
        found: dict[str, str] = {}
        key, files = "", set()
        for line in block.splitlines():
            if line.startswith("#:"):
                files |= {"static" if "static/" in one else "other" for one in line[2:].split()}
            elif line.startswith("#") or not line.strip():
                continue
            else:
                if not line.startswith('"'):
                    key, _, line = line.partition(" ")  # noqa: PLW2901  # Its value goes on below.
                found[key] = found.get(key, "") + json.loads(line)
        if found.get("msgid"):
            words = tuple(found[name] for name in ("msgid", "msgid_plural") if name in found)
            said = tuple(value for name, value in found.items() if name.startswith("msgstr"))
            yield Entry(found.get("msgctxt", ""), words, said, frozenset(files))


def _shape(words: str) -> re.Pattern[str]:
    """Return what a sentence with something in it looks like."""
    parts = _HOLE.split(words.replace("%%", "%"))
    made = [f"(?P<{part}>.+)" if at % 2 else re.escape(part) for at, part in enumerate(parts)]
    return re.compile("".join(made), re.DOTALL)
