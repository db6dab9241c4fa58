"""Task 1: the rotation of the leaked credentials."""
