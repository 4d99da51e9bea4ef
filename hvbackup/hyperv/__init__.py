"""Virtual machines of a host: inventory, classification, rebuild, mount."""
