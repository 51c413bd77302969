"""Whether what a person typed can be where a patient is reached.

Rule of the room: a sentence says what to mend and never repeats what was typed.
"""

import re

from triage.connectors.letter import ADDRESS
from triage.domain import Channel, Protected

#: The ways a reply can leave.
CHANNELS = (Channel.EMAIL, Channel.PORTAL)
LONGEST_ADDRESS, LONGEST_NAME = 254, 120
_PORTAL = re.compile(r"(?:Patient|RelatedPerson)/[A-Za-z0-9.-]{1,64}")


def cannot_reach(channel: Channel, address: Protected, name: Protected) -> str:
    """Return what is wrong with a contact in a sentence; empty when nothing is."""
    where, who = address.reveal(), name.reveal()
    if channel not in CHANNELS:
        return "Nothing leaves by this way; choose e-mail or the portal."
    shape = ADDRESS if channel is Channel.EMAIL else _PORTAL
    if len(where) > LONGEST_ADDRESS or not shape.fullmatch(where):
        if channel is Channel.EMAIL:
            return "This is no e-mail address of one person, such as ana@example.org."
        return "A portal reference is written Patient/123."
    if not who or len(who) > LONGEST_NAME or not who.isprintable():
        return "Write the name of the person who reads there in one line."
    return ""
