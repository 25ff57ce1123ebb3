"""Seeing inside: logging, histograms, metrics, the access log, tick ages."""
