# SPDX-License-Identifier: Apache-2.0
"""What the database keeps by itself for fast searches: triggers, and trigram indexes of texts.

Whoever writes a study row (receiver, correction, rebuild) has the searches right in the same
transaction, without knowing of them:

* ``study_spaces.study_date`` and ``.listed`` follow the study, so that a page of a space, newest
  study first, is one walk of one index (both databases).
* SQLite: the FTS5 trigram table ``study_words`` over ``study_texts``, a copy of the texts of
  studies with a key of its own (rowids of ``studies`` may change in a VACUUM).
* PostgreSQL: one GIN index with pg_trgm, when the extension is there or can be made; without it
  searches by parts of a text read all studies of the space.

``ensure`` makes what is missing; it runs after tables are created and after every migration (a
migration on SQLite may drop triggers).
"""

from typing import Any

from sqlalchemy import Connection, Table, event

from healthvision.domains.archive.tables import StudySpaceRow

# Column of study_words -> expression over a row of studies.
TEXTS = {
    "names": "patient_search",
    "described": "lower(description)",
    "referrer": "lower(referring_physician)",
    "patient": "patient_id",
    "accession": "accession_number",
}
_SOURCES = "patient_search, description, referring_physician, patient_id, accession_number"
_SHOWN = "{0}deleted_at IS NULL AND {0}instance_count > 0"
_TRIGGERS = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND substr(name, 1, 3) = 'sx_'"
GIN = "sx_studies_trigrams"


def ensure(connection: Connection) -> None:
    """Make the triggers and indexes that are missing and fill them; safe to call again."""
    if connection.dialect.name == "sqlite":
        _ensure_sqlite(connection)
    else:
        _ensure_postgresql(connection)


def release(connection: Connection) -> None:
    """Drop the triggers before a migration: SQLite cannot replace a table they name."""
    if connection.dialect.name == "sqlite":
        for name in list(connection.exec_driver_sql(_TRIGGERS).scalars()):
            connection.exec_driver_sql(f"DROP TRIGGER {name}")


@event.listens_for(StudySpaceRow.__table__, "after_create")
def _after_create(_table: Table, connection: Connection, **_options: Any) -> None:
    ensure(connection)


def _of(row: str) -> str:
    """Return the expressions of TEXTS over ``new`` or ``old``."""
    values = []
    for expression in TEXTS.values():
        name, lowered = expression.removeprefix("lower(").rstrip(")"), "lower(" in expression
        values.append(f"lower({row}.{name})" if lowered else f"{row}.{name}")
    return ", ".join(values)


def _sqlite_statements() -> list[str]:
    columns = ", ".join(TEXTS)
    gone = f"INSERT INTO study_words(study_words, rowid, {columns}) VALUES ('delete', old.docid, "
    gone += ", ".join(f"old.{c}" for c in TEXTS) + ");"
    come = f"INSERT INTO study_words(rowid, {columns}) VALUES (new.docid, "
    come += ", ".join(f"new.{c}" for c in TEXTS) + ");"
    shown_new, shown_old = _SHOWN.format("new."), _SHOWN.format("old.")
    texts = ", ".join(f"{c} TEXT NOT NULL" for c in TEXTS)
    make = "CREATE TRIGGER IF NOT EXISTS"
    return [
        f"CREATE TABLE IF NOT EXISTS study_texts (docid INTEGER PRIMARY KEY, "
        f"study_id CHAR(32) NOT NULL UNIQUE, {texts})",
        f"CREATE VIRTUAL TABLE IF NOT EXISTS study_words USING fts5({columns}, "
        "content='study_texts', content_rowid='docid', tokenize='trigram')",
        f"{make} sx_texts_insert AFTER INSERT ON study_texts BEGIN {come} END",
        f"{make} sx_texts_delete AFTER DELETE ON study_texts BEGIN {gone} END",
        f"{make} sx_texts_update AFTER UPDATE ON study_texts BEGIN {gone} {come} END",
        f"{make} sx_studies_insert AFTER INSERT ON studies BEGIN "
        f"INSERT INTO study_texts(study_id, {columns}) VALUES (new.id, {_of('new')}); END",
        f"{make} sx_studies_update AFTER UPDATE OF {_SOURCES} ON studies "
        f"WHEN ({_of('old')}) IS NOT ({_of('new')}) BEGIN "
        f"UPDATE study_texts SET ({columns}) = ({_of('new')}) WHERE study_id = new.id; END",
        f"{make} sx_studies_delete AFTER DELETE ON studies BEGIN "
        "DELETE FROM study_texts WHERE study_id = old.id; END",
        f"{make} sx_studies_listed AFTER UPDATE OF study_date, deleted_at, instance_count "
        f"ON studies WHEN old.study_date IS NOT new.study_date OR ({shown_old}) <> ({shown_new}) "
        "BEGIN UPDATE study_spaces SET study_date = new.study_date, "
        f"listed = ({shown_new}) WHERE study_id = new.id; END",
        f"{make} sx_spaces_insert AFTER INSERT ON study_spaces BEGIN {_refresh('new.study_id')}; "
        "END",
    ]


