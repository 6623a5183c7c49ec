-- Deliveries that came back and are tried alone, because a worker may have died of one of them.

-- A mark is made before the try and taken away after it: one that stays tells of a lane that died meanwhile.
CREATE TABLE suspects (
    -- SHA-256 of what was sent, by whom and under which id: known without reading any of it.
    fingerprint bytea NOT NULL,
    -- The lane that tries; another one after each start of a worker.
    lane        uuid NOT NULL,
    marked_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (fingerprint, lane)
);
