"""Repair of stored expressions that no longer type-check once the keys have their new type.

The deciding is pure and knows no server: `complaints` reads what the server says, `syntax` holds a text and its parse tree side
by side, `casts` names the casts that could answer a complaint. The trying is thin: `trial` converts an empty clone of the
schema and lets its server judge. What comes of it is data (`definitions`): texts with their repaired forms, which the plan
carries and the proof permits.
"""
