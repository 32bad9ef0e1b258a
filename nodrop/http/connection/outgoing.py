"""The way out: an answer is sent as fast as its client takes it, and what a slow one leaves is kept for the loop.

Nothing here waits for a client but `sendall`, and that only when an answer is larger than what may be kept.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING

from nodrop.http.connection.spool import Budget, BudgetExceeded, Spool

if TYPE_CHECKING:
    from nodrop.http.connection.connection import Connection
    from nodrop.http.connection.loop_services import LoopServices

PIECE_BYTES = 64 * 1024
PATIENCE_SECONDS = 0.01
"""What a thread waits for a client in all, in one answer, before it leaves the rest to the loop. Enough for any client
that is not slow, and so little that a hundred slow ones can't hold the threads for long."""
TELL_SECONDS = 0.1
"""How often the health check is told of progress. STALL_TIMEOUT is whole seconds."""
FAST_BYTES_A_SECOND = 50_000_000
FILE_SECONDS = 2.0
"""A client that takes a file at this rate, or faster, keeps a thread for so long; then the loop sends the rest."""
FILE_SLICE_BYTES = 16 * 1024 * 1024
"""Bytes of a file after which a thread looks for the first time how fast its client is."""
FILE_SLICE_SECONDS = 0.25
MOST_FILE_SLICE_BYTES = 64 * 1024 * 1024
"""Then it looks as often as it takes the client so long, but for so much at most. Where CPU time is short, each look
may cost the thread its turn."""
MAX_FLUSH = 1024 * 1024
"""Bytes that the loop sends to one client before it looks after the others."""
MAX_PIECE = 256 * 1024
"""Bytes that are written to a file at once, for which the loop may have to wait."""
MAX_BEHIND = 16 * 1024 * 1024
"""Bytes of one answer that may wait for a slow client; then the thread that makes more of it has to wait too."""


_CAN_NOT_SEND_FILES = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSOCK)


class ClientGone(ConnectionError):
    """The client has closed the connection, or was cut off."""


