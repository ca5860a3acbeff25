"""``python -m hyperapi``: the command, where its script is not on the path."""

from hyperapi.cli import main

if __name__ == "__main__":
    main()
