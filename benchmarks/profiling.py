"""A sampling profiler for one request: the application is called in this process.

A timer interrupts every half millisecond and records the stack. A tracing profiler would make small
functions look expensive, and hand-written timers would have to know the parts of the
application. Time inside C counts for the Python line that called it.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from io import BytesIO
from itertools import count, cycle
from pathlib import Path
from types import FrameType
from typing import Any
from wsgiref.types import WSGIApplication, WSGIEnvironment

from werkzeug.test import Client, create_environ

from benchmarks.load import Target
from benchmarks.seed import Person
from benchmarks.targets import Api, of_hyperapi
from hyperapi import Settings, create_app
from hyperapi.middleware.request_log import write_json_lines

EVERY = 0.0005
HERE = str(Path(__file__).parent)
ORIGIN = "http://127.0.0.1"


class Samples:
    """The sampled stack frames, with their counts."""

    def __init__(self) -> None:
        self.count = 0
        self.modules: Counter[str] = Counter()
        self.own: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.within: Counter[str] = Counter()

    def note(self, _: int, frame: FrameType | None) -> None:
        """Count a stack for its innermost module, for our function that is innermost and what it
        called outside, and for every function of ours on it."""
        stack = [(each, _module(each)) for each in _frames(frame)]
        if not stack:
            return
        self.count += 1
        self.modules[stack[0][1]] += 1
        ours = [place for place, (_, name) in enumerate(stack) if _is_ours(name)]
        if ours:
            innermost = _function(stack[ours[0]][0])
            self.own[innermost] += 1
            if ours[0]:
                self.calls[f"{innermost} > {_function(stack[ours[0] - 1][0])}"] += 1
            self.within.update({_function(stack[place][0]) for place in ours})


@contextmanager
def sampled(samples: Samples) -> Iterator[None]:
    previous = signal.signal(signal.SIGALRM, samples.note)
    signal.setitimer(signal.ITIMER_REAL, EVERY, EVERY)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


class InProcess(Api):
    """A client of an application in this process."""

    def __init__(self, application: WSGIApplication) -> None:
        super().__init__(f"{ORIGIN}/api/v1/")
        self.client = Client(application)

    def send(
        self, method: str, uri: str, headers: dict[str, str], body: bytes | None
    ) -> tuple[bytes, str]:
        path = uri.removeprefix(ORIGIN)
        with self.client.open(path, ORIGIN, method=method, headers=headers, data=body) as reply:
            return reply.get_data(), reply.headers.get("ETag", "")


def report(
    environment: Mapping[str, str], people: list[Person], operation: str, times: int
) -> None:
    """Print the microseconds of each part of a request, over ``times`` requests."""
    application = create_app(Settings.read(environment))
    call = _calling(application, of_hyperapi(InProcess(application), people)[operation])
    with Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere):
        write_json_lines()  # like ``hyperapi serve``: the log line is part of the cost
        for _ in range(100):
            call()
        cost = _cost(call, times)
        samples = Samples()
        with sampled(samples):
            for _ in range(times):
                call()
    each = cost / samples.count
    print(f"\n{operation}: {cost:.0f} µs of CPU for each request, {samples.count} samples\n")
    _print("in the code of", samples.modules, each, 20)
    _print("in a function of ours, with what it called outside", samples.own, each, 25)
    _print("of which in what was called outside", samples.calls, each, 25)
    _print("in a function of ours, with all below", samples.within, each, 25)


def _calling(application: WSGIApplication, targets: list[Target]) -> Callable[[], None]:
    """A function that sends the next target and reads its whole reply."""
    turn = cycle([(_environ(each), each) for each in targets])
    number = count(1)
    expected = str(targets[0].status or 2)

    def start_response(status: str, *_: Any) -> Callable[[bytes], object]:
        assert status.startswith(expected), status
        return lambda _: None

    def call() -> None:
        environ, target = next(turn)
        body = target.body.replace("{n}", str(next(number))).encode()
        sent = {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))} if body else {}
        reply = application({**environ, **sent}, start_response)
        try:
            for _ in reply:
                pass
        finally:
            if close := getattr(reply, "close", None):
                close()

    return call


def _environ(target: Target) -> WSGIEnvironment:
    headers = {"Authorization": f"Bearer {target.token}"} if target.token else {}
    if target.tag:
        headers["If-None-Match"] = target.tag
    if target.body:
        headers["Content-Type"] = "application/json"
    return create_environ(target.path, ORIGIN, method=target.method, headers=headers)


def _cost(call: Callable[[], None], times: int) -> float:
    """CPU microseconds of one call, without sampling."""
    before = time.process_time_ns()
    for _ in range(times):
        call()
    return (time.process_time_ns() - before) / 1000 / times


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    """The frames from the innermost outwards, without those of this module."""
    while frame is not None and not frame.f_code.co_filename.startswith(HERE):
        yield frame
        frame = frame.f_back


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "?"))


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == "hyperapi"


def _function(frame: FrameType) -> str:
    return f"{_module(frame)}.{frame.f_code.co_qualname}"


def _print(title: str, counted: Mapping[str, int], each: float, most: int) -> None:
    print(f"   µs  {title}")
    ranked = sorted(counted.items(), key=lambda item: -item[1])
    for name, seen in ranked[:most]:
        print(f"{seen * each:5.0f}  {name}")
    print()
