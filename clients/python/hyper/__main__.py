"""``python -m hyper`` is ``hyper``."""

from hyper import main

main()
