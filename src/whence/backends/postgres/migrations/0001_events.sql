-- The log, as in every backend. Positions are drawn inside whence.append_*; see there for why
-- no event ever becomes visible behind a reader.
create table whence.events (
    position  bigint   not null primary key,
    stream    text     collate "C" not null, -- '' belongs to no stream
    version   bigint   not null,            -- its place in its stream, from 1; 0 without a stream
    type      text     collate "C" not null,
    data      bytea    not null,
    tags      text[],                       -- null for none
    metadata  bytea    not null,
    micros    bigint   not null,            -- when it happened: microseconds since 1970, UTC
    commit_id text     collate "C" not null,
    ordinal   integer  not null             -- its place in its commit, from 0
);

create sequence whence.positions cache 1;

-- One stream in order; and the last word in a race for a version.
create unique index events_by_stream on whence.events (stream, version) where version > 0;

-- Every commit once: appending an id again finds the first outcome here.
create unique index events_by_commit on whence.events (commit_id, ordinal);

-- The events of a type in order.
create index events_by_type on whence.events (type, position);

-- Which events carry a tag, in order.
create table whence.tags (
    tag      text    collate "C" not null,
    position bigint  not null,
    primary key (tag, position)
);

-- The latest snapshot of each stream: a cache, which may be emptied at any time.
create table whence.snapshots (
    stream   text    collate "C" not null primary key,
    version  bigint  not null,
    position bigint  not null,              -- of the last event that it has seen
    shape    text    not null,              -- a hash of the state and of the fold that made it
    state    bytea   not null
);
