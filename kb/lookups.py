"""``among``: like ``in``, but with one parameter however many values there are."""

from __future__ import annotations

from typing import Any

from django.db.models import BigAutoField, ForeignKey, Lookup


class Among(Lookup[Any]):
    """``column = ANY(array)``: a thousand ids cost a driver as much as one."""

    lookup_name = "among"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        """The condition and its parameters; the values are whole numbers in any sequence."""
        left, params = self.process_lhs(compiler, connection)
        values = [int(value) for value in self.rhs]
        return f"{left} = ANY(%s::bigint[])", (*params, values)


def register() -> None:
    """Make the lookup known for primary and foreign keys."""
    BigAutoField.register_lookup(Among)
    ForeignKey.register_lookup(Among)
