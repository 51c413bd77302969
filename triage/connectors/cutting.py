"""Breaks a line that takes too long as a whole, whatever its single reads may take.

Rule of the room: a server that drips one byte a second passes every time-out of a read. It is cut
off here, so that it holds up nobody else.
"""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

#: How often it is cut once its time has passed: a line that was just being opened is cut, too.
_AGAIN = 0.5


@contextlib.contextmanager
def cut_after(line: Callable[[], socket.socket | None], seconds: float) -> Iterator[None]:
    """Break what `line` returns at that moment after `seconds`, until the block is left."""
    over = threading.Event()

    def watch() -> None:
        wait = seconds
        while not over.wait(wait):
            wait = _AGAIN
            with contextlib.suppress(Exception):
                found = line()
                if found is not None:
                    # The plain method: that of a TLS socket would first take the encryption away.
                    socket.socket.shutdown(found, socket.SHUT_RDWR)

    thread = threading.Thread(target=watch, name="cut", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        # Whoever comes after us on the same line must not be cut for us.
        thread.join()
