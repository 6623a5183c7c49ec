"""The sequence guard: of each member the newest state, whatever order its events come in, and however often.

The comparison and the effect are one statement, so no crash and no second consumer comes between them. PostgreSQL
takes the same statement. Where the effect is something else, do it in the transaction of this one.
"""
import json
import sqlite3
import uuid

TABLE = """
    CREATE TABLE IF NOT EXISTS members (
        site TEXT, member TEXT, sequence INTEGER NOT NULL, entity TEXT NOT NULL, PRIMARY KEY (site, member))
"""
KEEP = """
    INSERT INTO members (site, member, sequence, entity) VALUES (:site, :member, :sequence, :entity)
    ON CONFLICT (site, member) DO UPDATE SET sequence = excluded.sequence, entity = excluded.entity
    WHERE excluded.sequence > members.sequence
"""


def read(headers, body):
    """What this program needs of an event. Fields that it does not know are no reason to stop."""
    event = json.loads(body)
    sequence = int(event["entityEventSequence"])  # a number sent as text: "10" comes after "9"
    if not 0 < sequence < 2**63:
        raise ValueError(f"{sequence} is no sequence")
    return {
        "event": event["id"], "site": str(uuid.UUID(headers["siteId"])), "member": str(uuid.UUID(event["entityId"])),
        "sequence": sequence, "entity": json.dumps(event["updatedEvent"]["currentEntity"]),
    }


class Members:
    def __init__(self, path):
        self.store = sqlite3.connect(path)
        self.store.execute(TABLE)

    def keep(self, event):
        """Whether the event is news. Returns when the answer is on disk."""
        with self.store:
            return self.store.execute(KEEP, event).rowcount == 1
