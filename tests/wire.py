"""A line that spoils what a mail server says: a proxy between a client and the real server."""

import asyncio
import contextlib
import random
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from typing import Any

from tests.servers import Server

#: What one direction of a connection does with the bytes it is given; returns what goes on.
Spoil = Callable[["Spoiled", bytes], "bytes | None"]


class Spoiled:
    """One connection that is being spoiled: its writer, how many bytes passed, and chance."""

    def __init__(self, writer: asyncio.StreamWriter, chance: random.Random) -> None:
        self.writer = writer
        self.chance = chance
        self.passed = 0
        #: Whether the trouble has come.
        self.hit = False
        #: The byte at which the trouble comes; log-in and EXAMINE take about a thousand.
        self.at = chance.randrange(20, 4000)
        self.pause = 0.0
        self.one_by_one = False

    def reached(self, chunk: bytes) -> int | None:
        """Return where in this chunk the trouble comes, None while it does not."""
        place = self.at - self.passed
        self.passed += len(chunk)
        if self.hit or place >= len(chunk):
            return None
        self.hit = True
        return max(place, 0)

    def reset(self) -> None:
        """Cut so hard that the other side reads ECONNRESET."""
        line = self.writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


def latency(line: Spoiled, chunk: bytes) -> bytes:
    line.pause, line.hit = 0.02, True
    return chunk


def one_byte(line: Spoiled, chunk: bytes) -> bytes:
    line.one_by_one = line.reached(chunk) is not None or line.one_by_one
    return chunk


def _then(line: Spoiled, chunk: bytes, end: Callable[[], object]) -> bytes | None:
    place = line.reached(chunk)
    if place is None:
        return chunk
    line.writer.write(chunk[:place])
    end()
    return None


def reset(line: Spoiled, chunk: bytes) -> bytes | None:
    return _then(line, chunk, line.reset)


def half_close(line: Spoiled, chunk: bytes) -> bytes | None:
    return _then(line, chunk, line.writer.write_eof)


def silence(line: Spoiled, chunk: bytes) -> bytes | None:
    return _then(line, chunk, lambda: None)


def bye(line: Spoiled, chunk: bytes) -> bytes | None:
    def leave() -> None:
        line.writer.write(b"\r\n* BYE the server is going down\r\n")
        line.writer.close()

    return _then(line, chunk, leave)


def garbage(line: Spoiled, chunk: bytes) -> bytes:
    place = line.reached(chunk)
    if place is None:
        return chunk
    return chunk[:place] + bytes(line.chance.choices(range(256), k=40)) + chunk[place:]


def cut_in_literal(line: Spoiled, chunk: bytes) -> bytes | None:
    found = re.search(rb"BODY\[\] \{\d+\}\r\n", chunk)
    if found is None:
        return chunk
    line.hit = True
    line.writer.write(chunk[: found.end() + line.chance.randrange(1, 40)])
    line.writer.close()
    return None


def _resized(line: Spoiled, chunk: bytes, by: int) -> bytes:
    words = rb"(BODY\[\] \{)(\d+)(\})"
    line.hit = line.hit or re.search(words, chunk) is not None
    return re.sub(words, lambda m: m[1] + str(max(int(m[2]) + by, 0)).encode() + m[3], chunk)


def literal_too_long(line: Spoiled, chunk: bytes) -> bytes:
    return _resized(line, chunk, line.chance.randrange(1, 200))


def literal_too_short(line: Spoiled, chunk: bytes) -> bytes:
    return _resized(line, chunk, -line.chance.randrange(1, 100))


def refused(line: Spoiled, chunk: bytes) -> None:
    line.hit = True
    line.writer.close()


FAULTS: dict[str, Spoil] = {
    spoil.__name__: spoil
    for spoil in (
        latency, one_byte, reset, half_close, silence, bye, garbage, cut_in_literal,
        literal_too_long, literal_too_short, refused,
    )
}  # fmt: skip


class Wire(Server):
    """Listens on loopback, spoils the first `times` connections as told, then is honest.

    With `contexts` it speaks TLS: the first context as long as it spoils, then the second.
    """

    def __init__(
        self,
        port: int,
        spoil: Spoil,
        *,
        times: int = 2,
        seed: int = 0,
        contexts: tuple[ssl.SSLContext, ssl.SSLContext] | None = None,
    ) -> None:
        self._to, self._spoil, self._left = port, spoil, times
        self._spoiled: list[Spoiled] = []
        self._chance, self._contexts = random.Random(seed), contexts
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def hits(self) -> int:
        """How many connections were spoiled in earnest."""
        return sum(line.hit for line in self._spoiled)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._listener.setblocking(False)
        self._loop.create_task(self._listen())
        self._loop.set_exception_handler(lambda *_: None)
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.01))
        self._listener.close()
        self._loop.close()

    async def _listen(self) -> None:
        while True:
            line, _ = await self._loop.sock_accept(self._listener)
            spoiling = self._left > 0
            self._left -= 1
            self._loop.create_task(self._serve(line, spoiling))

    async def _serve(self, line: socket.socket, spoiling: bool) -> None:
        reader, writer = await self._front(line, spoiling)
        with contextlib.suppress(OSError):
            back_reader, back_writer = await asyncio.open_connection("127.0.0.1", self._to)
            spoiled = Spoiled(writer, self._chance) if spoiling else None
            self._spoiled += [spoiled] if spoiled else []
            await asyncio.gather(
                self._pump(reader, back_writer, None),
                self._pump(back_reader, writer, spoiled),
                return_exceptions=True,
            )
            back_writer.close()
        writer.close()

    async def _front(
        self, line: socket.socket, spoiling: bool
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        context: Any = self._contexts[0 if spoiling else 1] if self._contexts else None
        transport, _ = await self._loop.connect_accepted_socket(lambda: protocol, line, ssl=context)
        return reader, asyncio.StreamWriter(transport, protocol, reader, self._loop)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: Spoiled | None
    ) -> None:
        while chunk := await reader.read(2000):
            passed = chunk if line is None else self._spoil(line, chunk)
            if passed is None:
                # The rest of what the server says goes nowhere.
                while await reader.read(2000):
                    pass
                return
            if line is not None and line.one_by_one:
                for byte in passed:
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(0.05)
            else:
                writer.write(passed)
                await writer.drain()
                await asyncio.sleep(line.pause if line is not None else 0)
        writer.close()
