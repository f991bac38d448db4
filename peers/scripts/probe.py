"""Prints, as JSON, this Python's version and those of modules, without importing them: null = not installed."""
import importlib.metadata
import importlib.util
import json
import sys

owners = getattr(importlib.metadata, "packages_distributions", dict)()
found = {}
for name in sys.argv[1:]:
    found[name] = None
    if importlib.util.find_spec(name) is None:
        continue
    found[name] = "unknown version"
    for distribution in owners.get(name, [name]):
        try:
            found[name] = importlib.metadata.version(distribution)
            break
        except importlib.metadata.PackageNotFoundError:
            pass
print(json.dumps({"python": ".".join(map(str, sys.version_info[:3])), "modules": found}))