def _refresh(study: str) -> str:
    """Return the statement that copies study date and state into memberships of a study."""
    return (
        "UPDATE study_spaces SET (study_date, listed) = (SELECT s.study_date, "
        f"{_SHOWN.format('s.')} FROM studies s WHERE s.id = study_spaces.study_id) "
        f"WHERE study_id = {study}"
    )


def _ensure_sqlite(connection: Connection) -> None:
    statements = _sqlite_statements()
    triggers = sum("CREATE TRIGGER" in s for s in statements)
    if len(list(connection.exec_driver_sql(_TRIGGERS))) == triggers:
        return
    for statement in statements:
        connection.exec_driver_sql(statement)
    columns = ", ".join(TEXTS)
    connection.exec_driver_sql(
        f"INSERT INTO study_texts(study_id, {columns}) SELECT s.id, {_of('s')} FROM studies s "
        "WHERE s.id NOT IN (SELECT study_id FROM study_texts)"
    )
    connection.exec_driver_sql(_refresh("study_spaces.study_id"))


_POSTGRESQL = (
    f"""CREATE OR REPLACE FUNCTION sx_spaces_insert() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      SELECT s.study_date, {_SHOWN.format("s.")} INTO NEW.study_date, NEW.listed
      FROM studies s WHERE s.id = NEW.study_id;
      IF NOT FOUND THEN NEW.study_date := ''; NEW.listed := false; END IF;
      RETURN NEW;
    END $$""",
    """CREATE OR REPLACE TRIGGER sx_spaces_insert BEFORE INSERT ON study_spaces
    FOR EACH ROW EXECUTE FUNCTION sx_spaces_insert()""",
    f"""CREATE OR REPLACE FUNCTION sx_studies_listed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      UPDATE study_spaces SET study_date = NEW.study_date, listed = ({_SHOWN.format("NEW.")})
      WHERE study_id = NEW.id;
      RETURN NULL;
    END $$""",
    f"""CREATE OR REPLACE TRIGGER sx_studies_listed
    AFTER UPDATE OF study_date, deleted_at, instance_count ON studies FOR EACH ROW
    WHEN (OLD.study_date IS DISTINCT FROM NEW.study_date
          OR ({_SHOWN.format("OLD.")}) <> ({_SHOWN.format("NEW.")}))
    EXECUTE FUNCTION sx_studies_listed()""",
    _refresh("study_spaces.study_id"),
    """DO $$ BEGIN CREATE EXTENSION IF NOT EXISTS pg_trgm;
    EXCEPTION WHEN insufficient_privilege OR undefined_file OR feature_not_supported
      OR unique_violation THEN NULL; END $$""",
)


def _ensure_postgresql(connection: Connection) -> None:
    known = "SELECT count(*) FROM pg_trigger WHERE tgname = 'sx_studies_listed'"
    if not connection.exec_driver_sql(known).scalar():
        for statement in _POSTGRESQL:
            connection.exec_driver_sql(statement)
    extension = "SELECT count(*) FROM pg_extension WHERE extname = 'pg_trgm'"
    if connection.exec_driver_sql(extension).scalar():
        columns = ", ".join(f"({e}) gin_trgm_ops" for e in TEXTS.values())
        connection.exec_driver_sql(
            f"CREATE INDEX IF NOT EXISTS {GIN} ON studies USING gin ({columns})"
        )
