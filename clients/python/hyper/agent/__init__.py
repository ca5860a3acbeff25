"""The bridge between a language model and the API: five tools over links and forms.

No module here names a resource, so the resources of an extension work as they are.

``bridge``
    The tools, as flows of the client: they do no input or output of their own.
``references``, ``documents``, ``fitting``
    What a model sees: short URIs, compact documents, and their bounded size.
``tools``, ``serving``
    The tools as the Model Context Protocol declares and calls them. ``serving`` needs the package
    ``mcp``.
``session``
    The narrow token that the model works with.
"""
