"""What hangs on a column whose type changes: a module for each kind of object.

Some objects PostgreSQL keeps through `ALTER COLUMN TYPE`, but for details that it forgets: their modules say how to restore
those. The others must be taken off before and put back after: their modules have two functions, `take_off` and `put_back`,
each from the catalog and the object's oid to statements. Together they leave the object as it was: definition, owner,
privileges, comment, labels, states. `core.retype.closure` finds the objects and their order.
"""
