"""The Canaries page: where suites are replayed, what changed and since when, item by item, and two deployments."""
