-- Every statement of a worker of schema 8, as it sent them. Never changed: such workers may still run while a database is
-- brought up to date (docs/decisions/0023-expand-then-contract.md).

-- name: load
SELECT k.n, r.digest, r.verdict, r.code, r.reason, s.public_member_candidates, m.id, m.login_email, m.login_email_verified, m.status, m.privacy_status, m.activity_status, m.contact_id, m.contact::text, m.profile::text, m.created_date, m.updated_date, m.last_login_date, m.extra::text, m.event_sequence, m.deleted_date IS NOT NULL FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[]) WITH ORDINALITY
         AS k (site_id, request_id, requester, member_id, n)
     LEFT JOIN LATERAL (
         SELECT digest, verdict, code, reason FROM join_requests r
         WHERE r.site_id = k.site_id AND r.request_id = k.request_id AND r.requester = k.requester LIMIT 1
     ) r ON true
     LEFT JOIN LATERAL (
         SELECT * FROM members m WHERE m.site_id = k.site_id AND m.id = k.member_id LIMIT 1
     ) m ON true
     LEFT JOIN LATERAL (
         SELECT public_member_candidates FROM sites s WHERE s.site_id = k.site_id LIMIT 1
     ) s ON true

-- name: locked
SELECT k.n
    FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS k (site_id, member_id, n)
    CROSS JOIN LATERAL (SELECT FROM members m WHERE m.site_id = k.site_id AND m.id = k.member_id LIMIT 1) there
    LEFT JOIN LATERAL (
        SELECT true AS free FROM members m WHERE m.site_id = k.site_id AND m.id = k.member_id
        LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
    ) taken ON true
    WHERE taken.free IS NULL

