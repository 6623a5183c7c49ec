-- Inbox, audit trail and source of `explain` in one: the verdict given to each request.

-- The key in this order: with time-ordered request ids new rows go to the right edge of each site's part of the index,
-- several times cheaper than scattered by requester, and `explain` finds a request id without another index.
-- No foreign key to members: it would lock member rows that a mere rejection has no business with.
CREATE TABLE join_requests (
    site_id        uuid NOT NULL,
    request_id     text NOT NULL,
    requester      text NOT NULL,
    -- SHA-256 of the request's meaning: the same id with another meaning is a conflict.
    digest         bytea NOT NULL,
    member_id      uuid,
    caller         text NOT NULL,
    elevated       boolean NOT NULL,
    proof          text NOT NULL,
    verdict        text NOT NULL,
    code           text,
    reason         text,
    -- The record's sequence that the verdict was decided on, or that the join made.
    event_sequence bigint,
    received_at    timestamptz NOT NULL,
    decided_at     timestamptz NOT NULL,
    traceparent    text,
    PRIMARY KEY (site_id, request_id, requester)
);

-- No index on decided_at: rows are pruned by walking the table in slices of pages, which costs the join path nothing.
-- (A block range index is no help: a page that was pruned is filled again, and its range then spans old and new.)
