"""What runs on the host: one intent, one file, one JSON answer. See README.md in this folder."""
