"""How quiet the desk is for one person, and when it may tell them what can wait."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any

from triage.domain.hours import DAYS, OpeningHours
from triage.domain.practice import read_hours


@dataclass(frozen=True, slots=True)
class Calm:
    """What one person wants to be told; nothing here holds back what is urgent."""

    #: No sound and no movement for what is not urgent.
    quiet: bool = True
    #: When they work; empty: always.
    hours: OpeningHours = field(default_factory=OpeningHours)

    @classmethod
    def read(cls, quiet: bool, plain: Mapping[str, Any], zone: tzinfo) -> "Calm":
        """Read what is stored; raise ValueError."""
        return cls(quiet, read_hours({"days": dict(plain)}, zone))

    def announces(self, now: datetime) -> bool:
        """Whether this person is told at this moment of what is not urgent."""
        return self.hours.open_at(now)

    def spans(self) -> dict[str, str]:
        """Return day -> span, as both are written."""
        return {
            DAYS[day]: f"{begin:%H:%M}-{end:%H:%M}" for day, (begin, end) in self.hours.days.items()
        }
