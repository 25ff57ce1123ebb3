"""The nameserver: the process that answers DNS."""
