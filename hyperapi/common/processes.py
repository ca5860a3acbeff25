"""What the processes of one ``hyperapi serve`` have in common: a folder, which ends with them.

In it they count together (``middleware/counters.py``, ``middleware/metrics.py``), and learn that
the service is about to stop. A process that was started in another way has none.

They end together too. A terminal or a service manager may signal all of them at once, and do it
while some are only starting. So no process handles signals: they are held back from all threads,
and one thread waits for them. The main process obeys whoever signals, and the workers only it.
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
"""What nobody sends to all of them."""
_LOOK_EVERY = 1.0
"""Seconds after which a worker notices that its main process was killed."""


@contextmanager
def common_folder() -> Iterator[Path]:
    """The folder of this process and of those that it starts, while this lasts.

    What services left whose main process was killed is removed first.
    """
    _remove_left_folders()
    with TemporaryDirectory(prefix=_PREFIX) as folder, _locked(Path(folder)):
        os.environ[_VARIABLE] = folder
        try:
            yield Path(folder)
        finally:
            del os.environ[_VARIABLE]


@contextmanager
def _locked(place: Path) -> Iterator[None]:
    """Show that a folder is in use: its lock is held until the last process of the service ends."""
    with (place / "starting").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (place / "starting").rename(place / _LOCK)
        yield


def _remove_left_folders() -> None:
    """Remove the folders of this user's services whose processes are all gone."""
    for place in Path(gettempdir()).glob(_PREFIX + "*"):
        with suppress(OSError):  # in use, another user's, or removed meanwhile
            if place.is_symlink() or place.stat().st_uid != os.geteuid():
                continue
            with (place / _LOCK).open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(place)


def folder() -> Path | None:
    """The folder of the service that this process is part of."""
    found = os.environ.get(_VARIABLE)
    return Path(found) if found else None


def drain() -> None:
    """Tell every process that the service is about to stop."""
    place = folder()
    if place is not None:
        (place / "draining").touch()


def draining() -> bool:
    """Is the service about to stop? It serves still, but should be sent no more."""
    place = folder()
    return place is not None and (place / "draining").exists()


def import_nothing_from_working_folder() -> None:
    """Keep the working folder off the path of the processes that this one starts.

    Those that are not forked begin as ``python -c``, which looks there first: a file ``secrets.py``
    in it would stand in for the module of that name.
    """
    os.environ["PYTHONSAFEPATH"] = "1"


def hold_signals() -> None:
    """Hold back what this main process is told until it obeys (:func:`obey_signals`), so that
    nothing it makes meanwhile is left behind.

    What it starts from here on, threads and processes, holds signals back as well, from its first
    moment. To be called before there are other threads: one of them would be told instead.
    """
    if multiprocessing.get_start_method() != "fork":
        resource_tracker.ensure_running()  # it lets signals through when it has started
    signal.pthread_sigmask(signal.SIG_BLOCK, [*_STOP, _END_WORKER])


def obey_signals(stop: Callable[[int], object]) -> None:
    """Have a thread call ``stop`` with each SIGTERM and SIGINT that this main process gets, or got
    while it held them."""

    def listen() -> None:
        while True:
            stop(signal.sigwait(_STOP))

    threading.Thread(target=listen, daemon=True, name="signals").start()


def obey_main_process(stop: Callable[[], object]) -> None:
    """Have a thread call ``stop``, once, when the main process ends this worker, or is gone."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [*_STOP, _END_WORKER])
    parent = multiprocessing.parent_process()
    main = os.getppid() if parent is None else parent.pid

    def listen() -> None:
        while os.getppid() == main and not _told():
            pass
        stop()

    threading.Thread(target=listen, daemon=True, name="signals").start()


def _told() -> bool:
    """Wait for a while for the main process to say that it is over."""
    if hasattr(signal, "sigtimedwait"):
        told = signal.sigtimedwait([_END_WORKER], _LOOK_EVERY)
        # After this process was stopped and continued, Python returns a signal that never was.
        return told is not None and told.si_signo == _END_WORKER
    return bool(signal.sigwait([_END_WORKER]))  # macOS cannot look for its main process meanwhile


def end_worker(worker: int) -> None:
    """Tell a worker that it is over; it finishes what is under way."""
    with suppress(ProcessLookupError):
        os.kill(worker, _END_WORKER)


def runs(process: int) -> bool:
    """Is there such a process, of this user?"""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
