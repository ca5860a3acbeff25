"""The bridge between a language model and the API: five tools over links and forms.

No module here names a resource, so the resources of an extension work as they are.

``bridge``
    The tools, as flows of the client: they do no input or output of their own.
``references``, ``documents``, ``fitting``
    What a model sees: short URIs, compact documents, and their bounded size.
``tools``, ``service``
    The tools as the Model Context Protocol declares and calls them. ``service`` and the modules
    that use it need the package ``mcp``.
``serving``, ``session``
    The protocol over standard input and output, and the narrow token that the model works with.
``exchange``
    The protocol over HTTP, for the server of the API: one message and its reply.
"""
