"""The Drift page: which deployments moved and whether it matters, feature by feature, and what is called a drift."""
