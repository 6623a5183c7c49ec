"""The event *Member Updated* as consumers of the Members API read it: its documented fields, types and words, in REST names.
Written from that API's documentation and from nothing of ours; what it does not know it lets pass, as those readers do."""
import re

GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
# Any precision that the API is known to send: none, milliseconds, microseconds, nanoseconds.
INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.(\d{3}|\d{6}|\d{9}))?Z")
INT64 = re.compile(r"[0-9]{1,19}")  # 64-bit numbers are text in JSON


class Unreadable(Exception):
    """What is not as documented, and where."""


def matching(pattern):
    def read(value, where):
        if not (isinstance(value, str) and pattern.fullmatch(value)):
            raise Unreadable(f"{where}: {value!r}")
    return read


def of(*types):
    def read(value, where):
        # True is an integer only in Python.
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise Unreadable(f"{where}: {value!r}")
    return read


def one_of(*words):
    def read(value, where):
        if value not in words:
            raise Unreadable(f"{where}: {value!r}")
    return read


def every(kind):
    def read(value, where):
        of(list)(value, where)
        for position, item in enumerate(value):
            kind(item, f"{where}/{position}")
    return read


def having(required, optional):
    def read(value, where):
        of(dict)(value, where)
        for name in required:
            if name not in value:
                raise Unreadable(f"{where}/{name}: is not there")
        for name, kind in (required | optional).items():
            if name in value:
                kind(value[name], f"{where}/{name}")
    return read


text, number, flag, anything = of(str), of(int), of(bool), of(dict, list, str, int, float, bool, type(None))
guid, instant, int64 = matching(GUID), matching(INSTANT), matching(INT64)


def custom_fields(value, where):
    of(dict)(value, where)
    for key, field in value.items():
        having({"value": anything}, {"name": text})(field, f"{where}/{key}")


IMAGE = having({"id": text, "url": text, "height": number, "width": number}, {"offsetX": number, "offsetY": number})
ADDRESS = having({}, {
    "id": text, "addressLine": text, "addressLine2": text, "city": text, "subdivision": text, "country": text,
    "postalCode": text, "streetAddress": having({"number": text, "name": text}, {}),
})
CONTACT = having({"phones": every(text), "emails": every(text), "addresses": every(ADDRESS)}, {
    "contactId": guid, "firstName": text, "lastName": text, "birthdate": text, "company": text, "jobTitle": text,
    "customFields": custom_fields,
})
PROFILE = having({}, {"nickname": text, "slug": text, "title": text, "photo": IMAGE, "cover": IMAGE})
MEMBER = having({
    "id": guid,
    "status": one_of("UNKNOWN", "PENDING", "APPROVED", "BLOCKED", "OFFLINE"),
    "privacyStatus": one_of("UNKNOWN", "PRIVATE", "PUBLIC"),
    "activityStatus": one_of("UNKNOWN", "ACTIVE", "MUTED"),
}, {
    "loginEmail": text, "loginEmailVerified": flag, "contactId": guid, "contact": CONTACT, "profile": PROFILE,
    "createdDate": instant, "updatedDate": instant, "lastLoginDate": instant,
})
EVENT = having({
    "id": text,
    "entityFqdn": one_of("wix.members.v1.member"),
    "slug": one_of("updated"),
    "entityId": guid,
    "eventTime": instant,
    "updatedEvent": having({"currentEntity": MEMBER}, {}),
}, {"triggeredByAnonymizeRequest": flag, "originatedFrom": of(str, type(None)), "entityEventSequence": int64})
IDENTITIES = {"UNKNOWN": None, "ANONYMOUS_VISITOR": "anonymousVisitorId", "MEMBER": "memberId", "WIX_USER": "wixUserId",
              "APP": "appId"}


def read(event):
    """The member after the change; raises `Unreadable`."""
    EVENT(event, "")
    member = event["updatedEvent"]["currentEntity"]
    if member["id"] != event["entityId"]:
        raise Unreadable("/entityId: is not the member's")
    return member


def read_identity(identity):
    """Who caused the change: a type, and the one id that belongs to it."""
    having({"identityType": one_of(*IDENTITIES)}, {})(identity, "identity")
    ids = {name for name in identity if name in IDENTITIES.values()}
    if ids != {IDENTITIES[identity["identityType"]]} - {None}:
        raise Unreadable(f"identity: {identity!r}")
