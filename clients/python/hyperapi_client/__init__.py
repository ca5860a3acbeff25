"""A client for hyperapi, and for any server that keeps its contract.

It knows a root URL and the names of relations and forms, never a path::

    from hyperapi_client import Client

    with Client("https://todo.example.org") as client:
        client.login("ann", "correct horse battery")
        groceries = client.follow("lists").submit("create", title="Groceries")
        groceries.follow("tasks").submit("create", title="Milk", tags=["shop"])
        for task in client.follow("tasks").search(done=False).items():
            print(task.title, task.due_at)

``docs/client.md`` tells the rest.
"""

try:
    import httpx as _httpx  # noqa: F401
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        "hyperapi_client needs httpx. Install it from the folder of a clone: "
        "pip install ./clients/python",
        name=missing.name,
    ) from None

from hyperapi_client.actions import Change, How
from hyperapi_client.asynchronous import AsyncClient, AsyncResource
from hyperapi_client.document import Link, State
from hyperapi_client.errors import (
    BadEnvironment,
    CertificateRefused,
    ClientError,
    Closed,
    Conflict,
    CredentialsInvalid,
    FieldError,
    FieldErrors,
    Forbidden,
    ForeignOrigin,
    FormError,
    Gone,
    InsufficientScope,
    Invalid,
    LoginTooOld,
    Moved,
    NoSuchForm,
    NoSuchLink,
    NotAToken,
    NotFound,
    NotHyperapi,
    PreconditionRequired,
    ProblemError,
    QuotaExceeded,
    RegistrationClosed,
    ReplyLost,
    ServerFailure,
    Taken,
    TokenExpired,
    TokenInvalid,
    TokenMissing,
    TokenRevoked,
    TooLarge,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    Unreachable,
)
from hyperapi_client.forms import Field, Form
from hyperapi_client.sync import Client, Resource
from hyperapi_client.tokens import InMemory, Keeper, Tokens

__all__ = [
    "AsyncClient",
    "AsyncResource",
    "BadEnvironment",
    "CertificateRefused",
    "Change",
    "Client",
    "ClientError",
    "Closed",
    "Conflict",
    "CredentialsInvalid",
    "Field",
    "FieldError",
    "FieldErrors",
    "Forbidden",
    "ForeignOrigin",
    "Form",
    "FormError",
    "Gone",
    "How",
    "InMemory",
    "InsufficientScope",
    "Invalid",
    "Keeper",
    "Link",
    "LoginTooOld",
    "Moved",
    "NoSuchForm",
    "NoSuchLink",
    "NotAToken",
    "NotFound",
    "NotHyperapi",
    "PreconditionRequired",
    "ProblemError",
    "QuotaExceeded",
    "RegistrationClosed",
    "ReplyLost",
    "Resource",
    "ServerFailure",
    "State",
    "Taken",
    "TokenExpired",
    "TokenInvalid",
    "TokenMissing",
    "TokenRevoked",
    "Tokens",
    "TooLarge",
    "TooManyRequests",
    "Unauthorized",
    "Unavailable",
    "Unreachable",
]
