"""Secrets: generated, rotated, found where they do not belong, and kept until a person has them."""
