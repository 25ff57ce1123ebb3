"""Requests at a constant rate, each with an id, and the tally of what became of them."""
