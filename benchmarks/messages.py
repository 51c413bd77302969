"""The messages that are measured on, always the same ones, and the models that serve here.

They are training messages: what a message says costs no time, and no figure here is about
whether it was understood.
"""

import random
from pathlib import Path

from triage.classifiers.dataset import TEACHING, Row, as_served, read_part
from triage.domain import Redacted
from triage.encoder.registry import Registry

SEED = 7


def mixed(count: int) -> list[Row]:
    """Return `count` messages of every kind and length, in a seeded order."""
    rows = read_part(TEACHING)
    random.Random(SEED).shuffle(rows)
    assert len(rows) >= count
    return rows[:count]


def hidden(row: Row) -> Redacted:
    """Return a message as the classifier sees it."""
    subject, body = as_served(row)
    return Redacted(subject, body, channel=row.channel)


def registry() -> Registry:
    """Return the models `triage classify` chooses from."""
    return Registry(Path.home() / ".triage")
