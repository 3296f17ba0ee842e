"""A client's requests above what the server saw, on one time axis, and how both are recorded."""