-- name: commit
-- Lock, record, change, owe: one statement, one transaction, one order of locks (members, then request keys, then the
-- outbox, each sorted). An effect is derived from its recorded verdict, so the one cannot exist without the other.
WITH ruling AS MATERIALIZED (
    -- `becomes`: what the verdict makes of the member; NULL if it changes nothing.
    SELECT *, CASE verdict WHEN 'joined' THEN 'PUBLIC' WHEN 'left' THEN 'PRIVATE' END AS becomes FROM unnest(
        $1::uuid[], $2::text[], $3::text[], $4::bytea[], $5::uuid[], $6::text[], $7::boolean[], $8::text[],
        $9::text[], $10::text[], $11::text[], $12::bigint[], $13::timestamptz[], $14::text[], $18::text[]
    ) AS r (
        site_id, request_id, requester, digest, member_id, caller, elevated, proof,
        verdict, code, reason, event_sequence, received_at, traceparent, method
    )
    -- Members first: no prefix of the order in which keys are recorded below, or a planner that builds on it (from 17 on)
    -- would sort site by site, and take locks of a second site while it holds keys of the first.
    ORDER BY member_id, site_id
),
-- The rule once more, on the row as it is now: a lock that was got cannot lose. Where a tombstone will be owed (as below)
-- the member is locked as well: to wait for the debt alone, other members in hand, could be to wait in a circle.
-- LATERAL with LIMIT 1 keeps the look-ups, and so the locks, in the order above.
locked AS MATERIALIZED (
    SELECT r.*, m.won
    FROM ruling r
    LEFT JOIN LATERAL (
        SELECT true AS won FROM members m
        WHERE (
              r.becomes IS NOT NULL
              OR r.verdict = 'rejected' AND r.event_sequence IS NOT NULL
                 AND (r.code = 'NOT_FOUND' OR r.reason IN ('PENDING', 'BLOCKED', 'OFFLINE'))
          )
          AND m.site_id = r.site_id AND m.id = r.member_id
          AND (
              r.becomes IS NULL
              OR m.event_sequence = r.event_sequence - 1 AND m.privacy_status <> r.becomes AND m.deleted_date IS NULL
                 AND (r.becomes = 'PRIVATE' OR m.status = 'APPROVED' AND NOT EXISTS (
                     SELECT FROM sites s WHERE s.site_id = r.site_id AND s.public_member_candidates = 'NO_ONE'
                 ))
          )
        LIMIT 1
        FOR NO KEY UPDATE
    ) m ON true
),
recorded AS (
    INSERT INTO join_requests (
        site_id, request_id, requester, digest, member_id, caller, elevated, proof,
        verdict, code, reason, event_sequence, received_at, decided_at, traceparent, rule_version, method
    )
    SELECT site_id, request_id, requester, digest, member_id, caller, elevated, proof,
           verdict, code, reason, event_sequence, received_at, $15, traceparent, $17::smallint, method
    FROM locked
    WHERE becomes IS NULL OR won
    ORDER BY site_id, request_id, requester
    ON CONFLICT DO NOTHING
    RETURNING site_id, request_id, requester, member_id, caller, verdict, code, reason, event_sequence, traceparent,
              method || '_community' AS origin
),
changed AS (
    UPDATE members m
    SET privacy_status = CASE r.verdict WHEN 'joined' THEN 'PUBLIC' ELSE 'PRIVATE' END,
        updated_date = greatest(m.updated_date, $15), event_sequence = m.event_sequence + 1
    FROM recorded r
    -- `= ANY` can be looked up in an index, but neither hashed nor merged: on a table that was small when the plan was
    -- made, `=` becomes a walk through the whole index for each batch, and stays one when the table has grown.
    WHERE r.verdict IN ('joined', 'left') AND m.site_id = ANY (ARRAY[r.site_id]) AND m.id = r.member_id
    RETURNING m.site_id, m.id, m.event_sequence, r.origin, r.caller, r.request_id, r.traceparent
),
owed AS (
    INSERT INTO outbox (
        site_id, member_id, event_sequence, event_due, cache_due, origin, caller, request_id, traceparent, lease_until
    )
    SELECT *, clock_timestamp() + $16 * interval '1 second' FROM (
        SELECT site_id, id, event_sequence, true, true, origin, caller, request_id, traceparent FROM changed
        UNION ALL
        SELECT site_id, member_id, event_sequence, false, true, origin, caller, request_id, traceparent
        FROM recorded
        -- Without a record there is no sequence, and nothing that could ever have been shown.
        WHERE verdict = 'rejected' AND event_sequence IS NOT NULL
          AND (code = 'NOT_FOUND' OR reason IN ('PENDING', 'BLOCKED', 'OFFLINE'))
    ) AS debt (site_id, member_id)
    ORDER BY site_id, member_id
    ON CONFLICT (site_id, member_id) DO UPDATE SET
        event_sequence = greatest(outbox.event_sequence, excluded.event_sequence),
        event_due = outbox.event_due OR excluded.event_due,
        cache_due = true,
        origin = CASE WHEN excluded.event_due THEN excluded.origin ELSE outbox.origin END,
        caller = CASE WHEN excluded.event_due THEN excluded.caller ELSE outbox.caller END,
        request_id = CASE WHEN excluded.event_due THEN excluded.request_id ELSE outbox.request_id END,
        traceparent = CASE WHEN excluded.event_due THEN excluded.traceparent ELSE outbox.traceparent END,
        lease_until = CASE WHEN excluded.event_due THEN excluded.lease_until ELSE outbox.lease_until END,
        attempts = CASE WHEN excluded.event_due THEN 0 ELSE outbox.attempts END
)
SELECT site_id, request_id, requester FROM recorded

