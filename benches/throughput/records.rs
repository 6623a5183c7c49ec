//! The tables that a measurement finds: filled on the server, counted when all is done. Apart from the rest of the ground,
//! because these are the statements.

use anyhow::Result;
use sqlx::{Executor as _, PgConnection};
use uuid::Uuid;

use crate::ground::{Size, Tables};

/// A member of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// The site.
    pub(crate) site: Uuid,
    /// The member.
    pub(crate) id: Uuid,
}

/// Members, each with what a member usually has, of the site given, or else of a hundred.
const MEMBERS: &str = r#"
    INSERT INTO members (site_id, id, login_email, contact_id, contact, profile)
    SELECT coalesce($2, md5('site' || n % 100)::uuid), gen_random_uuid(), 'member' || n || '@example.com', gen_random_uuid(),
           '{"firstName": "John", "lastName": "Doe", "phones": ["2075556300"], "emails": [], "addresses": [],
             "customFields": {}}',
           jsonb_build_object('nickname', 'John Doe', 'slug', 'johndoe' || n)
    FROM generate_series(1, $1) n"#;

/// Requests of the last 33 days, time-ordered ids, each of another site than the one before. What is older than
/// `requests.retention` is what pruning finds to delete, all over the table.
const RECORDED: &str = "
    INSERT INTO join_requests (site_id, request_id, requester, digest, member_id, caller, elevated, proof, verdict,
                               event_sequence, received_at, decided_at)
    SELECT md5('site' || n % 100)::uuid, '01930000-' || lpad(to_hex(n), 12, '0') || '-recorded', 'producer:member-gateway',
           sha256(n::text::bytea), gen_random_uuid(), 'MEMBER:' || gen_random_uuid(), false, 'producer', 'joined', 1,
           at, at
    FROM (SELECT n, clock_timestamp() - n % 33 * interval '1 day' AS at FROM generate_series(1, $1) n) recorded";

/// Fills them, and answers who asks to join.
pub(super) async fn fill(records: &mut PgConnection, size: Size) -> Result<Vec<Member>> {
    let Size { requests, others, recorded } = size;
    if requests + others == 0 {
        return Ok(Vec::new());
    }
    sqlx::query(MEMBERS).bind(i64::try_from(requests + others)?).bind(None::<Uuid>).execute(&mut *records).await?;
    if recorded > 0 {
        sqlx::query(RECORDED).bind(i64::try_from(recorded)?).execute(&mut *records).await?;
        records.execute("VACUUM ANALYZE join_requests").await?;
    }
    records.execute("VACUUM ANALYZE members").await?;
    // In no order, so that neighbours in the queue are none in table or index.
    let asking: Vec<(Uuid, Uuid)> = sqlx::query_as("SELECT site_id, id FROM members ORDER BY random() LIMIT $1")
        .bind(i64::try_from(requests)?)
        .fetch_all(&mut *records)
        .await?;
    Ok(asking.into_iter().map(|(site, id)| Member { site, id }).collect())
}

/// Fills members of two sites, so many of each, and answers them.
pub(super) async fn fill_two_sites(records: &mut PgConnection, counts: [usize; 2]) -> Result<[Vec<Member>; 2]> {
    let mut sites = [Vec::new(), Vec::new()];
    for (members, count) in sites.iter_mut().zip(counts) {
        let site = Uuid::new_v4();
        sqlx::query(MEMBERS).bind(i64::try_from(count)?).bind(site).execute(&mut *records).await?;
        let ids: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM members WHERE site_id = $1 ORDER BY random()")
            .bind(site)
            .fetch_all(&mut *records)
            .await?;
        *members = ids.into_iter().map(|id| Member { site, id }).collect();
    }
    records.execute("VACUUM ANALYZE members").await?;
    Ok(sites)
}

/// Counts verdicts of this measurement, and what is owed. What stands recorded from earlier is not read: its ids are older,
/// and by site and id the new ones are found in the index.
pub(super) async fn progress(records: &mut PgConnection, tables: Tables) -> Result<(usize, usize)> {
    let counts = match tables {
        Tables::Ours => {
            "SELECT (SELECT count(*) FROM join_requests WHERE verdict = 'joined' AND request_id >= '01930001'
                     AND site_id = ANY (SELECT md5('site' || n)::uuid FROM generate_series(0, 99) n)),
                    (SELECT count(*) FROM outbox)"
        }
        Tables::Plain => "SELECT (SELECT count(*) FROM inbox WHERE verdict = 'joined'), (SELECT count(*) FROM outbox)",
    };
    let (verdicts, owed): (i64, i64) = sqlx::query_as(counts).fetch_one(&mut *records).await?;
    Ok((usize::try_from(verdicts)?, usize::try_from(owed)?))
}

/// Counts what stands recorded from earlier, which pruning makes less.
pub(super) async fn recorded(records: &mut PgConnection) -> Result<usize> {
    let recorded = "SELECT count(*) FROM join_requests WHERE request_id LIKE '%-recorded'";
    let recorded: i64 = sqlx::query_scalar(recorded).fetch_one(&mut *records).await?;
    Ok(usize::try_from(recorded)?)
}

/// Counts members who are public.
pub(super) async fn joined(records: &mut PgConnection) -> Result<usize> {
    let joined: i64 = sqlx::query_scalar("SELECT count(*) FROM members WHERE privacy_status = 'PUBLIC'")
        .fetch_one(&mut *records)
        .await?;
    Ok(usize::try_from(joined)?)
}

/// Counts members of a site who are public.
pub(super) async fn joined_at(records: &mut PgConnection, site: Uuid) -> Result<usize> {
    let public = "SELECT count(*) FROM members WHERE site_id = $1 AND privacy_status = 'PUBLIC'";
    let joined: i64 = sqlx::query_scalar(public).bind(site).fetch_one(&mut *records).await?;
    Ok(usize::try_from(joined)?)
}
