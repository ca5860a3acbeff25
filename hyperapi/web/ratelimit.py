"""How often something may be tried, by whom (the ``limits`` library, in this process's memory).

An attempt is counted before it is made, and taken back when it turns out well: attempts made at
the same time cannot slip past together, and whoever signs in rightly is never held up.
"""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from flask import Flask, current_app, request
from limits import RateLimitItem
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from hyperapi.settings import Settings
from hyperapi.web.problems import CredentialsInvalid, TooManyRequests


class Attempts:
    """Counts attempts of one kind.

    :param purpose: what is attempted; keeps counts of different kinds apart.
    :param limits: how many in how long; empty is no limit.
    """

    def __init__(
        self, limiter: FixedWindowRateLimiter, purpose: str, limits: Sequence[RateLimitItem]
    ) -> None:
        self._limiter = limiter
        self._purpose = purpose
        self._limits = limits

    def count(self, *who: str) -> None:
        """Count an attempt by ``who``.

        :raises TooManyRequests: when it is one too many; it is then not counted.
        """
        for number, limit in enumerate(self._limits):
            if not self._limiter.hit(limit, self._purpose, *who):
                self._take_back(self._limits[:number], *who)
                window = self._limiter.get_window_stats(limit, self._purpose, *who)
                seconds = max(1, math.ceil(window.reset_time - time.time()))
                raise TooManyRequests(
                    f"Try again in {seconds} seconds.", headers=[("Retry-After", str(seconds))]
                )

    def take_back(self, *who: str) -> None:
        """Forget an attempt that turned out well."""
        self._take_back(self._limits, *who)

    def _take_back(self, limits: Sequence[RateLimitItem], *who: str) -> None:
        storage = self._limiter.storage
        for limit in limits:
            key = limit.key_for(self._purpose, *who)
            if storage.get(key) > 0:
                storage.incr(key, limit.get_expiry(), amount=-1)


class Limits:
    """All that is limited."""

    def __init__(self, settings: Settings) -> None:
        limiter = FixedWindowRateLimiter(MemoryStorage())
        self.sign_in = Attempts(limiter, "sign-in", settings.sign_in_limit)
        self.sign_in_address = Attempts(limiter, "sign-in-address", settings.sign_in_address_limit)
        self.register = Attempts(limiter, "register", settings.register_limit)


def init_app(app: Flask, settings: Settings) -> None:
    """Give ``app`` its counters."""
    app.extensions["hyperapi.limits"] = Limits(settings)


def limits() -> Limits:
    """The application's counters."""
    found: Limits = current_app.extensions["hyperapi.limits"]
    return found


@contextmanager
def sign_in_attempt(name: str) -> Iterator[None]:
    """Count a try of ``name``'s password from this address, unless it turns out well.

    The name is counted together with the address, so that nobody elsewhere can be locked out.

    :raises TooManyRequests: when there were too many.
    """
    address = client_address()
    limits().sign_in_address.count(address)
    try:
        limits().sign_in.count(name, address)
    except TooManyRequests:
        limits().sign_in_address.take_back(address)
        raise
    wrong = False
    try:
        yield
    except CredentialsInvalid:
        wrong = True
        raise
    finally:
        if not wrong:
            limits().sign_in.take_back(name, address)
            limits().sign_in_address.take_back(address)


def client_address() -> str:
    """Where the request comes from, as far as proxies are trusted to tell."""
    return request.remote_addr or ""
