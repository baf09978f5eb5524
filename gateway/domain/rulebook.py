"""What does each rule that may stand at a decision mean, in one sentence for a person? (ID-78, ID-79)"""

from __future__ import annotations

MEANINGS: dict[str, str] = {
    "ID-1": "This sender's records are known by their remote ID, so one without it is not taken.",
    "ID-3": "In this integration the iMIS ID alone says who somebody is, so a record without one is not taken.",
    "ID-6": "The remote ID could not be read: it is a text of 1 to 255 characters.",
    "ID-8": "The e-mail address is not valid, so nothing of the record was stored.",
    "ID-9": "An obvious slip in the address was corrected, as the brand's setting allows.",
    "ID-10": "The remote ID and the address belong to this record already, so it was updated.",
    "ID-11": "The remote ID belongs to this record and came with another address, which replaced the old one.",
    "ID-12": "The remote ID was new and a record without one had the address, so that record took the remote ID.",
    "ID-13": "The remote ID was new and no record without one had the address, so a new record was made.",
    "ID-14": "The record came without a remote ID and nobody had the address, so a new record was made.",
    "ID-15": "The record came without a remote ID and one record had the address, so that one was updated.",
    "ID-16": "The record came without a remote ID and several records have the address, so it is not certain which is "
             "meant.",
    "ID-17": "A record without remote ID had the same address, so it was merged into the one with the remote ID.",
    "ID-18": "The record came with a remote ID and without an address: a known person keeps the address, a new one "
             "needs one.",
    "ID-19": "The record named neither a remote ID nor an address.",
    "ID-20": "One-to-Many: the remote key is a link of the main record of this address, which was updated.",
    "ID-21": "One-to-Many: the remote key was new and the address has its main record, so the key became a link of it.",
    "ID-22": "One-to-Many: the address had no main record yet, so one was made.",
    "ID-23": "One-to-Many: the record came without a remote key, so the main record of the address was updated.",
    "ID-24": "One-to-Many: the only link of the main record came with a new address, so the main record was renamed.",
    "ID-25": "One-to-Many: the remote key came with another address, so the link moved to that address's main record.",
    "ID-26": "Two records of one person were merged; the one that is left keeps its id.",
    "ID-28": "The remote ID belongs to another address, and this sender may not change addresses.",
    "ID-29": "The remote ID of the person was changed on purpose.",
    "ID-32": "The link ended over there; the record is kept, leaves that integration's interests, and is not "
             "unsubscribed by it.",
    "ID-33": "The integration sent its known remote ID without an address, so the link ended.",
    "ID-34": "The record is an orphan; only its remote ID brings it back.",
    "ID-35": "The person asked to be erased, and a record that matches them is not stored again.",
    "ID-38": "The sender joined people to the interest or ended their membership, of its own source alone.",
    "ID-39": "The person left the interest, and only a deliberate act here undoes that.",
    "ID-40": "The record is the whole state at its source: what it does not name was taken away, of this source alone.",
    "ID-42": "The interest is not known, and the credentials may not create interests.",
    "ID-43": "The person does not want mail: the opt-out was set on the address and on every record that has it.",
    "ID-44": "The address bounced too often and counts as bad.",
    "ID-45": "The integration set or cleared its do-not-email flag on the remote key.",
    "ID-50": "An unsubscribe counts for the address and all its records; an interest that is left counts for that one "
             "alone.",
    "ID-51": "A resubscribe, with a reason, ended opt-out and bounce at the address and on its records.",
    "ID-56": "The person changed a field on the preference form; the systems that know it are told.",
    "ID-63": "A foreign system that fetches its writebacks said what became of one.",
    "ID-69": "A complete sync did not list the remote ID any more, so its link ended.",
    "ID-70": "The change was too large to happen by itself and waited for an administrator.",
    "ID-71": "The foreign system lists the remote ID several times with different data, so nothing of it was applied.",
    "ID-74": "One-to-Many was switched on, and the records of one address became one.",
    "ID-75": "One-to-Many was switched off; main records stay as they are.",
}
"""Rule -> sentence. Rules that never stand at a decision (limits, writebacks, personal data) are not here."""


def meaning(rule: str | None) -> str | None:
    """The sentence of a rule, or None for a decision without a rule or of a rule that has none."""
    return MEANINGS.get(rule or "")
