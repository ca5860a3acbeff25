"""What pages show of the service itself."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Site:
    """The title of the service, and the URI of its logo; empty without one."""

    title: str = "hyperapi"
    logo: str = ""
