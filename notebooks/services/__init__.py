"""Web services that lessons run in front of the fault server."""
