"""The vocabulary every room shares: frozen values, no behaviour beyond their own consistency."""
