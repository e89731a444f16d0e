"""The `dialer` command."""

import sys


def main() -> None:
    """Runs it. Ctrl-C ends it with a line, also while it is still being imported."""
    try:
        from dialer.cli.app import main as command

        command()
    except KeyboardInterrupt:
        sys.stderr.write("dialer: broken off\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
