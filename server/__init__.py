"""The upstream that misbehaves on purpose: a local HTTP server for the course's lessons."""
