"""From what was logged to a timeline, figures and a verdict. Pure."""