-- name: claim_events
WITH due AS MATERIALIZED (
                 SELECT site_id, member_id FROM outbox WHERE event_due AND lease_until < statement_timestamp()
                 ORDER BY lease_until LIMIT $1 FOR UPDATE SKIP LOCKED
             ), claimed AS (
                 UPDATE outbox o
                 SET attempts = o.attempts + 1,
                     event_sequence = greatest(o.event_sequence, (
                         SELECT m.event_sequence FROM members m WHERE m.site_id = o.site_id AND m.id = o.member_id
                     )),
                     lease_until = clock_timestamp() + $2 * interval '1 second' * power(2, least(o.attempts, 6))
                 FROM due d WHERE o.site_id = ANY (ARRAY[d.site_id]) AND o.member_id = d.member_id
                 RETURNING o.*
             )
             SELECT o.site_id, o.member_id, o.event_sequence, o.event_due, o.cache_due, o.origin, o.caller, o.request_id,
                    o.traceparent, m.id, m.login_email, m.login_email_verified, m.status, m.privacy_status, m.activity_status, m.contact_id, m.contact::text, m.profile::text, m.created_date, m.updated_date, m.last_login_date, m.extra::text, m.event_sequence, m.deleted_date IS NOT NULL FROM claimed o LEFT JOIN LATERAL (
                 SELECT * FROM members m WHERE m.site_id = o.site_id AND m.id = o.member_id LIMIT 1
             ) m ON true

-- name: claim_cache
WITH due AS MATERIALIZED (
                 SELECT site_id, member_id FROM outbox WHERE cache_due AND lease_until < statement_timestamp()
                 ORDER BY lease_until LIMIT $1 FOR UPDATE SKIP LOCKED
             ), claimed AS (
                 UPDATE outbox o
                 SET attempts = o.attempts + 1,
                     event_sequence = greatest(o.event_sequence, (
                         SELECT m.event_sequence FROM members m WHERE m.site_id = o.site_id AND m.id = o.member_id
                     )),
                     lease_until = clock_timestamp() + $2 * interval '1 second' * power(2, least(o.attempts, 6))
                 FROM due d WHERE o.site_id = ANY (ARRAY[d.site_id]) AND o.member_id = d.member_id
                 RETURNING o.*
             )
             SELECT o.site_id, o.member_id, o.event_sequence, o.event_due, o.cache_due, o.origin, o.caller, o.request_id,
                    o.traceparent, m.id, m.login_email, m.login_email_verified, m.status, m.privacy_status, m.activity_status, m.contact_id, m.contact::text, m.profile::text, m.created_date, m.updated_date, m.last_login_date, m.extra::text, m.event_sequence, m.deleted_date IS NOT NULL FROM claimed o LEFT JOIN LATERAL (
                 SELECT * FROM members m WHERE m.site_id = o.site_id AND m.id = o.member_id LIMIT 1
             ) m ON true

-- name: forget
DELETE FROM outbox o USING (
        SELECT o.site_id, o.member_id
        FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::boolean[], $5::boolean[])
            AS p (site_id, member_id, event_sequence, event, cache)
        CROSS JOIN LATERAL (
            SELECT o.site_id, o.member_id FROM outbox o
            WHERE o.site_id = p.site_id AND o.member_id = p.member_id AND o.event_sequence = p.event_sequence
              AND (p.event OR NOT o.event_due) AND (p.cache OR NOT o.cache_due)
            LIMIT 1 FOR UPDATE SKIP LOCKED
        ) o
    ) paid
    WHERE o.site_id = ANY (ARRAY[paid.site_id]) AND o.member_id = paid.member_id

-- name: clear
UPDATE outbox o SET event_due = o.event_due AND NOT paid.event, cache_due = o.cache_due AND NOT paid.cache
    FROM (
        SELECT o.site_id, o.member_id, p.event, p.cache
        FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::boolean[], $5::boolean[])
            AS p (site_id, member_id, event_sequence, event, cache)
        CROSS JOIN LATERAL (
            SELECT o.site_id, o.member_id FROM outbox o
            WHERE o.site_id = p.site_id AND o.member_id = p.member_id AND o.event_sequence = p.event_sequence
            LIMIT 1 FOR UPDATE SKIP LOCKED
        ) o
    ) paid
    WHERE o.site_id = ANY (ARRAY[paid.site_id]) AND o.member_id = paid.member_id

-- name: release
UPDATE outbox o SET lease_until = '-infinity'
    FROM (
        SELECT o.site_id, o.member_id
        FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS p (site_id, member_id, event_sequence)
        CROSS JOIN LATERAL (
            SELECT o.site_id, o.member_id FROM outbox o
            WHERE o.site_id = p.site_id AND o.member_id = p.member_id AND o.event_sequence = p.event_sequence
            LIMIT 1 FOR UPDATE SKIP LOCKED
        ) o
    ) held
    WHERE o.site_id = ANY (ARRAY[held.site_id]) AND o.member_id = held.member_id

