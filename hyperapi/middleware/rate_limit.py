"""Rate limits (the ``limits`` library).

An attempt is counted before it is made, and uncounted when it succeeds. Simultaneous attempts
therefore cannot exceed a limit, and successful sign-ins never count. When the counters fail,
requests are let through, and the log says so.
"""

import logging
import math
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from limits import RateLimitItem
from limits.errors import StorageError
from limits.strategies import FixedWindowRateLimiter

from hyperapi.auth.passwords import hashing_capacity
from hyperapi.http.client_network import client_address
from hyperapi.http.context import Context
from hyperapi.http.handler import RequestHandler
from hyperapi.http.pipeline import Pipeline
from hyperapi.http.principal import Claims
from hyperapi.http.problems import CredentialsInvalid, Problem, TooManyRequests
from hyperapi.http.wsgi_response import Response
from hyperapi.middleware.counters import counter_storage
from hyperapi.settings import Settings
from hyperapi.state import AppState

_MOST_COUNTED = 10_000

_log = logging.getLogger("hyperapi")


class Attempts:
    """A rate limit for attempts of one kind.

    :param purpose: the name of the kind, which separates its counters.
    :param limits: the limits; empty for none.
    """

    def __init__(
        self, limiter: FixedWindowRateLimiter, purpose: str, limits: Sequence[RateLimitItem]
    ) -> None:
        self._limiter = limiter
        self._purpose = purpose
        self._limits = limits
        self._policy = ", ".join(
            f'"{purpose}";q={limit.amount};w={limit.get_expiry()}' for limit in limits
        )

    def count(self, ctx: Context, *who: str, times: int = 1) -> tuple[int, float] | None:
        """Count attempts of ``who``, and set the RateLimit headers of the reply.

        :returns: the remaining attempts of the last limit and the end of its window; None without
            limits.
        :raises TooManyRequests: when a limit is exceeded. The attempt is then not counted.
        """
        remaining = None
        for number, limit in enumerate(self._limits):
            try:
                counted = self._limiter.hit(limit, self._purpose, *who, cost=times)
                left = self._limiter.get_window_stats(limit, self._purpose, *who)
            except StorageError:
                _log.exception("rate limit %s skipped: the counters failed", self._purpose)
                return None
            seconds = max(1, math.ceil(left.reset_time - time.time()))
            self._set_headers(ctx, left.remaining + times - 1 if counted else 0, seconds)
            remaining = left.remaining, left.reset_time
            if not counted:
                self._uncount(self._limits[: number + 1], *who, times=times)
                raise TooManyRequests(
                    f"Try again in {seconds} seconds.", headers=[("Retry-After", str(seconds))]
                )
        return remaining

    def _set_headers(self, ctx: Context, left: int, seconds: int) -> None:
        """Set the RateLimit headers, unless another limit has less left."""
        nearest = (left, -seconds)
        if ctx.rate_limit is None or nearest < ctx.rate_limit[0]:
            ctx.rate_limit = nearest, self._policy, f'"{self._purpose}";r={left};t={seconds}'

    @contextmanager
    def count_failures(self, ctx: Context, failure: type[Problem], *who: str) -> Iterator[None]:
        """Count an attempt of ``who`` during the block. Uncount it unless ``failure`` is raised.

        :raises TooManyRequests: when a limit is exceeded.
        """
        self.count(ctx, *who)
        failed = False
        try:
            yield
        except failure:
            failed = True
            raise
        finally:
            if not failed:
                self._uncount(self._limits, *who)

    def _uncount(self, limits: Sequence[RateLimitItem], *who: str, times: int = 1) -> None:
        storage = self._limiter.storage
        for limit in limits:
            key = limit.key_for(self._purpose, *who)
            try:
                if storage.get(key) > 0:
                    storage.incr(key, limit.get_expiry(), amount=-times)
            except StorageError:
                _log.exception("rate limit %s skipped: the counters failed", self._purpose)


