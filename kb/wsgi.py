"""The entry point of the web server."""

import logging
import os
import threading

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kb.settings")
application = get_wsgi_application()


def _warm() -> None:
    """Load engine and search model while the first reader still looks at the map."""
    from django.db import connection

    from evals.engine import registry
    from kb import search

    registry.mitigations()
    try:
        search.warm()
    except Exception as error:
        logging.getLogger(__name__).warning("Search is not warm: %s", error)
    finally:
        connection.close()


threading.Thread(target=_warm, name="warm", daemon=True).start()
