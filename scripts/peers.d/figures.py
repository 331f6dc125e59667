"""Figures in the campaigns' form."""

import json
import math


def show(samples):
    """Prints median, p95, max and count of samples in ms."""
    ordered = sorted(samples)

    def quantile(share):
        return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)], 2)

    print(json.dumps({"median": quantile(0.5), "p95": quantile(0.95), "max": quantile(1.0), "n": len(ordered)}))
