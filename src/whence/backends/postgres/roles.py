"""Roles with the rights that they need, and no more: SQL for an administrator to run."""

import re

from whence.backends.postgres.address import Address
from whence.errors import WiringError

APPENDED = ("events", "tags")
"""Tables that the application adds to, and never changes."""
CHANGED = ("snapshots",)
"""Tables that it does with as it likes."""
LOOKED_AT = ("migrations",)
"""Tables that only an upgrade writes to."""

_ROLES = """\
-- Two roles for the store in the schema {schema}:
--   {writer} appends, projects and reads; it cannot change or delete an event, nor any table
--   {reader} reads
-- Run it in the store's database, as the owner of the tables and with the right to create roles;
-- again after each upgrade. Give {writer} a password, or whatever pg_hba.conf asks for.
begin;

do $$
declare
    name text;
begin
    foreach name in array array['{writer}', '{reader}'] loop
        if not exists (select from pg_roles where rolname = name) then
            execute format('create role %I login', name);
        end if;
        execute format('grant connect on database %I to %I', current_database(), name);
    end loop;
end
$$;

-- The store.
revoke all on all tables in schema whence from public, "{writer}", "{reader}";
revoke all on all sequences in schema whence from public, "{writer}", "{reader}";
grant usage on schema whence to "{writer}", "{reader}";
grant execute on all functions in schema whence to "{writer}", "{reader}";
grant select on all tables in schema whence to "{writer}", "{reader}";
grant select on all sequences in schema whence to "{writer}", "{reader}";
grant usage on sequence whence.positions to "{writer}";
grant insert on {appended} to "{writer}";
grant insert, update, delete on {changed} to "{writer}";

-- The read models, which the application creates as it needs them. They are its own.
grant usage, create on schema public to "{writer}";
grant usage on schema public to "{reader}";
alter default privileges for role "{writer}" in schema public grant select on tables to "{reader}";
do $$
declare
    name text;
begin
    for name in select tablename from pg_tables
                where schemaname = 'public' and tableowner = '{writer}' loop
        execute format('grant select on public.%I to %I', name, '{reader}');
    end loop;
end
$$;

commit;
"""


def roles_sql(address: Address, writer: str, reader: str) -> str:
    """The script for the store at ``address``. Raises `WiringError` for a name it cannot have."""
    for name in (writer, reader):
        if not re.fullmatch("[a-z_][a-z0-9_]{0,62}", name):
            raise WiringError(f"{name!r} cannot be a role: use small letters, digits and _")
    text = _ROLES.format(
        schema=address.schema,
        writer=writer,
        reader=reader,
        appended=_listed(APPENDED),
        changed=_listed(CHANGED),
    )
    text = text.replace("schema whence ", f"schema {address.schema} ")
    return address.sql(text).decode()


def _listed(tables: tuple[str, ...]) -> str:
    return ", ".join(f"whence.{table}" for table in tables)
