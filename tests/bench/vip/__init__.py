"""How long clients on one L2 miss a front when its holder fails, beside keepalived."""
