"""What stands in the way of a conversion, a module for each place to look: pure functions from facts to findings."""
