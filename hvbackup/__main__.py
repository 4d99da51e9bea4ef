"""`python -m hvbackup`."""

from hvbackup.cli.main import main

if __name__ == "__main__":
    main()
