"""Finescan's front door: the first word says what to do, none opens the window."""

import os
import signal

# Until the command line can answer it, Ctrl-C ends the program without a word; ignored stays so.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
# Threads of torch that wait in a spin slow a busy machine down tenfold. Read once, at its import.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from app.cli.main import main

if __name__ == "__main__":
    main()
