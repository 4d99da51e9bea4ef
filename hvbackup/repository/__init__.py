"""What is remembered: restore points and their blocks."""
