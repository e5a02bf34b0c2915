#!/usr/bin/env python
"""Django's command line, with the embedded database running where none is named."""

import os
import sys

# These say what they do without a database, or start it themselves.
WITHOUT_DATABASE = {"help", "--help", "-h", "version", "--version", "serve"}


def main() -> None:
    """Run a management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kb.settings")
    from django.core.management import execute_from_command_line

    from kb import database

    if len(sys.argv) > 1 and sys.argv[1] not in WITHOUT_DATABASE:
        database.ensure()
    try:
        execute_from_command_line(sys.argv)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads along, such as head, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
