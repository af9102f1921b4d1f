"""`python -m concertmaster` is the command line."""

from concertmaster.cli import main

if __name__ == "__main__":
    main()
