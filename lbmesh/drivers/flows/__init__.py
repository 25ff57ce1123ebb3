"""The connections of fronts: known to their backups, and reset by whoever takes the front."""
