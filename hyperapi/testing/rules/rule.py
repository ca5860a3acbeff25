"""A rule: a check, and the operations that it applies to."""

import inspect
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from hyperapi.http.routes import Operation
from hyperapi.testing.reports import Violation, found_in
from hyperapi.testing.world import NotChecked, World

Applies = Callable[[Operation], bool]
Check = Callable[[World, Operation], None]


@dataclass(frozen=True)
class Rule:
    """One thing that holds for every operation that it applies to.

    :param check: fails an assertion where an operation breaks the rule.
    :param fix: what the author of an operation can do that breaks it.
    :param bound: whether it is about tokens that are bound to one list. It has nothing to check
        where tokens cannot be bound.
    :param protocols: whether it holds also where another standard defines requests and replies.
    :param needs: what it needs of the inside of an application; empty where requests suffice.
    """

    applies: Applies
    check: Check
    fix: str
    bound: bool = False
    protocols: bool = False
    needs: str = ""

    def holds_in(self, world: World, operation: Operation) -> bool:
        """Whether the rule applies to an operation of this application."""
        return self.applies(operation) and not (self.bound and world.binding is None)

    @property
    def name(self) -> str:
        """The name of the check."""
        return self.check.__name__

    @property
    def clause(self) -> str:
        """The meaning of the rule: the docstring of its check."""
        return inspect.getdoc(self.check) or ""

    def violation(self, world: World, operation: Operation) -> Violation | None:
        """Check an operation. Return a report when it breaks the rule.

        :raises NotChecked: where the rule cannot be judged.
        """
        if self.needs and not world.inside:
            raise NotChecked(f"needs {self.needs}")
        if reason := world.not_checked(operation):
            raise NotChecked(reason)
        if world.spoilt:
            world.renew()
        world.history.clear()
        try:
            self.check(world, operation)
        except NotChecked:
            raise
        except Exception as failure:
            exchanges, found = tuple(world.history), found_in(failure)
            world.spoilt = True
            where = name_of(operation)
            return Violation(where, self.name, self.clause, self.fix, found, exchanges)
        return None


class Rules(list[Rule]):
    """The rules of one module, in their order."""

    def add(
        self,
        applies: Applies,
        *,
        fix: str,
        bound: bool = False,
        protocols: bool = False,
        needs: str = "",
    ) -> Callable[[Check], Check]:
        """Make a rule of the decorated check.

        :param applies: whether the rule applies to an operation.
        :param fix: what the author of an operation can do that breaks it.
        :param bound: whether it is about tokens that are bound to one list.
        :param protocols: whether it holds also where another standard defines requests and replies.
        :param needs: what it needs of the inside of an application.
        """

        def rule(check: Check) -> Check:
            self.append(Rule(applies, check, fix, bound, protocols, needs))
            return check

        return rule


def name_of(operation: Operation) -> str:
    """What reports call an operation: its method and path."""
    return f"{operation.method} {operation.route.path}"


def violations(
    rule: Rule, world: World, routes: Collection[str] | None = None
) -> dict[str, Violation]:
    """The operations that break a rule, by method and path, with a report of each.

    :param routes: the names of the routes to check; all of the application's when None.
    """
    return {each.where: each for each in each_violation(rule, world, routes)}


def each_violation(
    rule: Rule, world: World, routes: Collection[str] | None = None
) -> Iterator[Violation]:
    """The same, one after the other, for tests that one suffices for."""
    for operation in [*world.operations, *(world.protocols if rule.protocols else ())]:
        chosen = routes is None or operation.route.name in routes
        applies = chosen and rule.holds_in(world, operation)
        if applies and (broken := rule.violation(world, operation)):
            yield broken
