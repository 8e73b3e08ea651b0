# SPDX-License-Identifier: Apache-2.0
"""Which acts the code records, read from its source: what each call that writes the log may say."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

# Where the act stands among the arguments of a call that writes the log, and its keyword.
RECORDING = {
    "record": 2,
    "record_now": 2,
    "record_read": 2,
    "record_look": 2,
    "record_pixels": None,
    "Act": 0,
}
KEYWORD = "action"
OWN = {"audit/recording.py", "audit/writer.py"}  # they write down the acts of others
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Place:
    """A call, the file it is in and the functions around it, innermost last."""

    file: Path
    call: ast.Call
    around: tuple[Function, ...]


@dataclass
class Source:
    """All calls of some folders by the name of what is called."""

    calls: dict[str, list[Place]] = field(default_factory=dict)
    globals: dict[tuple[Path, str], ast.expr] = field(default_factory=dict)

    def add(self, file: Path) -> None:
        """Read one file."""
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in tree.body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                self.globals |= {(file, _name(t)): node.value for t in targets}
        self._walk(file, tree, ())

    def _walk(self, file: Path, node: ast.AST, around: tuple[Function, ...]) -> None:
        if isinstance(node, Function):
            around = (*around, node)
        if isinstance(node, ast.Call):
            self.calls.setdefault(_name(node.func), []).append(Place(file, node, around))
        for child in ast.iter_child_nodes(node):
            self._walk(file, child, around)

    def acts(self) -> dict[str, str]:
        """Return every act that is recorded, with one place that does it."""
        found: dict[str, str] = {}
        for name, position in RECORDING.items():
            for place in self.calls.get(name, []):
                if "/".join(place.file.parts[-2:]) in OWN or not _of_log(place.call.func, name):
                    continue
                for act in self._argument(place, KEYWORD, position, ()):
                    found.setdefault(act, f"{place.file}:{place.call.lineno}")
        return found

    def _argument(
        self, place: Place, keyword: str, position: int | None, seen: tuple[str, ...]
    ) -> set[str]:
        given = next((k.value for k in place.call.keywords if k.arg == keyword), None)
        if given is None and position is not None and len(place.call.args) > position:
            given = place.call.args[position]
        return set() if given is None else self._values(place, given, seen)

    def _values(self, place: Place, node: ast.AST, seen: tuple[str, ...]) -> set[str]:
        """Return the texts that an expression may be; AssertionError when it cannot be told."""
        match node:
            case ast.Constant(value=str(text)):
                return {text}
            case ast.IfExp(body=one, orelse=other):
                return self._values(place, one, seen) | self._values(place, other, seen)
            case ast.JoinedStr(values=parts):
                return self._joined(place, parts, seen)
            case ast.FormattedValue(value=value):
                return self._values(place, value, seen)
            case ast.Call(
                func=ast.Attribute(value=text, attr="replace"),
                args=[ast.Constant(value=str(old)), ast.Constant(value=str(new))],
            ):
                return {t.replace(old, new) for t in self._values(place, text, seen)}
            case ast.Subscript(value=ast.Name(id=name)):  # one of a table of the file
                table = self.globals.get((place.file, name))
                if isinstance(table, ast.Dict):
                    return {t for v in table.values for t in self._values(place, v, seen)}
            case ast.Name(id=name):
                return self._named(place, name, seen)
        raise AssertionError(f"{place.file}:{place.call.lineno}: {ast.unparse(node)} is no text")

    def _joined(self, place: Place, parts: list[ast.expr], seen: tuple[str, ...]) -> set[str]:
        texts = {""}
        for part in parts:
            texts = {t + p for t in texts for p in self._values(place, part, seen)}
        return texts

    def _named(self, place: Place, name: str, seen: tuple[str, ...]) -> set[str]:
        """Return what a variable of the functions around is set to, or called with."""
        found: set[str] = set()
        constant = self.globals.get((place.file, name))
        if constant is not None:
            return self._values(place, constant, seen)
        for function in reversed(place.around):
            for value in _assigned(function, name):
                found |= self._values(place, value, seen)
            known = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
            only = [a.arg for a in function.args.kwonlyargs]
            mark = f"{place.file}:{function.name}"
            if name not in (*known, *only) or mark in seen:
                continue
            default = _default(function, name)
            if default is not None:
                found |= self._values(place, default, seen)
            position = known.index(name) if name in known else None
            for caller in self._callers(place.file, function):
                found |= self._argument(caller, name, position, (*seen, mark))
        assert found or seen, f"{place.file}:{place.call.lineno}: what is {name}?"
        return found

    def _callers(self, file: Path, function: Function) -> Iterator[Place]:
        """Return its calls: in its file, by its own name, or as a part of its file or room."""
        rooms = {file.stem, "service", *(p.name for p in file.parents)}
        for place in self.calls.get(function.name, []):
            of = place.call.func
            by_name = isinstance(of, ast.Name) and not function.name.startswith("_")
            by_room = isinstance(of, ast.Attribute) and _name(of.value) in rooms
            if place.file == file or by_name or by_room:
                yield place


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _of_log(node: ast.expr, name: str) -> bool:
    """Tell whether a call is one of the audit room: other things are recorded, too."""
    if isinstance(node, ast.Attribute):
        return isinstance(node.value, ast.Name) and node.value.id in ("audit", "service")
    return name != "record"


def _default(function: Function, name: str) -> ast.expr | None:
    args = function.args
    plain = [*args.posonlyargs, *args.args]
    pairs = [
        *zip(plain[len(plain) - len(args.defaults) :], args.defaults, strict=True),
        *zip(args.kwonlyargs, args.kw_defaults, strict=True),
    ]
    return next((value for arg, value in pairs if arg.arg == name), None)


def _assigned(function: Function, name: str) -> Iterator[ast.expr]:
    for node in ast.walk(function):
        if not isinstance(node, ast.Assign):
            continue
        for target in node.targets:
            if isinstance(target, ast.Name) and target.id == name:
                yield node.value
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                for one, value in zip(target.elts, node.value.elts, strict=True):
                    if isinstance(one, ast.Name) and one.id == name:
                        yield value
