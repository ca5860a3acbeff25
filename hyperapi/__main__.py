"""``python -m hyperapi``: the command, where its script is not on the path."""

from hyperapi.cli import main

main()
