"""The table of methods: one line adds one. Rules, docs and menus name them from here.

A threshold is where an effect is worth somebody's time, not where it is significant. A tenth (of the values, of the
standard deviation, of the accuracy that guessing lacks) is what people see in two histograms side by side. The index
PSI has its own custom of 0.1 (watch) and 0.25 (act), between which ours lies. A twentieth of the values that is
missing or was never seen before is a fault upstream more often than a change of taste.
"""

from monitor.drift.methods import chi2, classifier, js, ks, missing, mmd, projections, psi, tv, unseen, wasserstein
from monitor.drift.methods.found import Found, Method

__all__ = ["METHODS", "Found", "Method"]

NUMBER, CATEGORY, VECTOR = frozenset({"number"}), frozenset({"category"}), frozenset({"vector"})

_TABLE = (
    Method("ks", "Kolmogorov-Smirnov", "largest difference of the shares of values up to any point, 0 to 1",
           NUMBER, 0.1, ks.compare, ks.effect, ks.smallest),
    Method("tv", "Total variation", "share of the values that would have to be others, 0 to 1",
           NUMBER | CATEGORY, 0.1, tv.compare, tv.effect, tv.smallest),
    Method("psi", "Population stability index", "0 is equal, 0.1 some, 0.25 much",
           NUMBER | CATEGORY, 0.2, psi.compare, psi.effect, psi.smallest),
    Method("js", "Jensen-Shannon distance", "base 2: 0 is equal, 1 is nothing in common",
           NUMBER | CATEGORY, 0.1, js.compare, js.effect, js.smallest),
    Method("wasserstein", "Wasserstein distance", "how far values moved, in standard deviations of the reference",
           NUMBER, 0.1, wasserstein.compare, wasserstein.effect, wasserstein.smallest),
    Method("chi2", "Chi-squared, Cramér's V", "0 is equal, 1 is nothing in common",
           NUMBER | CATEGORY, 0.1, chi2.compare, chi2.effect, chi2.smallest),
    Method("missing", "Missing values", "difference of the shares of missing values, 0 to 1",
           NUMBER | CATEGORY, 0.05, missing.compare, missing.effect, missing.smallest),
    Method("unseen", "Unseen names", "share of values whose name the reference never had, 0 to 1",
           CATEGORY, 0.05, unseen.compare, unseen.effect, unseen.smallest),
    Method("mmd", "Maximum mean discrepancy", "distance of two clouds of vectors, 0 to about 1.4",
           VECTOR, 0.1, mmd.compare, mmd.effect, mmd.smallest),
    Method("classifier", "Classifier two-sample test", "how far telling both apart is above guessing, 0 to 1",
           VECTOR, 0.1, classifier.compare, classifier.effect, classifier.smallest),
    Method("projections", "Kolmogorov-Smirnov along directions", "largest difference along 32 directions, 0 to 1",
           VECTOR, 0.1, projections.compare, projections.effect, projections.smallest),
)  # fmt: skip

METHODS: dict[str, Method] = {method.name: method for method in _TABLE}
