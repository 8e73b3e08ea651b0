# SPDX-License-Identifier: Apache-2.0
"""Statements compiled once and run on the driver's own cursor, for hot paths of bulk writers.

A ``Statement`` says what SQLAlchemy's own ``execute`` says, with the same types, errors and
transaction, at a fraction of its cost per call. Lists for IN are padded to a few lengths, so that
each statement has few texts (drivers keep prepared statements by text).
"""

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import BindParameter, Connection, Delete, Dialect, Insert, Select, Update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import visitors

Clause = Select[Any] | Insert | Update | Delete
Processor = Callable[[Any], Any] | None
Results = tuple[tuple[int, Callable[[Any], Any]], ...]
LENGTHS = (1, 4, 16, 64, 256, 1024)  # of lists for IN
MAX_IN = LENGTHS[-1]


@dataclass(frozen=True, slots=True)
class _Bind:
    """One parameter: its key in the values given, its place in a list, how it is converted."""

    name: str
    key: str
    index: int | None
    convert: Processor


@dataclass(frozen=True, slots=True)
class _Compiled:
    """The text for one driver, set of keys and list lengths; positional when the driver is."""

    text: str
    positional: bool
    lists: bool
    binds: tuple[_Bind, ...]


class Statement:
    """One statement that is run many times; safe to use from many threads.

    ``ready``: names of JSON columns whose values are given as JSON text.
    """

    def __init__(self, clause: Clause, *, ready: Sequence[str] = ()) -> None:
        self._clause = clause
        self._ready = frozenset(ready)
        self._lists = tuple(
            dict.fromkeys(
                part.key
                for part in visitors.iterate(clause)
                if isinstance(part, BindParameter) and part.expanding
            )
        )
        self._compiled: dict[object, _Compiled] = {}
        self._results: dict[tuple[str, str], Results] = {}
        self._record: Callable[..., Any] | None = None

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Return the rows of a SELECT; ValueError for a list over MAX_IN."""
        cursor, compiled = self._run(connection, values)
        try:
            found: list[tuple[Any, ...]] = cursor.fetchall()
            results = self._results_of(connection.dialect, compiled, cursor)
        finally:
            cursor.close()
        return [_converted(row, results) for row in found] if results else found

    def records(self, connection: Connection, values: Mapping[str, Any]) -> list[Any]:
        """Return the rows of a SELECT with the names of its columns as attributes."""
        if self._record is None:
            assert isinstance(self._clause, Select)
            names = self._clause.selected_columns.keys()
            self._record = namedtuple("_Record", names)  # type: ignore[misc]
        return [self._record(*row) for row in self.rows(connection, values)]

    def run(self, connection: Connection, values: Mapping[str, Any]) -> int:
        """Run a change and return how many rows it touched."""
        cursor, _ = self._run(connection, values)
        count: int = cursor.rowcount
        cursor.close()
        return count

    def many(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run a change once for each of the rows, which have the same keys."""
        if len(rows) == 1:
            self.run(connection, rows[0])
        elif rows:
            compiled = self._for(connection.dialect, rows[0])
            given = [_parameters(compiled, values) for values in rows]
            self._execute(connection, compiled.text, given, many=True).close()

    def _run(self, connection: Connection, values: Mapping[str, Any]) -> tuple[Any, _Compiled]:
        compiled = self._for(connection.dialect, values)
        given = _parameters(compiled, values)
        return self._execute(connection, compiled.text, given, many=False), compiled

    def _execute(self, connection: Connection, text: str, given: Any, *, many: bool) -> Any:
        dialect = connection.dialect
        errors = dialect.loaded_dbapi.Error
        raw = connection.connection
        cursor = raw.cursor()
        try:
            (cursor.executemany if many else cursor.execute)(text, given)
        except errors as error:
            gone = dialect.is_disconnect(error, cast("Any", raw), cursor)
            cursor.close()
            if gone:
                connection.invalidate(error)
            raise DBAPIError.instance(
                text,
                None,
                error,
                errors,
                hide_parameters=True,
                connection_invalidated=gone,
                dialect=dialect,
            ) from error
        return cursor

    def _for(self, dialect: Dialect, values: Mapping[str, Any]) -> _Compiled:
        padded = (_padded(len(values[name])) for name in self._lists)
        key = (dialect.name, dialect.driver, *values, *padded)
        found = self._compiled.get(key)
        if found is None:
            lengths = {name: _padded(len(values[name])) for name in self._lists}
            found = self._compiled[key] = self._compile(dialect, list(values), lengths)
        return found

    def _compile(
        self, dialect: Dialect, names: Sequence[str], lengths: Mapping[str, int]
    ) -> _Compiled:
        keys = names if isinstance(self._clause, Insert | Update) else None
        compiled = self._clause.compile(dialect=dialect, column_keys=keys)
        samples = {name: [None] * lengths[name] if name in lengths else None for name in names}
        state = compiled.construct_expanded_state(samples)
        expanded = {
            name: (base, index)
            for base, parts in state.parameter_expansion.items()
            for index, name in enumerate(parts)
        }
        filled = {c.key: cast("Any", c.default).arg for c in compiled.insert_prefetch}
        binds = []
        for name in state.positiontup or list(state.parameters):
            base, index = expanded.get(name, (name, None))
            bind = compiled.binds[base]
            convert: Processor = bind.type.dialect_impl(dialect).bind_processor(dialect)
            if base in filled and base not in names:
                convert = _default(filled[base], convert)
            elif base not in names:
                convert = _default(bind.effective_value, convert)
            elif base in self._ready:
                convert = None
            binds.append(_Bind(name, base, index, convert))
        positional = state.positiontup is not None
        return _Compiled(state.statement, positional, bool(lengths), tuple(binds))

    def _results_of(self, dialect: Dialect, compiled: _Compiled, cursor: Any) -> Results:
        """Return what converts which columns; the driver's types are known after the first run."""
        key = (dialect.driver, compiled.text)
        found = self._results.get(key)
        if found is None:
            assert isinstance(self._clause, Select)
            converters = [
                column.type.dialect_impl(dialect).result_processor(dialect, described[1])
                for column, described in zip(
                    self._clause.selected_columns, cursor.description, strict=True
                )
            ]
            found = tuple((at, c) for at, c in enumerate(converters) if c is not None)
            self._results[key] = found
        return found


def _default(given: Any, convert: Processor) -> Callable[[Any], Any]:
    """Return what gives a constant of the statement, or the default of a column, each time."""

    def value(_: object) -> Any:
        fresh = given(None) if callable(given) else given
        return fresh if convert is None else convert(fresh)

    return value


def _padded(length: int) -> int:
    for size in LENGTHS:
        if length <= size:
            return size
    raise ValueError(f"a list for IN has at most {MAX_IN} values")


def _parameters(compiled: _Compiled, values: Mapping[str, Any]) -> Any:
    get = values.get
    if compiled.lists:
        given = [_value(bind, get(bind.key)) for bind in compiled.binds]
    else:
        given = [b.convert(get(b.key)) if b.convert else get(b.key) for b in compiled.binds]
    if compiled.positional:
        return given
    return {bind.name: value for bind, value in zip(compiled.binds, given, strict=True)}


def _value(bind: _Bind, value: Any) -> Any:
    if bind.index is not None:  # the last of a list stands for those that are missing
        value = value[min(bind.index, len(value) - 1)]
    return value if bind.convert is None else bind.convert(value)


def _converted(row: tuple[Any, ...], results: Results) -> tuple[Any, ...]:
    values = list(row)
    for at, convert in results:
        values[at] = convert(values[at])
    return tuple(values)
