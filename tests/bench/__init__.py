"""The benchmark: what a proxied request costs, side by side with other proxies in one run."""
