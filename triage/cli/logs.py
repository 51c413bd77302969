"""Writes what the processes say: a line for people, or one JSON object a line for machines.

Rule of the room: a line holds a level, an event, ids and types. What a library says is reduced to
where it said it, and an exception to its type and places, because both may quote a patient.
"""

import json
import logging
import re
import resource
import sys
import threading
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

FORMATS = ("plain", "json")
#: Only our own events are repeated in words; a test holds that each is a fixed text.
_OURS = re.compile(r"triage(\.|$)")
_FIELD = re.compile(r"[:,;]? *%\(\w+\)[-+ #0-9.]*[a-zA-Z]")
#: Longer than any id, model name, type or fixed sentence of ours.
_LONGEST = 300
_PLACES = 12


def set_up(wanted: str, process: str) -> None:
    """Send every log line, and whatever nobody caught, to standard error in the wanted format.

    Also forbids core dumps: a dead process's memory would be a file full of patients.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(worth_telling)
    handler.setFormatter(AsJson(process) if wanted == "json" else AsText(process))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
    gather_libraries()
    catch_the_uncaught()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def gather_libraries() -> None:
    """Take from every library the handlers it made for itself: they print whole messages."""
    for logger in list(logging.Logger.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger) and logger.handlers:
            for handler in list(logger.handlers):
                logger.removeHandler(handler)
            logger.propagate = True
    # DBOS makes one when it starts, unless it finds one.
    logging.getLogger("dbos").addHandler(logging.NullHandler())


def worth_telling(record: logging.LogRecord) -> bool:
    """Whether a record says something about this clinic: all of ours, a library's warnings."""
    return bool(_OURS.match(record.name)) or record.levelno >= logging.WARNING


def catch_the_uncaught() -> None:
    """Have exceptions that nobody caught logged by type and place, in every thread."""
    sys.excepthook = _uncaught
    threading.excepthook = lambda given: _uncaught(
        given.exc_type, given.exc_value, given.exc_traceback
    )
    sys.unraisablehook = lambda given: _uncaught(
        given.exc_type, given.exc_value, given.exc_traceback
    )


def _uncaught(
    kind: type[BaseException], trouble: BaseException | None, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    told = (kind, trouble if trouble is not None else kind(), trace)
    logging.getLogger("triage.uncaught").critical(
        "uncaught %(error)s", {"error": kind.__name__}, exc_info=told
    )


class AsJson(logging.Formatter):
    """One JSON object a line; ASCII, so that no sign can break the line or hide in it."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON with the keys at, level, process, where, event and its own."""
        return json.dumps(told(record, self._process), ensure_ascii=True, separators=(",", ":"))


class AsText(logging.Formatter):
    """A line for people with the same facts."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """Return time, level, process, place, event and `key=value` pairs."""
        facts = told(record, self._process)
        fixed = " ".join(str(facts.pop(key)) for key in ("at", "level", "process", "where"))
        event = facts.pop("event")
        pairs = " ".join(f"{key}={json.dumps(value)}" for key, value in facts.items())
        return " ".join(filter(None, (fixed, str(event), pairs)))


def told(record: logging.LogRecord, process: str) -> dict[str, Any]:
    """Return the facts of a record that may be written down."""
    moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    facts: dict[str, Any] = {
        "at": moment,
        "level": record.levelname.lower(),
        "process": process,
        "where": record.name,
        "event": "library",
    }
    if _OURS.match(record.name):
        facts["event"] = _event(record.msg)
        facts |= _fields(record.args)
    else:
        facts["line"] = f"{record.module}:{record.lineno}"
    if record.exc_info and record.exc_info[0] is not None:
        facts["error"] = record.exc_info[0].__name__
        facts["places"] = _places(record.exc_info[2])
    return facts


def _event(message: Any) -> str:
    """Return the fixed words of a message without the fields' places."""
    return (
        _FIELD.sub("", message).replace(" %%", "").strip()
        if isinstance(message, str)
        else type(message).__name__
    )


def _fields(given: Any) -> dict[str, Any]:
    """Return named fields; numbers and short texts pass, anything else is named by its type."""
    if not isinstance(given, Mapping):
        return {"unnamed": len(given)} if given else {}
    return {str(key): _plain(value) for key, value in given.items()}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str) and len(value) <= _LONGEST:
        return value
    return type(value).__name__


def _places(trace: TracebackType | None) -> list[str]:
    """Return `module:line function` of the innermost frames; never a value or a source line."""
    frames = traceback.extract_tb(trace)[-_PLACES:]
    return [
        f"{'/'.join(frame.filename.split('/')[-2:])}:{frame.lineno} {frame.name}"
        for frame in frames
    ]
