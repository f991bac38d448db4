"""Prints, as JSON, this Python's version and those of modules, without importing them: null = not installed."""
import importlib.util
import json
import sys

try:
    from importlib import metadata
except ImportError:  # Python 3.7
    metadata = None


def version(name):
    """The version of the distribution that holds a module."""
    if metadata is None:
        return "of unknown version"
    owners = getattr(metadata, "packages_distributions", dict)()
    for distribution in owners.get(name, [name]):
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            pass
    return "of unknown version"


found = {name: None if importlib.util.find_spec(name) is None else version(name) for name in sys.argv[1:]}
print(json.dumps({"python": ".".join(map(str, sys.version_info[:3])), "modules": found}))
