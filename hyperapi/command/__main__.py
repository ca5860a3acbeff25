"""``python -m hyperapi.command`` is ``hyper``."""

from hyperapi.command import main

main()
