"""The named queries as each supported version gets them: sound SQL, and without what came later."""

from __future__ import annotations

import pglast
import pytest

from core.postgres.inspect import QUERIES, query

# Catalog columns and functions that these queries use → the version that brought them (release notes).
BROUGHT_BY = {
    "attcompression": 14,
    "prosqlbody": 14,
    "subbinary": 14,
    "pg_publication_namespace": 15,
    "prattrs": 15,
    "prqual": 15,
    "pubgencols": 18,
}


@pytest.mark.parametrize("major", range(13, 19))
@pytest.mark.parametrize("name", QUERIES)
def test_query_fits_the_version(name: str, major: int) -> None:
    sql = query(name, major)
    assert len(pglast.parse_sql(sql)) == 1
    for word, since in BROUGHT_BY.items():
        assert word not in sql or major >= since


@pytest.mark.parametrize(("word", "since"), BROUGHT_BY.items())
def test_newer_catalogs_are_read_where_they_are(word: str, since: int) -> None:
    assert any(word in query(name, since) for name in QUERIES)
