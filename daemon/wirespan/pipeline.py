"""The only module that knows every room."""
