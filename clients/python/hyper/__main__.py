"""Run ``hyper`` as ``python -m hyper``."""

from hyper import main

main()
