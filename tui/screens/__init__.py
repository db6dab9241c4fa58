"""The screens: one for the board, one for each thing that it opens."""
