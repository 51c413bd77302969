"""The only calls that web, command line and notebooks make.

Rule of the room: every method takes the person first and checks the right before anything else;
nothing here reads protected text; nothing here sends.
"""

from triage.desk.desk import Desk
from triage.desk.openid import Provider
from triage.desk.rights import RIGHTS, Right, may, needs_second_factor

__all__ = ["RIGHTS", "Desk", "Provider", "Right", "may", "needs_second_factor"]