-- name: verdicts
SELECT k.n, r.verdict, r.code, r.reason
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[]) WITH ORDINALITY
        AS k (site_id, request_id, requester, digest, n)
    CROSS JOIN LATERAL (
        SELECT verdict, code, reason, digest FROM join_requests r
        WHERE r.site_id = k.site_id AND r.request_id = k.request_id AND r.requester = k.requester LIMIT 1
    ) r
    WHERE r.digest = k.digest

-- name: probe
SELECT current_setting('transaction_read_only')::boolean FROM (VALUES (1)) one LEFT JOIN (SELECT event_sequence FROM members LIMIT 0) m ON true

-- name: import
-- Members of one site from a file, each id at most once. In the order of ids, so that two imports, or an import and a
-- lane, never wait for each other in a circle.
WITH line AS MATERIALIZED (
    SELECT * FROM unnest(
        $3::uuid[], $4::text[], $5::boolean[], $6::text[], $7::text[], $8::text[], $9::uuid[],
        $10::text[], $11::text[], $12::timestamptz[], $13::timestamptz[], $14::timestamptz[], $15::text[]
    ) AS l (
        id, login_email, login_email_verified, status, privacy_status, activity_status, contact_id,
        contact, profile, created_date, updated_date, last_login_date, extra
    )
    ORDER BY id
),
-- The file is the record. Only what a record cannot be without is taken from the one before.
merged AS MATERIALIZED (
    SELECT l.id, l.login_email, l.login_email_verified,
           coalesce(l.status, m.status, 'APPROVED') AS status,
           coalesce(l.privacy_status, m.privacy_status, 'PRIVATE') AS privacy_status,
           coalesce(l.activity_status, m.activity_status, 'ACTIVE') AS activity_status,
           l.contact_id, l.contact::jsonb AS contact, l.profile::jsonb AS profile,
           coalesce(l.created_date, m.created_date, $2) AS created_date,
           coalesce(l.updated_date, $2) AS updated_date,
           l.last_login_date, l.extra::jsonb AS extra
    FROM line l
    LEFT JOIN LATERAL (
        -- A member who was deleted and comes back is private until the file, or a join, says otherwise.
        SELECT CASE WHEN deleted_date IS NULL THEN status END AS status,
               CASE WHEN deleted_date IS NULL THEN privacy_status END AS privacy_status,
               CASE WHEN deleted_date IS NULL THEN activity_status END AS activity_status,
               created_date
        FROM members m
        WHERE m.site_id = $1 AND m.id = l.id LIMIT 1 FOR NO KEY UPDATE
    ) m ON true
),
-- When the file says that a known record last changed is no difference: this import is when it last changed.
taken AS (
    INSERT INTO members AS m (
        site_id, id, login_email, login_email_verified, status, privacy_status, activity_status, contact_id,
        contact, profile, created_date, updated_date, last_login_date, extra
    )
    SELECT $1, id, login_email, login_email_verified, status, privacy_status, activity_status, contact_id,
           contact, profile, created_date, updated_date, last_login_date, extra
    FROM merged ORDER BY id
    ON CONFLICT (site_id, id) DO UPDATE SET
        login_email = excluded.login_email,
        login_email_verified = excluded.login_email_verified,
        status = excluded.status,
        privacy_status = excluded.privacy_status,
        activity_status = excluded.activity_status,
        contact_id = excluded.contact_id,
        contact = excluded.contact,
        profile = excluded.profile,
        created_date = excluded.created_date,
        updated_date = greatest(m.updated_date, $2),
        last_login_date = excluded.last_login_date,
        extra = excluded.extra,
        event_sequence = m.event_sequence + 1,
        deleted_date = NULL
    WHERE (m.login_email, m.login_email_verified, m.status, m.privacy_status, m.activity_status, m.contact_id,
           m.contact, m.profile, m.created_date, m.last_login_date, m.extra, m.deleted_date)
        IS DISTINCT FROM
          (excluded.login_email, excluded.login_email_verified, excluded.status, excluded.privacy_status,
           excluded.activity_status, excluded.contact_id, excluded.contact, excluded.profile, excluded.created_date,
           excluded.last_login_date, excluded.extra, NULL)
    RETURNING id, event_sequence
),
owed AS (
    INSERT INTO outbox (site_id, member_id, event_sequence, event_due, cache_due, origin)
    SELECT $1, id, event_sequence, true, true, 'import' FROM taken WHERE event_sequence > 0 ORDER BY id
    ON CONFLICT (site_id, member_id) DO UPDATE SET
        event_sequence = excluded.event_sequence,
        event_due = true,
        cache_due = true,
        origin = excluded.origin,
        caller = NULL, request_id = NULL, traceparent = NULL,
        lease_until = excluded.lease_until,
        attempts = 0
)
SELECT count(*) FILTER (WHERE event_sequence = 0), count(*) FILTER (WHERE event_sequence > 0) FROM taken

