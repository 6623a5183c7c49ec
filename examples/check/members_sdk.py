"""What the Members API's SDK gives its handlers, by its documentation: the event in names of its own."""

NAMES = {"id": "_id", "createdDate": "_createdDate", "updatedDate": "_updatedDate"}


def renamed(value):
    """It renames wherever a name stands, in keys of maps and behind their dots, too: `custom.id` becomes `custom._id`."""
    if isinstance(value, list):
        return [renamed(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {".".join(NAMES.get(word, word) for word in name.split(".")): renamed(item) for name, item in value.items()}


def given(event, site, identity, account=None):
    """What a handler of Member Updated is given, as JSON has it. Who caused the event, and the account, may be unknown."""
    metadata = renamed({name: value for name, value in event.items() if name != "updatedEvent"})
    more = {"identity": identity, "accountInfo": account and {"accountId": account, "siteId": site}}
    metadata |= {"instanceId": site} | {name: value for name, value in more.items() if value}
    return {"entity": renamed(event["updatedEvent"]["currentEntity"]), "metadata": metadata}
