"""One exchange's policy: what a failure means, when to try again, what the client is told. Pure."""
