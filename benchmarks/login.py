"""``python -m benchmarks.login``: compare the times of sign-ins refused for different reasons.

The service is called in this process, with the default hashing and without limits. Each round tries
each kind once, in random order, so that a slow minute of the machine affects all of them. The
medians of all rounds are compared.
"""

import argparse
import random
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import median, quantiles

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from hyperapi import Settings, create_app
from hyperapi.storage import migrations
from hyperapi.storage.database import database
from hyperapi.storage.models import User

TRIES = 200
AIM = 0.05
PASSWORD = "correct horse battery staple"
UNKNOWN, WRONG, DISABLED = "unknown name", "wrong password", "disabled user, right password"
WAYS = {
    UNKNOWN: {"username": "nobody", "password": PASSWORD},
    WRONG: {"username": "alice", "password": "wrong horse battery staple"},
    DISABLED: {"username": "dave", "password": PASSWORD},
}

Times = dict[str, list[float]]
"""Seconds of each attempt, by the reason of the refusal."""


def main() -> None:
    """Measure, print a table for ``login.md``, and fail when the medians differ too much."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=_Raw)
    options.add_argument("--tries", type=int, default=TRIES, help="in each way (%(default)s)")
    tries = options.parse_args().tries
    with tempfile.TemporaryDirectory(prefix="hyperapi-login-") as folder:
        app = made(Path(folder))
        times = measured(app.test_client(), tries)
        with app.app_context():
            database.engine.dispose()
    print("| refused for | median, ms | middle half, ms | to a wrong password |")
    print("|---|---:|---:|---:|")
    for way, seconds in times.items():
        low, middle, high = (each * 1000 for each in quantiles(seconds, n=4))
        ratio = median(seconds) / median(times[WRONG])
        print(f"| {way} | {middle:.2f} | {low:.2f} to {high:.2f} | {ratio - 1:+.1%} |")
    if spread(times) > AIM:
        sys.exit(f"the medians differ by {spread(times):.1%}, and {AIM:.0%} is the aim")


class _Raw(argparse.RawDescriptionHelpFormatter):
    pass


def made(folder: Path) -> Flask:
    """A service with the user Alice and the disabled user Dave."""
    url = f"sqlite:///{folder}/hyperapi.db"
    migrations.upgrade(url)
    off = dict.fromkeys(("SIGN_IN_LIMIT", "SIGN_IN_ADDRESS_LIMIT", "REGISTER_LIMIT"), "")
    chosen = {"INSTANCE": str(folder), "DATABASE_URL": url, **off}
    app = create_app(Settings.read({f"HYPERAPI_{name}": value for name, value in chosen.items()}))
    for name in ("alice", "dave"):
        app.test_client().post("/api/v1/users", json={"username": name, "password": PASSWORD})
    with app.app_context(), database.engine.begin() as connection:
        connection.execute(update(User).where(User.username == "dave").values(disabled=True))
    return app


def measured(client: FlaskClient, tries: int) -> Times:
    """The times of so many refusals of each kind, in random order."""
    times: Times = defaultdict(list)
    for number in range(tries + 5):
        for way in random.sample(list(WAYS), len(WAYS)):
            start = time.perf_counter()
            reply = client.post("/api/v1/tokens", json=WAYS[way])
            seconds = time.perf_counter() - start
            assert reply.status_code == 401, reply.text
            if number >= 5:  # the first attempts warm up
                times[way].append(seconds)
    return {way: times[way] for way in WAYS}


def spread(times: Times) -> float:
    """The difference between the medians, as a fraction of the smallest."""
    medians = [median(seconds) for seconds in times.values()]
    return max(medians) / min(medians) - 1


if __name__ == "__main__":
    main()
