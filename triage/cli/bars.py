"""A progress bar for each inbox that fetches many messages, where somebody looks on."""

import sys
import threading
from typing import Any, TextIO

import typer


class Bars:
    """Draws how far each inbox is; in a file or a pipe it draws nothing."""

    def __init__(self, where: TextIO | None = None) -> None:
        self._where = where or sys.stderr
        self._bars: dict[str, Any] = {}
        #: Each inbox has a thread of its own.
        self._turn = threading.Lock()

    def __call__(self, inbox: str, done: int, whole: int) -> None:
        """Draw that of this inbox `done` of `whole` messages are here."""
        if not self._where.isatty():
            return
        with self._turn:
            bar = self._bars.get(inbox)
            if bar is None or done < bar.pos:
                bar = self._bars[inbox] = typer.progressbar(
                    length=whole, label=inbox, show_pos=True, file=self._where
                )
            bar.length = max(whole, 1)
            bar.update(done - bar.pos)
            if done >= whole:
                bar.render_finish()
                del self._bars[inbox]
