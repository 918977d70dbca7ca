"""The Autobahn WebSocket test suite; ``run.py`` is where to begin."""
