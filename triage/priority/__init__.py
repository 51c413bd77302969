"""Red-flag rules on the original text, and the rank of a case.

Rule of the room: everything here may raise urgency, nothing may lower it, and it works when no
model loads.
"""

from triage.priority.ranking import DOUBT, rank
from triage.priority.redflags import TOGETHER, RedFlags

__all__ = ["DOUBT", "TOGETHER", "RedFlags", "rank"]