class PrepaidAttempts(Attempts):
    """A rate limit for frequent, permitted requests, with few accesses to the counters.

    The process counts a hundredth of the limit in advance and uses it up by itself. The limit is
    therefore exact to a hundredth per process, and most requests do not access the counters.
    """

    def __init__(
        self, limiter: FixedWindowRateLimiter, purpose: str, limits: Sequence[RateLimitItem]
    ) -> None:
        super().__init__(limiter, purpose, limits)
        self._in_advance = limits[0].amount // 100 if len(limits) == 1 else 0
        self._counted: dict[str, _Prepaid] = {}

    def count_request(self, ctx: Context, claims: Claims) -> None:
        """Count one request of a session.

        :raises TooManyRequests: when the limit is exceeded.
        """
        who = claims.session
        counted = self._counted.get(who)
        moment = time.time()
        if counted is None or not counted.in_advance or moment >= counted.until:
            self._count_in_advance(ctx, who)
            return
        counted.in_advance -= 1
        left = counted.left + counted.in_advance
        self._set_headers(ctx, left, math.ceil(counted.until - moment))

    def _count_in_advance(self, ctx: Context, who: str) -> None:
        if len(self._counted) >= _MOST_COUNTED:
            self._counted.clear()
        self._counted.pop(who, None)
        found = self.count(ctx, who, times=1 + self._in_advance)
        if found is not None:
            left, until = found
            self._counted[who] = _Prepaid(left, self._in_advance, until)


@dataclass(slots=True)
class _Prepaid:
    """The remaining count in the counters, and the requests counted in advance."""

    left: int
    in_advance: int
    until: float


class ConcurrentWork:
    """A limit on simultaneous work per client address, so that none can fill a queue."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._under_way: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def slot(self, address: str) -> Iterator[None]:
        """Count one more piece of work during the block.

        :raises TooManyRequests: when the address has too much work in progress.
        """
        with self._lock:
            if self._under_way[address] >= self._most:
                raise TooManyRequests(
                    "Wait until your other requests have ended, and try again in a second.",
                    headers=[("Retry-After", "1")],
                )
            self._under_way[address] += 1
        try:
            yield
        finally:
            with self._lock:
                self._under_way[address] -= 1
                if not self._under_way[address]:
                    del self._under_way[address]


class Limits:
    """The rate limits of an application."""

    def __init__(self, settings: Settings) -> None:
        limiter = FixedWindowRateLimiter(counter_storage(settings))
        self.requests = PrepaidAttempts(limiter, "requests", settings.request_limit)
        self.hashing = ConcurrentWork(hashing_capacity(settings) * 2 // 3)
        self.sign_in = Attempts(limiter, "sign-in", settings.sign_in_limit)
        self.sign_in_address = Attempts(limiter, "sign-in-address", settings.sign_in_address_limit)
        self.register = Attempts(limiter, "register", settings.register_limit)


def init_app(handler: RequestHandler, state: AppState) -> None:
    """Count the requests of each session, and add the RateLimit headers to replies."""
    state[Pipeline].on_token.append(_count_request)
    handler.after.append(_add_headers)


def _count_request(ctx: Context, claims: Claims) -> None:
    ctx.state[Limits].requests.count_request(ctx, claims)


def _add_headers(ctx: Context, response: Response) -> Response:
    """Add the RateLimit headers of the IETF draft.

    A 404 has none, because it must be the same whether a resource exists or not.
    """
    if ctx.rate_limit is not None and response.status != 404:
        _, policy, left = ctx.rate_limit
        response.add(("RateLimit-Policy", policy), ("RateLimit", left))
    return response


@contextmanager
def sign_in_attempt(ctx: Context, name: str) -> Iterator[None]:
    """Count a failed sign-in with ``name`` from the client's address.

    Name and address are counted together, so that another address cannot lock a user out.

    :raises TooManyRequests: when the limit is exceeded.
    """
    address = client_address(ctx)
    with (
        ctx.state[Limits].sign_in_address.count_failures(ctx, CredentialsInvalid, address),
        ctx.state[Limits].sign_in.count_failures(ctx, CredentialsInvalid, name, address),
    ):
        yield


@contextmanager
def hashing(ctx: Context) -> Iterator[str]:
    """Limit the simultaneous hashes of the client's address, and release the request's slot.

    :returns: the address, which the hashing queue counts the hash for.
    :raises TooManyRequests: when the address has too many hashes in progress.
    """
    address = client_address(ctx)
    with ctx.state[Limits].hashing.slot(address), ctx.waiting():
        yield address
