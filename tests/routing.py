"""Whether Citus would send a statement to one shard: its text, read by PostgreSQL's own parser.

The router planner of Citus does when every distributed table of the statement is limited to one
value of its distribution column, by an equality with a parameter or with such a column of another
table. No cluster is needed: the statements are those that PostgreSQL is sent.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any

from hyperapi.storage.models import Base, Username

# By its types, every part of a statement may be missing.
pglast: Any = import_module("pglast")
ast: Any = import_module("pglast.ast")
enums: Any = import_module("pglast.enums")

IMMUTABLE = frozenset({"octet_length"})
"""The functions that may be in a ``RETURNING`` clause."""

_PARAMETER = re.compile(r"%(?:\((\w+)\)s|(%))")
_PARTS = ("_text", "_text_owners")


@dataclass
class Route:
    """Where a statement goes.

    :ivar faults: the reasons for which it does not go to one shard.
    :ivar owners: the parameters that name its owner.
    """

    faults: list[str] = field(default_factory=list)
    owners: set[str] = field(default_factory=set)


def distributed() -> dict[str, str]:
    """The distributed tables of this process, with their columns."""
    models = [mapper.class_ for mapper in Base.registry.mappers]
    found = {str(model.__tablename__): str(model.distributed_by) for model in models}
    searched = [model.__tablename__ for model in models if model.searched]
    return {**found, **{name + part: "owner" for name in searched for part in _PARTS}}


@cache
def route(statement: str) -> Route:
    """Read a statement whose parameters have names."""
    names: list[str] = []

    def numbered(found: re.Match[str]) -> str:
        if found[2]:
            return "%"
        names.append(found[1])
        return f"${len(names)}"

    [parsed] = pglast.parse_sql(_PARAMETER.sub(numbered, statement))
    reader = _Reader(distributed(), names)
    reader.read(parsed.stmt, _Scope())
    return reader.route()


class _Scope:
    """The tables that one level of a statement and those around it name."""

    def __init__(self, around: "_Scope | None" = None) -> None:
        self.around = around
        self.tables: dict[str, str] = {}

    def of(self, fields: tuple[Any, ...]) -> tuple[int, str, str] | None:
        """The table of a column, as scope and name, and the column."""
        words = [each.sval for each in fields if isinstance(each, ast.String)]
        scope: _Scope | None = self
        while scope is not None and words:
            if len(words) == 1 and len(scope.tables) == 1:
                return id(scope), next(iter(scope.tables)), words[0]
            if len(words) == 2 and words[0] in scope.tables:
                return id(scope), words[0], words[1]
            scope = scope.around
        return None


class _Reader:
    """Collects the distributed tables of a statement, and what limits them."""

    def __init__(self, tables: Mapping[str, str], names: list[str]) -> None:
        self._tables = tables
        self._names = names
        self._found: list[tuple[tuple[int, str, str], str]] = []
        self._equal: list[tuple[Any, Any]] = []
        self._faults: list[str] = []
        self._scopes: list[_Scope] = []  # kept, so that their identities stay theirs

    def route(self) -> Route:
        """The route of what was read."""
        made = Route(self._faults)
        groups: dict[bool, set[str]] = {}
        for column, table in self._found:
            values = self._values_of(column)
            if not values:
                made.faults.append(f"{table} is not limited to one {self._tables[table]}")
            is_name = table == Username.__tablename__
            groups.setdefault(is_name, set()).update(values)
        if len(groups) > 1:
            made.faults.append("names and users are on different shards")
        made.owners = groups.get(False, set())
        return made

    def _values_of(self, column: Any) -> set[str]:
        reached, waiting = {column}, [column]
        while waiting:
            one = waiting.pop()
            for left, right in self._equal:
                for here, there in ((left, right), (right, left)):
                    if here == one and there not in reached:
                        reached.add(there)
                        waiting.append(there)
        return {each for each in reached if isinstance(each, str)}

    def read(self, node: Any, scope: _Scope) -> None:
        """Read a part of a statement."""
        if isinstance(node, ast.SelectStmt) and node.op != enums.SetOperation.SETOP_NONE:
            self.read(node.larg, scope)
            self.read(node.rarg, scope)
        elif isinstance(node, ast.SelectStmt | ast.UpdateStmt | ast.DeleteStmt):
            self._read_level(node, _Scope(scope))
        elif isinstance(node, ast.InsertStmt):
            self._read_insert(node, _Scope(scope))
        else:
            for each in _children(node):
                self.read(each, scope)

    def _read_level(self, node: Any, scope: _Scope) -> None:
        self._scopes.append(scope)
        target = getattr(node, "relation", None)
        sources = getattr(node, "fromClause", None) or getattr(node, "usingClause", None) or ()
        for source in [*([target] if target else []), *sources]:
            self._read_source(source, scope)
        self._read_condition(node.whereClause, scope)
        self._read_locks(node, scope)
        skipped = ("relation", "fromClause", "usingClause", "lockingClause")
        for name in node:
            if name not in skipped and (part := getattr(node, name)) is not None:
                self.read(part, scope)
        self._read_returned(node)

    def _read_source(self, node: Any, scope: _Scope) -> None:
        if isinstance(node, ast.RangeVar):
            name = node.alias.aliasname if node.alias else node.relname
            scope.tables[name] = node.relname
            if node.relname in self._tables:
                column = (id(scope), name, self._tables[node.relname])
                self._found.append((column, node.relname))
        elif isinstance(node, ast.JoinExpr):
            self._read_source(node.larg, scope)
            self._read_source(node.rarg, scope)
            self._read_condition(node.quals, scope)
            self.read(node.quals, scope)
        elif isinstance(node, ast.RangeSubselect):
            scope.tables[node.alias.aliasname if node.alias else ""] = ""
            self.read(node.subquery, scope.around or _Scope())
        else:
            self.read(node, scope)

    def _read_condition(self, node: Any, scope: _Scope) -> None:
        """Collect the equalities that hold for every row."""
        if isinstance(node, ast.BoolExpr) and node.boolop == enums.BoolExprType.AND_EXPR:
            for each in node.args:
                self._read_condition(each, scope)
        elif isinstance(node, ast.A_Expr) and node.kind == enums.A_Expr_Kind.AEXPR_OP:
            sides = self._term(node.lexpr, scope), self._term(node.rexpr, scope)
            if node.name[-1].sval == "=" and None not in sides:
                self._equal.append(sides)

    def _term(self, node: Any, scope: _Scope) -> Any:
        """A column, or the name of a parameter; None for everything else."""
        if isinstance(node, ast.TypeCast):
            return self._term(node.arg, scope)
        if isinstance(node, ast.ColumnRef):
            return scope.of(node.fields)
        if isinstance(node, ast.ParamRef):
            return self._names[node.number - 1]
        return None

    def _read_insert(self, node: Any, scope: _Scope) -> None:
        self._scopes.append(scope)
        table = node.relation.relname
        self._read_source(node.relation, scope)
        if table in self._tables:
            place = [each.name for each in node.cols].index(self._tables[table])
            column = (id(scope), table, self._tables[table])
            if node.selectStmt.valuesLists:
                for row in node.selectStmt.valuesLists:
                    self._equal.append((column, self._term(row[place], scope)))
            else:
                self._faults += self._of_other_owner(node.selectStmt, place, table)
                self._found.pop()
        self.read(node.selectStmt, scope)
        self._read_returned(node)

    def _of_other_owner(self, select: Any, place: int, table: str) -> Iterator[str]:
        """The fault when the inserted rows do not have the owner of the rows that are read."""
        value = select.targetList[place].val
        word = value.fields[-1].sval if isinstance(value, ast.ColumnRef) else None
        if word != "owner":
            yield f"the rows for {table} have no owner of the rows that are read"

    def _read_locks(self, node: Any, scope: _Scope) -> None:
        for lock in getattr(node, "lockingClause", None) or ():
            locked = [each.relname for each in lock.lockedRels or ()] or list(scope.tables)
            for name in locked:
                if scope.tables.get(name) not in self._tables:
                    self._faults.append(f"it locks {name}, which all owners share")

    def _read_returned(self, node: Any) -> None:
        clause = getattr(node, "returningClause", None)
        for each in _all(clause):
            name = each.funcname[-1].sval if isinstance(each, ast.FuncCall) else ""
            if isinstance(each, ast.SQLValueFunction) or (name and name not in IMMUTABLE):
                self._faults.append(f"it returns {name or 'the time'}, which is not immutable")


def _children(node: Any) -> Iterator[Any]:
    if isinstance(node, tuple | list):
        yield from node
    elif isinstance(node, ast.Node):
        yield from (part for name in node if (part := getattr(node, name)) is not None)


def _all(node: Any) -> Iterator[Any]:
    """A node, and all below it."""
    yield node
    for each in _children(node):
        yield from _all(each)
