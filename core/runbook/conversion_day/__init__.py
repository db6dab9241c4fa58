"""Task 7 around the conversion: maintenance, the fence, the deploy, its verification."""
