"""``python -m omnizip_cost`` is ``omnizip-cost``."""

from omnizip_cost.cli import main

if __name__ == "__main__":
    main()
