"""What do tests of actions write and look up? Small documents by hand, and the tables as they are."""

from xml.sax.saxutils import escape

from tests.aapi.door import NS


def subscriber(email=None, remote_id=None, fields=None, reason=None):
    """A Subscriber element."""
    parts = [f"<Email>{escape(email)}</Email>" if email is not None else "",
             f"<ID>{escape(remote_id)}</ID>" if remote_id is not None else "",
             f"<UnsubscribeReason>{escape(reason)}</UnsubscribeReason>" if reason is not None else ""]
    if fields:
        inner = "".join(f'<Field element="{name}">{escape(value)}</Field>' for name, value in fields.items())
        parts.append(f"<Fields>{inner}</Fields>")
    return f"<Subscriber>{''.join(parts)}</Subscriber>"


def people(*each):
    """A Subscribers element; a text is a record with this address."""
    return f"<Subscribers>{''.join(subscriber(x) if '<' not in x else x for x in each)}</Subscribers>"


def details(*names, action="AddOrUpdateSubscribers"):
    """An InterestDetails element."""
    return f"<InterestDetails>{interest_names(*names)}<InterestAction>{action}</InterestAction></InterestDetails>"


def interest_names(*names):
    """An InterestNames element, nothing without names."""
    inner = "".join(f"<InterestName>{escape(name)}</InterestName>" for name in names)
    return f"<InterestNames>{inner}</InterestNames>" if names else ""


def definition(name, data_type="String", **more):
    """A FieldDefinition element."""
    inner = "".join(f"<{key}>{escape(str(value))}</{key}>" for key, value in more.items())
    return f"<FieldDefinition><Name>{escape(name)}</Name><DataType>{data_type}</DataType>{inner}</FieldDefinition>"


def subscribe(*each, interests="", definitions=""):
    """A Subscribe element."""
    if definitions:
        definitions = f"<FieldDefinitions>{definitions}</FieldDefinitions>"
    return (f"<Subscribe>{interests}<SubscriberData>{definitions}{people(*each)}</SubscriberData></Subscribe>")


def told(answer, *names):
    """The texts of the named children of the only answer, then status and message."""
    (made,) = answer.find(f"{{{NS}}}Responses")
    end = made.find(f"{{{NS}}}ActionStatus")
    found = [made.findtext(f"{{{NS}}}{name}") for name in names]
    return (*found, end.findtext(f"{{{NS}}}Status"), end.findtext(f"{{{NS}}}Message"))


def rows(door, query):
    """The rows of a query, as they are stored."""
    with door.gateway.engine.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def stored(door, brand=1):
    """(address, remote ID) of the brand's live records in the order in which they were made."""
    return rows(door, f"""SELECT s.email, k.remote_id FROM subscriber s LEFT JOIN remote_key k ON k.subscriber_id = s.id
        WHERE s.brand_id = {brand} AND s.merged_into IS NULL ORDER BY s.id, k.id""")


def members(door, interest, brand=1):
    """The addresses of the members of an interest."""
    return [email for email, in rows(door, f"""SELECT s.email FROM membership m JOIN subscriber s ON
        s.id = m.subscriber_id JOIN interest i ON i.id = m.interest_id WHERE m.until IS NULL AND i.name = '{interest}'
        AND s.brand_id = {brand} ORDER BY s.email""")]


def unsubscribed(door, brand=1):
    """Address -> origin and reason of those that are opted out."""
    return {email: (origin, reason) for email, origin, reason in rows(door, f"""SELECT email, opt_out_origin,
        opt_out_reason FROM address_status WHERE opted_out_at IS NOT NULL AND brand_id = {brand} ORDER BY email""")}
