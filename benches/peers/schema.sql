-- The peers' tables: the same durable work in plain tables, so that no peer pays for the worker's triggers.
-- A unit of work is found again by its request, and what it still owes lies in the outbox until it is paid.

CREATE TABLE members (
    site_id        uuid NOT NULL,
    id             uuid NOT NULL,
    login_email    text,
    status         text NOT NULL DEFAULT 'APPROVED',
    privacy_status text NOT NULL DEFAULT 'PRIVATE',
    contact_id     uuid,
    contact        jsonb,
    profile        jsonb,
    created_date   timestamptz NOT NULL DEFAULT date_trunc('milliseconds', now()),
    updated_date   timestamptz NOT NULL DEFAULT date_trunc('milliseconds', now()),
    event_sequence bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (site_id, id)
) WITH (fillfactor = 80);

CREATE TABLE inbox (
    site_id     uuid NOT NULL,
    request_id  text NOT NULL,
    verdict     text NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (site_id, request_id)
);

CREATE TABLE outbox (
    site_id    uuid NOT NULL,
    request_id text NOT NULL,
    event      jsonb NOT NULL,
    PRIMARY KEY (site_id, request_id)
);
