-- The log. Positions are given by the writer: one after another, in the order of the commits.
create table events (
    position  integer primary key,
    stream    text    not null,  -- '' belongs to no stream
    version   integer not null,  -- its place in its stream, from 1; 0 without a stream
    type      text    not null,
    data      blob    not null,
    tags      text,              -- a JSON array, or null for none
    metadata  blob    not null,
    micros    integer not null,  -- when it happened: microseconds since 1970, UTC
    commit_id text    not null,
    ordinal   integer not null,  -- its place in its commit, from 0
    origin    integer not null   -- where its stream begins: the position of version 1; or 0
);

-- Where each stream begins. (With the version in it, SQLite need not look at the event itself.)
create unique index events_by_stream on events (stream, version) where version = 1;

-- One stream in order; and the last defence against two events of one version. What is new is at
-- the end of this index, whatever streams are called: there it costs little, however long the log.
create unique index events_by_origin on events (origin, version) where version > 0;

-- Every commit once: appending an id again finds the first outcome here.
create unique index events_by_commit on events (commit_id) where ordinal = 0;

-- The events of a type in order (every index ends in the position).
create index events_by_type on events (type);

-- Which events carry a tag, in order.
create table tags (
    tag      text    not null,
    position integer not null,
    primary key (tag, position)
) without rowid;
