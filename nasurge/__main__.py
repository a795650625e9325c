"""``python -m nasurge``."""

from .cli import main

if __name__ == "__main__":
    main()
