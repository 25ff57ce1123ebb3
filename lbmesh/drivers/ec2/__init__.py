"""Fronts that calls to EC2 move: elastic addresses, secondary private addresses, routes."""
