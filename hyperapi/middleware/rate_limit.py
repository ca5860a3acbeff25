"""How often something may be tried, by whom (the ``limits`` library).

An attempt is counted before it is made, and taken back when it turns out well: attempts made at
the same time cannot slip past together, and whoever signs in rightly is never held up. When the
counters themselves fail, everyone is let in, and the log says so.
"""

import logging
import math
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from limits import RateLimitItem
from limits.errors import StorageError
from limits.strategies import FixedWindowRateLimiter

from hyperapi.auth.passwords import places
from hyperapi.http.context import Context
from hyperapi.http.handler import RequestHandler
from hyperapi.http.pipeline import Pipeline
from hyperapi.http.problems import CredentialsInvalid, Problem, TooManyRequests
from hyperapi.http.wsgi_response import Response
from hyperapi.middleware.counters import counts_of
from hyperapi.settings import Settings
from hyperapi.state import AppState

_MOST_COUNTED = 10_000

_log = logging.getLogger("hyperapi")


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
        self._policy = ", ".join(
            f'"{purpose}";q={limit.amount};w={limit.get_expiry()}' for limit in limits
        )

    def count(self, ctx: Context, *who: str, times: int = 1) -> tuple[int, float] | None:
        """Count an attempt by ``who``, or several, and let the reply tell how many are left.

        :returns: how many are left of the last limit, and until when; None without limits.
        :raises TooManyRequests: when it is one too many; it is then not counted.
        """
        told = None
        for number, limit in enumerate(self._limits):
            try:
                counted = self._limiter.hit(limit, self._purpose, *who, cost=times)
                left = self._limiter.get_window_stats(limit, self._purpose, *who)
            except StorageError:
                _log.exception("not limiting %s: the counters fail", self._purpose)
                return None
            seconds = max(1, math.ceil(left.reset_time - time.time()))
            self._let_tell(ctx, left.remaining + times - 1 if counted else 0, seconds)
            told = left.remaining, left.reset_time
            if not counted:
                self._take_back(self._limits[: number + 1], *who, times=times)
                raise TooManyRequests(
                    f"Try again in {seconds} seconds.", headers=[("Retry-After", str(seconds))]
                )
        return told

    def _let_tell(self, ctx: Context, left: int, seconds: int) -> None:
        """Let the reply tell what is left, unless there is less of what else it counts for."""
        nearest = (left, -seconds)
        if ctx.rate_limit is None or nearest < ctx.rate_limit[0]:
            ctx.rate_limit = nearest, self._policy, f'"{self._purpose}";r={left};t={seconds}'

    @contextmanager
    def trying(self, ctx: Context, mistake: type[Problem], *who: str) -> Iterator[None]:
        """Count what is tried by ``who``, and forget it unless it ends in this mistake.

        :raises TooManyRequests: when there were too many.
        """
        self.count(ctx, *who)
        failed = False
        try:
            yield
        except mistake:
            failed = True
            raise
        finally:
            if not failed:
                self._take_back(self._limits, *who)

    def _take_back(self, limits: Sequence[RateLimitItem], *who: str, times: int = 1) -> None:
        storage = self._limiter.storage
        for limit in limits:
            key = limit.key_for(self._purpose, *who)
            try:
                if storage.get(key) > 0:
                    storage.incr(key, limit.get_expiry(), amount=-times)
            except StorageError:
                _log.exception("not limiting %s: the counters fail", self._purpose)


class Spending(Attempts):
    """Counts what happens all the time, and may: not each time with the counters.

    In between, this process counts for itself: one limit is kept to within a hundredth for each
    process, and most requests cost no visit to the counters.
    """

    def __init__(
        self, limiter: FixedWindowRateLimiter, purpose: str, limits: Sequence[RateLimitItem]
    ) -> None:
        super().__init__(limiter, purpose, limits)
        self._in_advance = limits[0].amount // 100 if len(limits) == 1 else 0
        self._counted: dict[str, _Counted] = {}

    def spend(self, ctx: Context, who: str) -> None:
        """Count one more of ``who``'s.

        :raises TooManyRequests: when it is one too many.
        """
        counted = self._counted.get(who)
        moment = time.time()
        if counted is None or not counted.in_advance or moment >= counted.until:
            self._visit(ctx, who)
            return
        counted.in_advance -= 1
        left = counted.left + counted.in_advance
        self._let_tell(ctx, left, math.ceil(counted.until - moment))

    def _visit(self, ctx: Context, who: str) -> None:
        if len(self._counted) >= _MOST_COUNTED:
            self._counted.clear()
        self._counted.pop(who, None)
        found = self.count(ctx, who, times=1 + self._in_advance)
        if found is not None:
            left, until = found
            self._counted[who] = _Counted(left, self._in_advance, until)


