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
