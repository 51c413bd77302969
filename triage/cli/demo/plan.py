"""Who the invented practice calls when nobody acts on an urgent message.

Rule of the room: every alert door is a mail server of the demo, so that nobody outside is called.
"""

import re
from collections.abc import Mapping

from triage.cli.demo.servers import HOST
from triage.domain import DAYS

#: Door -> the user name in whose pocket it rings; the first alert rings at the front desk.
DOORS = {"front-desk-phone": "", "deputy-phone": "sam", "on-call-phone": "nia"}
_SPAN = re.compile(r"(\d{1,2}:\d\d)-(\d{1,2}:\d\d)")


def plan_lines(port: int, mail_domain: str, hours: Mapping[str, str]) -> list[str]:
    """Return the lines of triage.toml: hours, alert doors and the plan, day and night."""
    lines = ["[watch.hours]"]
    for day in DAYS:
        if span := _SPAN.fullmatch(hours.get(day, "")):
            lines.append(f'{day} = "{span[1]:0>5}-{span[2]:0>5}"')
    for door in DOORS:
        lines += [
            "[[alert]]",
            f'name = "{door}"\nkind = "smtp"\nhost = "{HOST}"\nport = {port}\nsecurity = "plain"',
            f'sender = "watch@{mail_domain}"\nto = ["{door}@{mail_domain}"]',
        ]
    desk, deputy, on_call = (_called(*door) for door in DOORS.items())
    # At night nobody stands at the front desk: the first alert goes to the deputy.
    for part, first in (("in_hours", desk), ("out_of_hours", deputy)):
        lines += [f"[escalation.{part}]", f"again = {first}"]
        lines += [f"deputy = {deputy}", f"on_call = {on_call}"]
    return lines


def _called(door: str, who: str) -> str:
    return f'{{ who = "{who}", doors = ["{door}"] }}'