@dataclass(slots=True)
class _Counted:
    """What is left with the counters, and what was paid for in advance."""

    left: int
    in_advance: int
    until: float


class Together:
    """Bounds what one address does at once, so that it cannot take every place in a queue."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._under_way: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def one(self, address: str) -> Iterator[None]:
        """Do one thing more.

        :raises TooManyRequests: when the address has too much under way.
        """
        with self._lock:
            if self._under_way[address] >= self._most:
                raise TooManyRequests(
                    "Wait for the requests under way to end, and try again in a second.",
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
    """All that is limited."""

    def __init__(self, settings: Settings) -> None:
        limiter = FixedWindowRateLimiter(counts_of(settings))
        self.requests = Spending(limiter, "requests", settings.request_limit)
        self.hashing = Together(places(settings) * 2 // 3)
        self.sign_in = Attempts(limiter, "sign-in", settings.sign_in_limit)
        self.sign_in_address = Attempts(limiter, "sign-in-address", settings.sign_in_address_limit)
        self.register = Attempts(limiter, "register", settings.register_limit)


def init_app(handler: RequestHandler, state: AppState) -> None:
    """Count the requests of each session, and say in each reply how many are left."""
    limits = state.add(Limits(state.settings))
    state[Pipeline].on_token.append(lambda ctx, claims: limits.requests.spend(ctx, claims.session))
    handler.after.append(_tell)


def _tell(ctx: Context, response: Response) -> Response:
    """Say how many attempts are left, in the header fields that the IETF's draft names.

    Not with 404, which says the same each time, whatever is or is not there.
    """
    if ctx.rate_limit is not None and response.status != 404:
        _, policy, left = ctx.rate_limit
        response.add(("RateLimit-Policy", policy), ("RateLimit", left))
    return response


@contextmanager
def sign_in_attempt(ctx: Context, name: str) -> Iterator[None]:
    """Count a try of ``name``'s password from this address, unless it turns out well.

    The name is counted together with the address, so that nobody elsewhere can be locked out.

    :raises TooManyRequests: when there were too many.
    """
    address = client_address(ctx)
    with (
        ctx.state[Limits].sign_in_address.trying(ctx, CredentialsInvalid, address),
        ctx.state[Limits].sign_in.trying(ctx, CredentialsInvalid, name, address),
    ):
        yield


@contextmanager
def hashing(ctx: Context) -> Iterator[str]:
    """Work on passwords, not too many of one address's at once, and leave the request's turn to
    others meanwhile.

    :returns: the address, by which those who hash take turns.
    :raises TooManyRequests: when there are too many.
    """
    address = client_address(ctx)
    with ctx.state[Limits].hashing.one(address), ctx.slot.released():
        yield address


def client_address(ctx: Context) -> str:
    """Where the request comes from, as far as proxies are trusted to tell.

    Of IPv6 it is the network of 64 bits, all of which is one subscriber's to choose from.
    """
    told: str = ctx.environ.get("REMOTE_ADDR") or ""
    if with_port := _WITH_PORT.fullmatch(told):
        told = with_port["v4"] or with_port["v6"]
    try:
        address = ip_address(told)
    except ValueError:
        return told
    if isinstance(address, IPv4Address):
        return told
    return str(address.ipv4_mapped or IPv6Address(int(address) >> 64 << 64))


_WITH_PORT = re.compile(r"(?P<v4>[0-9.]+):[0-9]+|\[(?P<v6>[0-9A-Fa-f:.]+)\](:[0-9]+)?")
"""An address as some proxies write it, with the port that a client has by chance."""
