"""diskshadow scripts and transcripts, writers, shadow sets."""
