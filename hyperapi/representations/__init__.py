"""A resource, and the media types that represent it."""
