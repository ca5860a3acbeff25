"""The model of a resource, and the shapes that it is given."""
