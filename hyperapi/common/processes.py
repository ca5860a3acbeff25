"""The shared folder and the signals of the processes of one ``hyperapi serve``.

The processes count together in the folder (``middleware/counters.py``, ``middleware/metrics.py``)
and learn from it that the service drains. The folder is removed when the service ends. A process
that another program started has no such folder.

A terminal or a service manager may signal all processes at once, even while some are starting.
Therefore no process has a signal handler: every thread blocks the signals, and one thread waits
for them. The main process obeys SIGTERM and SIGINT. Workers obey the main process only.
"""

import fcntl
import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

_VARIABLE = "_HYPERAPI_FOLDER"
_PREFIX = "hyperapi-"
_LOCK = "in-use"
_STOP = (signal.SIGTERM, signal.SIGINT)
_END_WORKER = signal.SIGUSR1
"""The signal that the main process sends to one worker. No other program sends it."""
_LOOK_EVERY = 1.0
"""Seconds after which a worker notices that its main process is gone."""


@contextmanager
def common_folder() -> Iterator[Path]:
    """Create the shared folder of this process and its children for the duration of the block.

    First remove the folders of services whose main process was killed.
    """
    _remove_left_folders()
    with TemporaryDirectory(prefix=_PREFIX) as folder, _locked(Path(folder)):
        os.environ[_VARIABLE] = folder
        try:
            yield Path(folder)
        finally:
            del os.environ[_VARIABLE]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Mark a folder as used: a lock on a file in it is held until the last process ends."""
    with (path / "starting").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (path / "starting").rename(path / _LOCK)
        yield


def _remove_left_folders() -> None:
    """Remove the folders of this user's services whose processes are all gone."""
    for path in Path(gettempdir()).glob(_PREFIX + "*"):
        with suppress(OSError):  # in use, another user's, or removed meanwhile
            if path.is_symlink() or path.stat().st_uid != os.geteuid():
                continue
            with (path / _LOCK).open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path)


def folder() -> Path | None:
    """Return the shared folder of the service; None outside of ``hyperapi serve``."""
    found = os.environ.get(_VARIABLE)
    return Path(found) if found else None


def drain() -> None:
    """Mark the service as draining, for every process of it."""
    path = folder()
    if path is not None:
        (path / "draining").touch()


def draining() -> bool:
    """Return whether the service is about to stop. It still serves, but is no longer ready."""
    path = folder()
    return path is not None and (path / "draining").exists()


def import_nothing_from_working_folder() -> None:
    """Keep the working folder off the import path of child processes.

    Processes that are not forked start as ``python -c``, which searches the working folder first. A
    file ``secrets.py`` there would hide the module of the standard library.
    """
    os.environ["PYTHONSAFEPATH"] = "1"


def hold_signals() -> None:
    """Block signals in this main process until :func:`obey_signals`, so that nothing leaks.

    Threads and processes that it starts later inherit the blocked signals. Call this before other
    threads exist: the kernel would deliver the signals to them.
    """
    if multiprocessing.get_start_method() != "fork":
        resource_tracker.ensure_running()  # it unblocks signals when it starts
    signal.pthread_sigmask(signal.SIG_BLOCK, [*_STOP, _END_WORKER])


def obey_signals(stop: Callable[[int], object]) -> None:
    """Start a thread that calls ``stop`` with each SIGTERM and SIGINT of this main process.

    Signals that arrived while they were blocked count too.
    """

    def listen() -> None:
        while True:
            stop(signal.sigwait(_STOP))

    threading.Thread(target=listen, daemon=True, name="signals").start()


def obey_main_process(stop: Callable[[], object]) -> None:
    """Start a thread that calls ``stop`` once, when the main process ends this worker or dies."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [*_STOP, _END_WORKER])
    parent = multiprocessing.parent_process()
    main = os.getppid() if parent is None else parent.pid

    def listen() -> None:
        while os.getppid() == main and not _end_requested():
            pass
        stop()

    threading.Thread(target=listen, daemon=True, name="signals").start()


def _end_requested() -> bool:
    """Wait at most ``_LOOK_EVERY`` seconds for the end signal. Return whether it came."""
    if hasattr(signal, "sigtimedwait"):
        received = signal.sigtimedwait([_END_WORKER], _LOOK_EVERY)
        # After SIGSTOP and SIGCONT, Python returns a signal that was never sent.
        return received is not None and received.si_signo == _END_WORKER
    return bool(signal.sigwait([_END_WORKER]))  # macOS has no wait with a timeout


def end_worker(worker: int) -> None:
    """Ask a worker to end. It finishes its current requests first."""
    with suppress(ProcessLookupError):
        os.kill(worker, _END_WORKER)


def runs(process: int) -> bool:
    """Return whether a process with this id exists."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
