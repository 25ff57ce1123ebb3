"""Which replicas may be used: the probe plan, this node's verdicts, and how opinions are merged."""
