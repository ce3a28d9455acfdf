"""Live monitoring: cameras read as they come, identities and alerts while people are there."""