-- name: advance
-- Raises the sequences of one slice of a site's members. A debt moves along: it is still the newest state that is owed.
WITH slice AS MATERIALIZED (
    SELECT site_id, id FROM members WHERE site_id = $1 AND id >= $2 ORDER BY id LIMIT $4 FOR NO KEY UPDATE
),
raised AS (
    UPDATE members m SET event_sequence = m.event_sequence + $3
    -- `= ANY` for the reason given in commit.sql.
    FROM slice s WHERE m.site_id = ANY (ARRAY[s.site_id]) AND m.id = s.id
    RETURNING m.site_id, m.id, m.event_sequence, m.deleted_date
),
owed AS (
    INSERT INTO outbox AS o (site_id, member_id, event_sequence, event_due, cache_due, origin)
    SELECT r.site_id, r.id, r.event_sequence, r.deleted_date IS NULL, true, 'external'
    FROM raised r
    LEFT JOIN LATERAL (
        SELECT true AS is_owed FROM outbox o WHERE o.site_id = r.site_id AND o.member_id = r.id LIMIT 1
    ) debt ON true
    WHERE $5 OR debt.is_owed
    ORDER BY r.id
    ON CONFLICT (site_id, member_id) DO UPDATE SET
        event_sequence = excluded.event_sequence,
        event_due = o.event_due OR ($5 AND excluded.event_due),
        cache_due = o.cache_due OR $5
)
SELECT count(*), (array_agg(id ORDER BY id DESC))[1] FROM raised

-- name: page
SELECT m.id, m.login_email, m.login_email_verified, m.status, m.privacy_status, m.activity_status, m.contact_id, m.contact::text, m.profile::text, m.created_date, m.updated_date, m.last_login_date, m.extra::text, m.event_sequence, m.deleted_date IS NOT NULL FROM members m WHERE m.site_id = $1 AND m.id >= $2 AND m.deleted_date IS NULL ORDER BY m.id LIMIT $3

-- name: member
SELECT m.id, m.login_email, m.login_email_verified, m.status, m.privacy_status, m.activity_status, m.contact_id, m.contact::text, m.profile::text, m.created_date, m.updated_date, m.last_login_date, m.extra::text, m.event_sequence, m.deleted_date IS NOT NULL FROM members m WHERE m.site_id = $1 AND m.id = $2

-- name: next_site
SELECT site_id FROM members WHERE site_id >= $1 ORDER BY site_id LIMIT 1

-- name: set_gate
INSERT INTO sites (site_id, public_member_candidates) VALUES ($1, $2)
    ON CONFLICT (site_id) DO UPDATE SET public_member_candidates = excluded.public_member_candidates

-- name: gate
SELECT public_member_candidates FROM sites WHERE site_id = $1

-- name: several_sites
SELECT (SELECT site_id FROM members ORDER BY site_id LIMIT 1)
        IS DISTINCT FROM (SELECT site_id FROM members ORDER BY site_id DESC LIMIT 1)

