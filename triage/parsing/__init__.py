"""Raw bytes become a Message here, whatever the bytes are.

Rule of the room: `parse` never raises and never hangs; what cannot be read is marked NOT_READ,
and a person opens the original.
"""

from triage.parsing.door import failing, parse, plain, reader
from triage.parsing.sandbox import as_it_lies

__all__ = ["as_it_lies", "failing", "parse", "plain", "reader"]
