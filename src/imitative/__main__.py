"""`python -m imitative`: the command line."""

from __future__ import annotations

from imitative.cli import main

if __name__ == "__main__":
    main()
