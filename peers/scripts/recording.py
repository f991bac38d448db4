"""What the peers' scripts share: their job, and safetensors files without the safetensors package."""
import json
import struct
import sys

MISSING = 77  # exit status: a package is not there


def lack(what):
    """Ends, and says what is missing."""
    print(what, file=sys.stderr)
    sys.exit(MISSING)


def need(*names):
    """Imports modules; ends with MISSING where one cannot be."""
    import importlib

    modules = []
    for name in names:
        try:
            modules.append(importlib.import_module(name))
        except ImportError as e:
            lack(f"{name}: {e}")
    return modules


def job():
    """The job beside this file."""
    with open(sys.argv[1], encoding="utf-8") as f:
        return json.load(f)


def load(path):
    """float32 arrays by name."""
    import numpy

    with open(path, "rb") as f:
        (length,) = struct.unpack("<Q", f.read(8))
        head = json.loads(f.read(length))
        data = f.read()
    head.pop("__metadata__", None)
    arrays = {}
    for name, t in head.items():
        assert t["dtype"] == "F32", name
        begin, end = t["data_offsets"]
        arrays[name] = numpy.frombuffer(data[begin:end], "<f4").reshape(t["shape"])
    return arrays


def save(path, arrays, versions):
    """Writes arrays as float32, and the versions of what computed them as metadata."""
    import numpy

    head, parts, at = {"__metadata__": versions}, [], 0
    for name, array in arrays.items():
        part = numpy.ascontiguousarray(array, "<f4")
        head[name] = {"dtype": "F32", "shape": list(part.shape), "data_offsets": [at, at + part.nbytes]}
        parts.append(part)
        at += part.nbytes
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for part in parts:
            f.write(part.tobytes())
