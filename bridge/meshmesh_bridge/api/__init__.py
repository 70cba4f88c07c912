"""The handlers: one module a noun, each with its `ROUTES`. They read the request, call a use case and give a shape."""
