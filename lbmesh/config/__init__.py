"""TOML to settings, or located errors; what a reload may change."""
