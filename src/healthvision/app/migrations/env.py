# SPDX-License-Identifier: Apache-2.0
"""Alembic's entry: runs inside the connection that ``app.schema`` hands over."""

from alembic import context

from healthvision.kernel.db import Base

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
    include_name=lambda name, kind, _parents: kind != "schema" or name is None,
)
with context.begin_transaction():
    context.run_migrations()
