"""Frozen-feature evaluations: kNN, logistic and ridge probes, label-free metrics, the label-efficiency curve."""
