-- What operators have set by hand, for all workers of the installation: a worker that starts finds it here.

CREATE TABLE controls (
    -- `pause intake`, `pause events`, `pause cache`, `hold SITE` or `bounds`.
    name       text PRIMARY KEY,
    -- Of `bounds` alone.
    lanes      integer CHECK (lanes > 0),
    batch      integer CHECK (batch > 0),
    who        text NOT NULL,
    -- Why, in the operator's own words.
    reason     text NOT NULL,
    since      timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- By PostgreSQL's clock; NULL: until it is released.
    expires_at timestamptz,
    CHECK ((name = 'bounds') = (lanes IS NOT NULL AND batch IS NOT NULL))
);