class Outgoing:
    """What is sent on a connection. A thread calls `begin_answer` and `sendall`, the loop the rest."""

    def __init__(
        self, connection: Connection, sock: socket.socket, answers: Budget, services: LoopServices, write_seconds: float
    ) -> None:
        """answers: room for what is kept. write_seconds: how long a client may take nothing, where nothing is kept."""
        self.broken = False
        """Nothing can be sent any more."""
        self.began = 0.0
        """When the first of the answer was sent that a thread is making, by time.monotonic(); 0 before."""
        self.is_event_stream = False
        """The answer is one, by its type: it goes on for long."""
        self._connection = connection
        self._services = services
        self._sock = sock
        self._write_seconds = write_seconds
        self.file_sent = 0
        """Bytes of the answer's file that were sent."""
        self.held = b""
        """The last of an answer, which the loop sends in a moment. It comes before what is kept."""
        self._kept = Spool(answers)
        self.has_rest = False
        """Something waits for the client: `behind` is not 0. Asked several times a request, so it is kept."""
        self._file: tuple[int, int, int] | None = None
        """Descriptor, offset and size of what is left of the answer's file. It comes after what is kept."""
        self._most_behind = min(MAX_BEHIND, answers.limit // 2)
        # Whoever holds it takes no other lock: the loop's is taken first.
        self._sending = threading.Condition()
        self._flushed = 0
        """How often the loop has sent something."""
        self._patience = PATIENCE_SECONDS
        self._told = 0.0
        """When the health check was last told of progress, by time.monotonic()."""

    @property
    def behind(self) -> int:
        """Bytes that wait for the client."""
        file = self._file
        return len(self.held) + len(self._kept) + (file[2] if file else 0)

    def _note_rest(self) -> None:
        self.has_rest = bool(self.behind)

    @property
    def occupied(self) -> int:
        """Bytes of room that are taken up by what waits for the client."""
        return self._kept.occupied

    # --- Threads -----------------------------------------------------------------------------------------------------

    def begin_answer(self, now: float) -> None:
        """An answer is about to be sent by a thread. now: by time.monotonic()."""
        self._patience = PATIENCE_SECONDS
        self.file_sent = 0
        self.began = 0.0
        self._told = now
        self.is_event_stream = False

    def send_file(self, file: int, offset: int, size: int) -> bool:
        """Have the kernel send a part of a file, the last of an answer; whether all of it was sent.

        Else the loop sends the rest, and the file has to stay open. Raises ClientGone; OSError if the kernel can't.
        """
        if not self.has_rest:
            sent = self._send_file_now(file, offset, size)
            offset, size = offset + sent, size - sent
        self._services.progressed(self._connection)
        if size:
            with self._sending:
                self._check()
                self._file = file, offset, size
                self._note_rest()
            self._services.send_rest(self._connection)
        return not size

    def _send_file_now(self, file: int, offset: int, size: int) -> int:
        """Send for as long as the client is fast: how many bytes. Raises as `_send_from` does."""
        began = time.monotonic()
        left, piece = size, FILE_SLICE_BYTES
        # The kernel waits for a fast client at half of what poll() costs.
        self._block(PATIENCE_SECONDS)
        try:
            while left and (sent := self._send_from(file, offset + size - left, min(left, piece))):
                left -= sent
                took = time.monotonic() - began
                if took > FILE_SECONDS or (took > PATIENCE_SECONDS and size - left < took * FAST_BYTES_A_SECOND):
                    break
                at_this_rate = int((size - left) / max(took, 1e-6) * FILE_SLICE_SECONDS)
                piece = min(max(at_this_rate, FILE_SLICE_BYTES), MOST_FILE_SLICE_BYTES)
        finally:
            self._block(0)
        return size - left

    def _block(self, seconds: float) -> None:
        """Have the kernel wait so long for room in a send without MSG_DONTWAIT; 0 for not at all."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, int(seconds * 1e6)))
        os.set_blocking(self._sock.fileno(), seconds > 0)

    def _send_from(self, file: int, offset: int, size: int) -> int:
        """Send what the client takes at once of a file. Raises ClientGone, or OSError if none of it can be sent so."""
        self._check()
        try:
            sent = os.sendfile(self._sock.fileno(), file, offset, size)
        except BlockingIOError:
            return 0
        except OSError as error:
            if error.errno in _CAN_NOT_SEND_FILES and not self.file_sent:
                raise
            raise ClientGone(str(error)) from error
        if not sent:
            raise ClientGone("the file has become shorter while it was sent")
        self.file_sent += sent
        return sent

    def sendall(self, data: bytes) -> None:
        """Send `data`, or leave it to the loop. Raises ClientGone."""
        now = time.monotonic()
        if not self.began:
            self.began = now
        if now - self._told > TELL_SECONDS:
            self._told = now
            self._services.progressed(self._connection)
        # The loop sends only what was left to it, so that the two never send at once.
        sent = 0 if self.has_rest else self._send(data)
        if sent < len(data):
            view = memoryview(data)[sent:]
            if not self.has_rest:
                view = self._send_now(view)
            if view:
                self._leave_to_loop(view)

    def hold(self, data: bytes, now: float) -> bool:
        """Have the loop send `data`, the last of an answer, in a moment; False if it can't wait. now: the time."""
        with self._sending:
            if self.has_rest or self.broken:
                return False
            self.held, self.has_rest = data, True
            if not self.began:
                self.began = now
        return True

    def _send_now(self, view: memoryview) -> memoryview:
        """Send until patience with the client, which takes nothing at the moment, is used up; what is left."""
        while view and self._patience > 0:
            began = time.monotonic()
            _wait_writable(self._sock, self._patience)
            self._patience -= time.monotonic() - began
            view = view[self._send(view) :]
        return view

    def _leave_to_loop(self, view: memoryview) -> None:
        """Keep `view` for the loop, waiting for room as long as the client is not cut off."""
        while view:
            kept, broken_disk = self._keep(view)
            view = view[kept:]
            self._services.progressed(self._connection)
            if broken_disk:
                self._send_waiting(view)
                return
        self._services.send_rest(self._connection)

    def _keep(self, view: memoryview) -> tuple[int, bool]:
        """Keep what there is room for, or wait a little for room: how many bytes, and whether the disk fails."""
        kept, lacking = 0, 0
        with self._sending:
            self._check()
            room = max(0, self._most_behind - self._kept.occupied)
            piece = view[: min(room, MAX_PIECE)]
            try:
                self._kept.append(piece)
                kept = len(piece)
                self._note_rest()
            except BudgetExceeded:
                # One that has something kept waits for its own client.
                lacking = 0 if self.has_rest else len(piece)
            except OSError:
                if not self.has_rest:
                    return 0, True
            flushed = self._flushed
        if not kept:
            if lacking:
                self._services.make_room(self._connection, lacking)
            self._services.send_rest(self._connection)
            self._wait_for_flush(flushed)
        return kept, False

    def _wait_for_flush(self, flushed: int) -> None:
        with self._sending:
            if self._flushed == flushed and not self.broken:
                # Without anything for the loop to send, nobody would wake this thread.
                self._sending.wait(1 if self.has_rest else 0.05)

    def _send_waiting(self, view: memoryview) -> None:
        """Send and hold the thread for as long as that takes, since nothing can be kept."""
        deadline = time.monotonic() + self._write_seconds
        while view:
            if sent := self._send(view):
                view = view[sent:]
                deadline = time.monotonic() + self._write_seconds
            elif time.monotonic() > deadline:
                raise ClientGone("the client takes nothing")
            else:
                _wait_writable(self._sock, 1)
            self._services.progressed(self._connection)

    def _send(self, view: memoryview | bytes) -> int:
        """Send what the client takes at once; how many bytes. Raises ClientGone."""
        self._check()
        try:
            # Whatever an application that has taken the socket over has made of it.
            return self._sock.send(view, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise ClientGone(str(error)) from error

    def _check(self) -> None:
        if self.broken:
            raise ClientGone("the client is gone")

    # --- The loop ----------------------------------------------------------------------------------------------------

    def queue(self, data: bytes) -> None:
        """Keep `data`, which is small, to be flushed."""
        with self._sending:
            self._kept.append(data)
            self._note_rest()

    def flush(self) -> int:
        """Send what the client takes now; how many bytes. Raises ClientGone."""
        with self._sending:
            sent = 0
            if self.held:
                sent = self._send(self.held)
                self.held = self.held[sent:]
            if not self.held:
                sent += self._flush_kept()
            self._note_rest()
            if sent:
                self._flushed += 1
                self._sending.notify_all()
        return sent

    def _flush_kept(self) -> int:
        sent = 0
        while data := self._kept.peek(PIECE_BYTES):
            taken = self._send(data)
            self._kept.skip(taken)
            sent += taken
            # A fast client must not keep all others waiting while it takes a large answer.
            if taken < len(data) or sent >= MAX_FLUSH:
                return sent
        return sent + self._flush_file()

    def _flush_file(self) -> int:
        if not self._file:
            return 0
        file, offset, size = self._file
        try:
            sent = self._send_from(file, offset, min(size, MAX_FLUSH))
        except ClientGone:
            raise
        except OSError as error:
            raise ClientGone(str(error)) from error
        self._file = (file, offset + sent, size - sent) if size > sent else None
        return sent

    def abort(self) -> None:
        """Drop what is kept; the thread that is sending gets ClientGone."""
        with self._sending:
            if self.held and not self.broken:
                # A whole answer, which would be with the client by now.
                with contextlib.suppress(ClientGone):
                    self._send(self.held)
            self.broken = True
            # The room is needed now, and the thread may take its time.
            self.clear()
            self._sending.notify_all()

    def clear(self) -> None:
        """Drop what is kept. Not while a thread has the connection."""
        self.held = b""
        self._kept.clear()
        self._file = None
        self.has_rest = False


def _wait_writable(sock: socket.socket, seconds: float) -> None:
    if not hasattr(select, "poll"):
        # The application has had it replaced by eventlet, whose select() takes any descriptor.
        select.select([], [sock], [], seconds)
        return
    # poll(), since select() can't take descriptors from 1024 on.
    poller = select.poll()
    poller.register(sock, select.POLLOUT)
    poller.poll(seconds * 1000)
