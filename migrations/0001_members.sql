-- Members and the gate of their site. Other writers may use these tables; the triggers keep the promises for them.

CREATE TABLE sites (
    site_id                  uuid PRIMARY KEY,
    -- ANYONE: every member may be public. NO_ONE: all profiles are private. A site without a row counts as ANYONE.
    public_member_candidates text NOT NULL DEFAULT 'ANYONE' CHECK (public_member_candidates IN ('ANYONE', 'NO_ONE'))
);

-- Every key starts with the site: the shard key where one PostgreSQL is outgrown.
-- fillfactor 80 and no index that mentions updated_date or privacy_status keep every join a HOT update.
CREATE TABLE members (
    site_id              uuid NOT NULL,
    id                   uuid NOT NULL,
    login_email          text,
    login_email_verified boolean,
    -- UNKNOWN is a read mask of the Members API, never a state.
    status               text NOT NULL DEFAULT 'APPROVED' CHECK (status IN ('PENDING', 'APPROVED', 'BLOCKED', 'OFFLINE')),
    privacy_status       text NOT NULL DEFAULT 'PRIVATE' CHECK (privacy_status IN ('PRIVATE', 'PUBLIC')),
    activity_status      text NOT NULL DEFAULT 'ACTIVE' CHECK (activity_status IN ('ACTIVE', 'MUTED')),
    contact_id           uuid,
    contact              jsonb CHECK (jsonb_typeof(contact) = 'object'),
    profile              jsonb CHECK (jsonb_typeof(profile) = 'object'),
    created_date         timestamptz NOT NULL DEFAULT date_trunc('milliseconds', now()),
    -- May precede created_date: the Members API rounds that one to seconds.
    updated_date         timestamptz NOT NULL DEFAULT date_trunc('milliseconds', now()),
    last_login_date      timestamptz,
    -- Fields that no version of this schema knows yet. They survive import and export.
    -- A known field among them would stand twice in every event.
    extra                jsonb CHECK (jsonb_typeof(extra) = 'object' AND NOT extra ?| ARRAY[
        'id', 'loginEmail', 'loginEmailVerified', 'status', 'contactId', 'contact', 'profile', 'privacyStatus',
        'activityStatus', 'createdDate', 'updatedDate', 'lastLoginDate'
    ]),
    -- Rises by one with every change, whoever makes it; consumers and cache keep the highest they have seen.
    event_sequence       bigint NOT NULL DEFAULT 0,
    -- A deleted member leaves this row behind, so that its sequence can never start over.
    deleted_date         timestamptz,
    PRIMARY KEY (site_id, id),
    -- Times that can be written in JSON: no infinity, four digits of year.
    CONSTRAINT writable_dates CHECK (
        least(created_date, updated_date, last_login_date) >= '0001-01-01Z'
        AND greatest(created_date, updated_date, last_login_date) < '10000-01-01Z'
    )
) WITH (fillfactor = 80);

-- The outbox: this member owes the world its newest state. Never more rows than members.
-- A later change raises the sequence and replaces the cause; a row goes only with the sequence that was announced.
CREATE TABLE outbox (
    site_id        uuid NOT NULL,
    member_id      uuid NOT NULL,
    event_sequence bigint NOT NULL,
    event_due      boolean NOT NULL,
    cache_due      boolean NOT NULL,
    -- What made the newest change: join_community, external or import; the next three only for the first.
    origin         text NOT NULL,
    caller         text,
    request_id     text,
    traceparent    text,
    -- Whoever announces holds a lease, by this server's clock. A row of ours is born with one: memory has it.
    lease_until    timestamptz NOT NULL DEFAULT '-infinity',
    -- How often an announcement was tried; the pause between two grows with it.
    attempts       integer NOT NULL DEFAULT 0,
    since          timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (site_id, member_id)
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 20000);

CREATE INDEX outbox_event_due ON outbox (lease_until) WHERE event_due;
CREATE INDEX outbox_cache_due ON outbox (lease_until) WHERE cache_due;

-- What one changed row owes, for writers that do not know the outbox.
CREATE FUNCTION owe_announcement(changed members) RETURNS void LANGUAGE sql AS $$
    INSERT INTO outbox (site_id, member_id, event_sequence, event_due, cache_due, origin)
    VALUES (changed.site_id, changed.id, changed.event_sequence, changed.deleted_date IS NULL, true, 'external')
    ON CONFLICT (site_id, member_id) DO UPDATE SET
        event_sequence = excluded.event_sequence,
        event_due = excluded.event_due,
        cache_due = true,
        origin = excluded.origin,
        caller = NULL, request_id = NULL, traceparent = NULL,
        lease_until = excluded.lease_until,
        attempts = 0