-- name: controls
SELECT name, lanes, batch, who, reason, since, expires_at FROM controls
    WHERE expires_at IS NULL OR expires_at > clock_timestamp() ORDER BY name LIMIT 1000

-- name: set_control
WITH noted AS (
        INSERT INTO operator_actions (who, role, action, target, reason, outcome) VALUES ($1, $2, $3, $4, $5, $6)
    )
    INSERT INTO controls (name, who, reason, lanes, batch, expires_at)
    VALUES ($4, $1, $5, $7, $8, clock_timestamp() + $9 * interval '1 second')
    ON CONFLICT (name) DO UPDATE SET
        who = excluded.who, reason = excluded.reason, lanes = excluded.lanes, batch = excluded.batch,
        since = excluded.since, expires_at = excluded.expires_at

-- name: release_control
WITH gone AS (DELETE FROM controls WHERE name = $4 RETURNING 1),
    noted AS (
        INSERT INTO operator_actions (who, role, action, target, reason, outcome)
        SELECT $1, $2, $3, $4, $5, CASE WHEN EXISTS (SELECT FROM gone) THEN $6 ELSE 'it was not set' END
    )
    SELECT EXISTS (SELECT FROM gone)

-- name: recorded
WITH RECURSIVE site AS (
        (SELECT site_id FROM join_requests WHERE site_id >= coalesce($2::uuid, '00000000-0000-0000-0000-000000000000')
         ORDER BY site_id LIMIT 1)
        UNION ALL
        SELECT (SELECT r.site_id FROM join_requests r WHERE r.site_id > site.site_id ORDER BY r.site_id LIMIT 1)
        FROM site WHERE site.site_id IS NOT NULL AND $2 IS NULL
    )
    SELECT r.site_id, r.requester, r.verdict, r.code, r.reason, r.member_id, r.caller, r.elevated, r.proof,
           r.event_sequence, r.received_at, r.decided_at, r.traceparent, r.rule_version, r.method,
           o.event_sequence, o.event_due, o.cache_due, o.attempts, extract(epoch FROM clock_timestamp() - o.since)::float8
    FROM site
    CROSS JOIN LATERAL (
        SELECT * FROM join_requests r WHERE r.site_id = site.site_id AND r.request_id = $1 ORDER BY r.requester LIMIT 100
    ) r
    LEFT JOIN LATERAL (
        SELECT * FROM outbox o WHERE o.site_id = r.site_id AND o.member_id = r.member_id LIMIT 1
    ) o ON true
    WHERE $2 IS NULL OR r.site_id = $2
    LIMIT 100

-- name: search_newest
SELECT r.site_id, r.requester, r.verdict, r.code, r.reason, r.member_id, r.caller, r.elevated, r.proof,
                    r.event_sequence, r.received_at, r.decided_at, r.traceparent, r.rule_version, r.method,
                    NULL::bigint, NULL::boolean, NULL::boolean, NULL::integer, NULL::float8, r.request_id
             FROM (
                 SELECT * FROM join_requests r WHERE r.site_id = $1 ORDER BY r.site_id DESC, r.request_id DESC, r.requester DESC LIMIT $2
             ) r
             WHERE ($3::uuid IS NULL OR r.member_id = $3)
               AND ($4::text IS NULL OR r.verdict = $4 OR r.code = $4 OR r.reason = $4)
               AND ($5::timestamptz IS NULL OR r.decided_at >= $5)
               AND ($6::timestamptz IS NULL OR r.decided_at < $6)
             ORDER BY r.request_id DESC, r.requester DESC LIMIT $7

