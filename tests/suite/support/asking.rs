//! Requests and members for tests of the record: short to write, and proven as the worker would have proven them.

use aws_lc_rs::digest::{SHA256, digest};
use join_community::domain::{
    Attempts, Caller, IdentityType, MemberId, Method, Proof, Request, RequestId, Requester, SiteId, to_millis,
};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// A new site.
pub(crate) fn new_site() -> SiteId {
    SiteId(Uuid::new_v4())
}

/// A new member id.
pub(crate) fn new_member() -> MemberId {
    MemberId(Uuid::new_v4())
}

/// The n-th member of a test that compares two runs: the same id in each.
pub(crate) fn member_number(number: u8) -> MemberId {
    MemberId(Uuid::from_u128(0x7d36_8843_0000_4000_8000_0000_0000_0000 | u128::from(number)))
}

/// A member who asks to join, with an id that nobody has used; vouched for by a trusted producer.
pub(crate) fn own_request(site: SiteId, member: MemberId) -> Request {
    let caller = Caller { identity_type: IdentityType::Member, id: member.0 };
    request(site, Some(member), caller, &Uuid::now_v7().to_string(), "member-gateway")
}

/// Any request of a trusted producer that may elevate; elevated unless a member asks for themself.
pub(crate) fn request(site: SiteId, target: Option<MemberId>, caller: Caller, id: &str, producer: &str) -> Request {
    let is_self = caller.identity_type == IdentityType::Member && target.is_some_and(|target| target.0 == caller.id);
    let elevated = (!is_self).then_some(true);
    Request {
        id: RequestId::parse(id).unwrap(),
        method: Method::Join,
        site,
        target,
        caller,
        requester: Requester::producer(producer),
        elevated,
        proof: Proof::Producer { vouches: true, may_elevate: true },
        digest: meaning(Method::Join, site, target, caller, elevated),
        attempts: Attempts::default(),
        received_at: to_millis(OffsetDateTime::now_utc()),
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
    }
}

/// The same request with another method.
pub(crate) fn asking(method: Method, request: Request) -> Request {
    let Request { site, target, caller, elevated, .. } = request;
    Request { method, digest: meaning(method, site, target, caller, elevated), ..request }
}

/// The digest of a request's meaning.
pub(crate) fn meaning(
    method: Method,
    site: SiteId,
    target: Option<MemberId>,
    caller: Caller,
    elevated: Option<bool>,
) -> [u8; 32] {
    let meaning = Request::meaning(method, site, target, caller, elevated);
    digest(&SHA256, meaning.as_bytes()).as_ref().try_into().unwrap()
}

/// Puts a member into the record, as another writer would.
pub(crate) async fn insert(connection: &mut PgConnection, site: SiteId, member: MemberId, status: &str, privacy: &str) {
    sqlx::query("INSERT INTO members (site_id, id, status, privacy_status) VALUES ($1, $2, $3, $4)")
        .bind(site.0)
        .bind(member.0)
        .bind(status)
        .bind(privacy)
        .execute(connection)
        .await
        .unwrap();
}

/// A new member who may join, in the record.
pub(crate) async fn joinable(connection: &mut PgConnection, site: SiteId) -> MemberId {
    let member = new_member();
    insert(connection, site, member, "APPROVED", "PRIVATE").await;
    member
}
