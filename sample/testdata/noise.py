"""Writes noise.json: digests of noise by NumPy and SciPy, for TestKinds. Run: python noise.py > noise.json"""
import hashlib
import json

import numpy as np
import scipy
from numpy.random import RandomState
from scipy.stats import truncnorm


def resampled(state, count, threshold):
    """The paper's truncation, value by value: draw until the magnitude is within the threshold."""
    values = []
    while len(values) < count:
        v = np.float32(state.randn())
        if abs(v) <= np.float32(threshold):
            values.append(v)
    return np.array(values, np.float32)


def digest(values):
    return hashlib.sha256(np.ascontiguousarray(values, "<f4").tobytes()).hexdigest()


cases = []
for seed, n, dim, truncation in [
    (0, 10, 128, 0.4), (0, 5, 140, 0.2), (1, 1, 1, 1.0), (7, 3, 64, 0.5), (100, 20, 120, 0.02), (933, 7, 255, 0.437),
    (12345, 2, 128, 0.99), (2147483648, 4, 140, 0.7), (4294967295, 20, 128, 1.0), (77, 2000, 128, 0.333),
]:
    t, size = np.float32(truncation), (n, dim)
    cases.append({
        "seed": seed, "n": n, "dim": dim, "truncation": truncation,
        "truncated": digest(t * truncnorm.rvs(-2, 2, size=size, random_state=RandomState(seed)).astype(np.float32)),
        "normal": digest(t * RandomState(seed).randn(*size).astype(np.float32)),
        "resampled": digest(resampled(RandomState(seed), n * dim, truncation)),
    })
print(json.dumps({"numpy": np.__version__, "scipy": scipy.__version__, "cases": cases}, indent=1))
