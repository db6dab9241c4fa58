"""Scripts that people wrote to convert their keys, held against the catalog: what they forget, miss and would change.

`changes` reads what a statement does, `reading` reads a whole script, with what it puts together while it runs as far as that is
certain; `findings` decides, purely, and `completed` writes the script with what it lacks.
"""
