"""What changed since this process last looked, exactly, by the database's own transactions.

Triggers note for each paper the transaction that last touched its text, its vector or its
placements. A feed keeps the oldest transaction that was still open when it read; whatever was
touched by that one or a later one may have become visible since. No clock is involved, so a
slow transaction that commits late is not missed. A process asks once for all its caches.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from weakref import WeakSet

from django.db import connection

# Rows restored from another server may name transactions that this one has not reached.
QUERY = """
SELECT pg_snapshot_xmin(s)::text::bigint,
       pg_current_xact_id_if_assigned()::text::bigint,
       ARRAY(SELECT paper_id || ':' || xact FROM kb_searchchange
             WHERE xact >= %s AND (xact < pg_snapshot_xmax(s)::text::bigint
                                   OR xact = pg_current_xact_id_if_assigned()::text::bigint))
FROM pg_current_snapshot() AS s
"""
ALL = 2**62


@dataclass
class Feed:
    """The changes of papers, as one reader sees them."""

    horizon: int | None = None
    known: dict[int, int] = field(default_factory=dict)
    unsettled: set[int] = field(default_factory=set)

    def start(self) -> None:
        """Remember now as the time of reading everything."""
        self.horizon, _, _ = self._read(ALL)
        self.known, self.unsettled = {}, set()

    def changed(self) -> set[int]:
        """Ids of the papers to read again (or to drop, where they are gone).

        What this process's own open transaction changed is read again each time, because
        it may be rolled back.
        """
        assert self.horizon is not None
        self.horizon, own, found = self._read(self.horizon)
        again = {pk for pk, xact in found.items() if self.known.get(pk) != xact or xact == own}
        again |= self.unsettled
        self.known = found
        self.unsettled = {pk for pk, xact in found.items() if xact == own}
        return again

    def _read(self, since: int) -> tuple[int, int | None, dict[int, int]]:
        with connection.cursor() as cursor:
            cursor.execute(QUERY, [since])
            horizon, own, pairs = cursor.fetchone()
        return horizon, own, dict(tuple(map(int, pair.split(":"))) for pair in pairs)  # type: ignore[misc]


class Hub:
    """One feed for all readers of a process: asked once, it tells each of them what changed."""

    def __init__(self) -> None:
        self._feed = Feed()
        self._readers: WeakSet[Reader] = WeakSet()
        self._lock = threading.Lock()

    def join(self, reader: Reader) -> None:
        """From now on the reader is told; what it has not taken yet is forgotten."""
        with self._lock:
            if self._feed.horizon is None:
                self._feed.start()
            self._readers.add(reader)
            reader.waiting = set()

    def ask(self) -> None:
        """Ask PostgreSQL what changed, and tell the readers; one query."""
        with self._lock:
            if self._feed.horizon is None:
                self._feed.start()
            elif changed := self._feed.changed():
                for reader in self._readers:
                    reader.waiting |= changed

    def take(self, reader: Reader) -> set[int]:
        """What the reader was told since it last took."""
        with self._lock:
            taken, reader.waiting = reader.waiting, set()
            return taken


class Reader:
    """A cache's place at the hub; it joins before it reads everything, and so misses nothing."""

    def __init__(self, hub: Hub) -> None:
        self.hub, self.waiting = hub, set[int]()

    def join(self) -> None:
        """Begin, or begin anew."""
        self.hub.join(self)

    def changed(self, ask: bool = True) -> set[int]:
        """Ids of the papers to read again; without ``ask``, those of the last question."""
        if ask:
            self.hub.ask()
        return self.hub.take(self)


HUB = Hub()
