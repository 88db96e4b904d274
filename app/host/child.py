"""The engine's process: where it begins, what it logs, and how it ends."""

import logging
import os
import signal
import socket
import threading
from importlib import import_module
from logging.handlers import QueueHandler
from queue import SimpleQueue
from typing import Any

from app.crash import crash_folder
from app.hard_crash import traced
from app.host.desk import Desk
from app.host.wire import Gone, receive, send
from app.host.words import Bye, Logged
from ui.ports import StudioPort

# The window's thread goes first wherever there are fewer cores than threads.
NICENESS = 5
# Whoever has not ended by then is left to the system.
END_S = 15.0

log = logging.getLogger(__name__)


def main(way: socket.socket, factory: str) -> None:
    """Serve the window until it says goodbye or is gone; the factory is named "module:callable".

    Never returns: threads that hang in a driver cannot keep the process alive.
    """
    # Ctrl-C in a terminal reaches both processes; the window decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    inbox: SimpleQueue[Any] = SimpleQueue()
    logging.getLogger().addHandler(_ToWindow(inbox))
    logging.getLogger().setLevel(logging.INFO)
    threading.Thread(target=_listen, args=(way, inbox), name="listen", daemon=True).start()
    code = 1
    try:
        with traced(crash_folder()):
            module, name = factory.split(":")
            studio: StudioPort = getattr(import_module(module), name)()
            Desk(way, inbox, studio).serve()
        code = 0
    except Gone:
        code = 0
    except BaseException:
        log.critical("The engine failed.", exc_info=True)
        while not inbox.empty():
            message = inbox.get()
            if isinstance(message, Logged):
                send(way, message)
        raise
    finally:
        os._exit(code)


class _ToWindow(QueueHandler):
    """Puts lines of the log among what comes in, as something to send."""

    def __init__(self, inbox: "SimpleQueue[Any]") -> None:
        super().__init__(inbox)
        self._inbox = inbox

    def enqueue(self, record: logging.LogRecord) -> None:
        self._inbox.put(Logged(record))


def _listen(way: socket.socket, inbox: "SimpleQueue[Any]") -> None:
    message = None
    while not isinstance(message, Bye):
        try:
            message = receive(way)
        except Gone:
            message = Bye()
        inbox.put(message)
    # Ending may wait for a thread that hangs. Nobody is left to end this process then.
    timer = threading.Timer(END_S, os._exit, (0,))
    timer.daemon = True
    timer.start()
