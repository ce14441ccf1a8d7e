"""Everything that is tried of the official library, in one process: it takes long to load."""

import importlib
import sys

TOPICS = sys.argv[1:] or [
    "chat",
    "content",
    "tools",
    "structured",
    "parameters",
    "responses",
    "errors",
    "streams",
    "models",
    "agents",
]
for topic in TOPICS:
    importlib.import_module(topic)
