"""Functions whose bodies will fail after a conversion: found before anything is changed, and repaired where that is certain.

PostgreSQL keeps the body of a function as text and does not look at it when types change under it. Here bodies are read
(`plpgsql`), their statements are type-checked on an empty clone before and after its conversion (`look`, `plpgsql_check`,
`sql_check`), without running any of them, and what type-checks before and fails after is a finding (`findings`). `mend` puts casts into a
body where exactly one would do.
"""