-- name: search_older
SELECT r.site_id, r.requester, r.verdict, r.code, r.reason, r.member_id, r.caller, r.elevated, r.proof,
                    r.event_sequence, r.received_at, r.decided_at, r.traceparent, r.rule_version, r.method,
                    NULL::bigint, NULL::boolean, NULL::boolean, NULL::integer, NULL::float8, r.request_id
             FROM (
                 SELECT * FROM join_requests r WHERE r.site_id = $1 AND (r.site_id, r.request_id, r.requester) < ($1, $8::text, $9::text) ORDER BY r.site_id DESC, r.request_id DESC, r.requester DESC LIMIT $2
             ) r
             WHERE ($3::uuid IS NULL OR r.member_id = $3)
               AND ($4::text IS NULL OR r.verdict = $4 OR r.code = $4 OR r.reason = $4)
               AND ($5::timestamptz IS NULL OR r.decided_at >= $5)
               AND ($6::timestamptz IS NULL OR r.decided_at < $6)
             ORDER BY r.request_id DESC, r.requester DESC LIMIT $7

-- name: search_newest_edge
SELECT r.request_id, r.requester FROM join_requests r WHERE r.site_id = $1 ORDER BY r.site_id DESC, r.request_id DESC, r.requester DESC OFFSET $2 - 1 LIMIT 1

-- name: search_older_edge
SELECT r.request_id, r.requester FROM join_requests r WHERE r.site_id = $1 AND (r.site_id, r.request_id, r.requester) < ($1, $3::text, $4::text) ORDER BY r.site_id DESC, r.request_id DESC, r.requester DESC OFFSET $2 - 1 LIMIT 1

-- name: debt
SELECT event_sequence, event_due, cache_due, attempts, extract(epoch FROM clock_timestamp() - since)::float8
    FROM outbox WHERE site_id = $1 AND member_id = $2

-- name: record_action
INSERT INTO operator_actions (who, role, action, target, reason, outcome) VALUES ($1, $2, $3, $4, $5, $6)

-- name: actions
SELECT id, at, who, role, action, target, reason, outcome FROM operator_actions
    WHERE id < $1 ORDER BY id DESC LIMIT $2

-- name: prune
WITH gone AS (
        DELETE FROM join_requests
        WHERE ctid >= format('(%s,0)', $2::bigint)::tid AND ctid < format('(%s,0)', $2::bigint + $3::bigint)::tid
          AND decided_at < clock_timestamp() - $1 * interval '1 second'
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM gone), pg_relation_size('join_requests') / current_setting('block_size')::bigint

-- name: outbox_depth
SELECT count(*), extract(epoch FROM clock_timestamp() - min(since))::float8 FROM outbox

-- name: stand_for
SELECT pg_advisory_lock_shared(hashtextextended($1::uuid::text, 0))

-- name: mark
WITH mark AS (INSERT INTO suspects (fingerprint, process) VALUES ($1, $2) ON CONFLICT DO NOTHING)
    SELECT count(*), count(*) FILTER (WHERE NOT EXISTS (
        SELECT FROM pg_locks
        WHERE locktype = 'advisory' AND objsubid = 1 AND granted
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND (classid::bigint << 32) | objid::bigint = hashtextextended(process::text, 0)))
    FROM suspects WHERE fingerprint = $1 AND process <> $2

-- name: unmark
DELETE FROM suspects WHERE fingerprint = $1

-- name: unmark_process
DELETE FROM suspects WHERE process = $1

-- name: prune_marks
DELETE FROM suspects WHERE marked_at < clock_timestamp() - $1 * interval '1 second'

-- name: audit_page
SELECT m.site_id, m.id, coalesce(o.cache_due, false),
                    m.id, NULL::text, NULL::boolean, m.status, m.privacy_status, m.activity_status, m.contact_id, NULL::text,
                    m.profile::text, m.created_date, m.updated_date, NULL::timestamptz, NULL::text, m.event_sequence,
                    m.deleted_date IS NOT NULL
             FROM (SELECT * FROM members WHERE (site_id, id) >= ($1::uuid, $2::uuid) ORDER BY site_id, id LIMIT $3) m LEFT JOIN LATERAL (
                 SELECT cache_due FROM outbox o WHERE o.site_id = m.site_id AND o.member_id = m.id LIMIT 1
             ) o ON true

