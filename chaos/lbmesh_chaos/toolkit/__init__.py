"""The extension of the Chaos Toolkit: actions, probes and a control, so that `chaos run` works in the lab."""
