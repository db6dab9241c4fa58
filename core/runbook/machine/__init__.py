"""What the engine's machine is like."""
