"""Link relations, and what they mean here. Each has a page that says so."""

RELATIONS = {
    "users": "Registration. When signed in: your account.",
    "tokens": "Sign-in. When signed in: your sessions.",
    "user": "Your account.",
    "lists": "Your task lists, in pages.",
    "list": "The list that the task belongs to. As a template: the list with the given UUID.",
    "tasks": "Tasks, in pages: those of one list, or all of yours.",
    "task": "As a template: the task with the given UUID.",
    "changes": "Your lists and tasks in the order of their last change, and then each new change.",
}
"""Our own relations. In headers they are the URIs of their pages."""

IANA_RELATIONS = {
    "self": "This resource.",
    "up": "The resource one level closer to the root.",
    "collection": "The collection that contains this resource.",
    "item": "A member of the collection. HAL embeds it in full.",
    "first": "The first page.",
    "prev": "The previous page. The first page has no such link.",
    "next": "The next page. The last page has no such link. In the changes feed it is always "
    "present, even on an empty page, and leads to the changes that come next.",
    "last": "The last page.",
    "search": "As a template: the collection with every filter and sort order that it supports.",
    "service-desc": "The description of the API for programs, in OpenAPI.",
    "service-doc": "The documentation of the API for people.",
}
"""The relations of IANA's registry that we use. In headers they keep their names."""

MEANINGS = {**RELATIONS, **IANA_RELATIONS}
"""What each relation means, by its name."""