-- name: audit_again
SELECT m.site_id, m.id, coalesce(o.cache_due, false),
                    m.id, NULL::text, NULL::boolean, m.status, m.privacy_status, m.activity_status, m.contact_id, NULL::text,
                    m.profile::text, m.created_date, m.updated_date, NULL::timestamptz, NULL::text, m.event_sequence,
                    m.deleted_date IS NOT NULL
             FROM unnest($1::uuid[], $2::uuid[]) AS k (site_id, member_id)
     CROSS JOIN LATERAL (SELECT * FROM members m WHERE m.site_id = k.site_id AND m.id = k.member_id LIMIT 1) m LEFT JOIN LATERAL (
                 SELECT cache_due FROM outbox o WHERE o.site_id = m.site_id AND o.member_id = m.id LIMIT 1
             ) o ON true

-- name: audit_owe
INSERT INTO outbox AS o (site_id, member_id, event_sequence, event_due, cache_due, origin)
    SELECT m.site_id, m.id, m.event_sequence, false, true, 'external'
    FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS d (site_id, member_id, event_sequence)
    CROSS JOIN LATERAL (
        SELECT m.site_id, m.id, m.event_sequence FROM members m
        WHERE m.site_id = d.site_id AND m.id = d.member_id AND m.event_sequence = d.event_sequence
        LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
    ) m
    ON CONFLICT (site_id, member_id) DO UPDATE SET
        event_sequence = greatest(o.event_sequence, excluded.event_sequence), cache_due = true

-- name: resync_page
SELECT k.id, CASE WHEN o.event_due THEN o.origin END, o.caller, o.request_id, o.traceparent, m.id, m.login_email, m.login_email_verified, m.status, m.privacy_status, m.activity_status, m.contact_id, m.contact::text, m.profile::text, m.created_date, m.updated_date, m.last_login_date, m.extra::text, m.event_sequence, m.deleted_date IS NOT NULL FROM (SELECT site_id, id FROM members WHERE site_id = $1 AND id >= $2 ORDER BY id LIMIT $3) k
     LEFT JOIN LATERAL (
         SELECT * FROM members m
         WHERE m.site_id = k.site_id AND m.id = k.id AND m.event_sequence > 0 AND m.deleted_date IS NULL
           AND ($4::timestamptz IS NULL OR m.updated_date >= $4)
         LIMIT 1
     ) m ON true
     LEFT JOIN LATERAL (
         SELECT * FROM outbox o
         WHERE o.site_id = k.site_id AND o.member_id = k.id AND o.event_sequence = m.event_sequence LIMIT 1
     ) o ON true

-- name: causes
WITH slice AS MATERIALIZED (
        SELECT request_id, requester, verdict, member_id, event_sequence, caller, traceparent, method FROM join_requests
        WHERE site_id = $1 AND (request_id, requester) > ($2, $3)
        ORDER BY request_id, requester LIMIT $4
    )
    SELECT request_id, requester,
           CASE WHEN verdict IN ('joined', 'left') AND member_id >= $5 AND ($6::uuid IS NULL OR member_id < $6) THEN member_id END,
           event_sequence, caller, traceparent, method
    FROM slice ORDER BY request_id, requester

-- name: count_members
SELECT count(*) FROM members WHERE (site_id, id) >= ($1::uuid, $2::uuid) AND site_id <= $3::uuid

-- name: server_version
SELECT current_setting('server_version_num')::integer, current_setting('server_version')

-- name: set_lock_limit
SELECT set_config('lock_timeout', $1, false)

-- name: take_turn
SELECT pg_advisory_lock($1)

-- name: has_history
SELECT to_regclass('_sqlx_migrations') IS NOT NULL

-- name: history
SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version

-- name: newest_applied
SELECT coalesce(max(version), 0) FROM _sqlx_migrations WHERE success

-- name: clock
SELECT clock_timestamp()

-- name: server_facts
SELECT clock_timestamp() AS clock, current_setting('server_version_num')::integer AS version, current_setting('server_version') AS version_text, current_setting('transaction_read_only')::boolean AS read_only, current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes, current_setting('synchronous_commit') AS synchronous_commit
