"""A Hyper-V host that speaks real WinRM on loopback."""
