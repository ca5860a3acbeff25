"""Forms of a collection that change or delete many resources at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from hyperapi.http.forms import FormSpec
from hyperapi.http.routes import Route


@dataclass(frozen=True, kw_only=True)
class BulkForm:
    """A form that changes or deletes the resources that a filter selects.

    :param where: the filter: query parameters with their values, as a client writes them. Without
        any, the form is about all resources.
    :param sets: the new members, as a form-encoded body has them. None deletes the resources.
    """

    name: str
    title: str
    where: Mapping[str, str] = field(default_factory=dict)
    sets: Mapping[str, str] | None = None

    def of(self, route: Route) -> FormSpec:
        """Return the form for a route to the resources.

        :raises ValueError: when the route has no such operation, or does not take what it sends.
        """
        method = "DELETE" if self.sets is None else "PATCH"
        operation = route.operations.get(method)
        if operation is None or operation.query is None:
            raise ValueError(f"The form {self.name} needs a {method} of many at {route.name}")
        members = operation.body.model_fields if operation.body else ()
        unknown = {*self.where} - {*operation.query.parameters} | {*(self.sets or ())} - {*members}
        if unknown:
            raise ValueError(
                f"The form {self.name} sends {', '.join(sorted(unknown))}, which the {method} of "
                f"{route.name} does not take"
            )
        wanted = urlencode(self.where or {"all": "true"})
        return FormSpec(
            self.name, self.title, route, method, (), hidden=self.sets or {}, query=f"?{wanted}"
        )
