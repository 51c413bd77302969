"""Says on every page how far the fetch of many messages is."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from triage.desk.views import Banner
from triage.domain import Beat, read_fetching

#: A note older than this is of a fetch that ended or died; the watch looks after that.
FRESH = timedelta(seconds=60)
_INBOX = "inbox:"


def fetches(beats: Iterable[Beat], now: datetime) -> Iterator[Banner]:
    """Yield a line for each inbox that is fetching many messages just now."""
    for beat in beats:
        if not beat.process.startswith(_INBOX) or now - beat.at > FRESH:
            continue
        for done, whole in filter(None, map(read_fetching, beat.notes)):
            name = beat.process.removeprefix(_INBOX)
            yield Banner("warning", f"Mailbox {name}: {done:,} of {whole:,} messages fetched.")