$$;

-- A writer that leaves the sequence alone does not know the rule: the trigger keeps it for that writer.
CREATE FUNCTION own_member_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.event_sequence := OLD.event_sequence + 1;
    IF NEW.updated_date = OLD.updated_date THEN
        NEW.updated_date := greatest(OLD.updated_date, date_trunc('milliseconds', now()));
    ELSE
        NEW.updated_date := date_trunc('milliseconds', NEW.updated_date);
    END IF;
    PERFORM owe_announcement(NEW);
    RETURN NEW;
END $$;

CREATE TRIGGER own_member_change BEFORE UPDATE ON members FOR EACH ROW
    WHEN (NEW.event_sequence = OLD.event_sequence AND NEW IS DISTINCT FROM OLD)
    EXECUTE FUNCTION own_member_change();

-- A sequence that falls would make every consumer deaf to the member.
CREATE FUNCTION refuse_falling_sequence() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'event_sequence of member % falls from % to %', OLD.id, OLD.event_sequence, NEW.event_sequence
        USING ERRCODE = 'integrity_constraint_violation', HINT = 'Leave event_sequence out of the UPDATE.';
END $$;

CREATE TRIGGER refuse_falling_sequence BEFORE UPDATE ON members FOR EACH ROW
    WHEN (NEW.event_sequence < OLD.event_sequence)
    EXECUTE FUNCTION refuse_falling_sequence();

-- A row under another key would be another member, and nobody would ever hear the end of the first.
CREATE FUNCTION refuse_other_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the key of member % cannot be changed', OLD.id
        USING ERRCODE = 'integrity_constraint_violation', HINT = 'DELETE this member and INSERT the other.';
END $$;

CREATE TRIGGER refuse_other_key BEFORE UPDATE OF site_id, id ON members FOR EACH ROW
    WHEN (NEW.site_id <> OLD.site_id OR NEW.id <> OLD.id)
    EXECUTE FUNCTION refuse_other_key();

-- DELETE leaves a tombstone, a change like any other: it owes the cache its removal, and no event.
-- What was known of the person goes; the tombstone is only there for the sequence.
CREATE FUNCTION bury_member() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE members SET
        deleted_date = date_trunc('milliseconds', now()),
        login_email = NULL, login_email_verified = NULL, contact_id = NULL, contact = NULL, profile = NULL,
        last_login_date = NULL, extra = NULL
    WHERE site_id = OLD.site_id AND id = OLD.id AND deleted_date IS NULL;
    RETURN NULL;
END $$;

CREATE TRIGGER bury_member BEFORE DELETE ON members FOR EACH ROW EXECUTE FUNCTION bury_member();

CREATE FUNCTION refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'members cannot be truncated: their sequences would start over'
        USING HINT = 'DELETE leaves tombstones; to start from nothing, drop the database.';
END $$;

CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON members EXECUTE FUNCTION refuse_truncate();

-- The lists of a contact are never absent, whoever writes it.
CREATE FUNCTION complete_contact() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.contact := '{"phones": [], "emails": [], "addresses": [], "customFields": {}}'::jsonb || NEW.contact;
    RETURN NEW;
END $$;

-- Fires before own_member_change, by its name: that one must see what is stored.
CREATE TRIGGER complete_contact BEFORE INSERT OR UPDATE OF contact ON members FOR EACH ROW
    WHEN (NEW.contact IS NOT NULL AND NOT NEW.contact ?& ARRAY['phones', 'emails', 'addresses', 'customFields'])
    EXECUTE FUNCTION complete_contact();

-- Whoever may write members need not be granted the outbox, nor have this schema on the search path: the triggers run
-- with the rights and in the schema of whoever made them. pg_temp last, or a temporary table could pass for the outbox.
DO $$
DECLARE
    keeper regprocedure;
BEGIN
    FOREACH keeper IN ARRAY ARRAY['own_member_change()', 'bury_member()']::regprocedure[] LOOP
        EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER SET search_path = %I, pg_temp', keeper, current_schema());
    END LOOP;
END $$;
