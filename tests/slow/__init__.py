"""Clients that hold on to what they get: slow heads, slow bodies, slow reading, connections that rest."""
