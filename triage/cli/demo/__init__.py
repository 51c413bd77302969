"""`triage demo`: the main job on the fictional practice, with real servers on loopback."""

from triage.cli.demo.command import add_to

__all__ = ["add_to"]
