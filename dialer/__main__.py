"""The `dialer` command."""

from dialer.cli.app import main

if __name__ == "__main__":
    main()
