# SPDX-License-Identifier: Apache-2.0
"""What the commands say: one JSON-able dict per result, and the same as tables for people."""

from rich.console import Console
from rich.table import Table

from scripts.supplier.formats import METER_NUMBER_MAX_N, RELAY_CLOSED, RELAY_OPEN, Identity, Purchase, WriteBack
from scripts.supplier.journal import RESIGN, UTILITY, Entry
from scripts.supplier.units import energy_text, money_text, time_text
from scripts.supplier.utility_formats import Answer, Head, kind_word, result_word

from .user_card import UserCard

console = Console()
_RELAY_WORDS = {RELAY_OPEN: "open", RELAY_CLOSED: "closed"}


def fields(title: str, rows: list[tuple[str, str]]) -> None:
    table = Table(title=title, title_justify="left", show_header=False)
    for name, value in rows:
        table.add_row(name, value)
    console.print(table)


def purchase_dict(purchase: Purchase) -> dict:
    return {
        "purchase": purchase.count,
        "amount_micro": purchase.amount_micro,
        "debt_micro": purchase.debt_micro,
        "sold_utc_s": purchase.sold_utc_s,
    }


def purchase_text(purchase: Purchase, currency: str = "") -> str:
    if not purchase.count:
        return "none yet"
    text = f"no. {purchase.count}: {money_text(purchase.amount_micro)} {currency}".rstrip()
    if purchase.debt_micro:
        text += f", adds a debt of {money_text(purchase.debt_micro)}"
    return f"{text}, sold {time_text(purchase.sold_utc_s)}"


def identity_dict(identity: Identity) -> dict:
    return {
        "meter_number": identity.meter_number,
        "generation": identity.generation,
        "currency": identity.currency,
    }


def write_back_dict(back: WriteBack) -> dict:
    return {
        "number": back.number,
        "key_version": back.key_version,
        "utc_s": back.utc_s,
        "refused_cards": back.refused_cards,
        "failed_logins": back.failed_logins,
        "cover_openings": back.cover_openings,
        "magnet_events": back.magnet_events,
        "other_signs": back.other_signs,
        "import_counts": back.import_counts,
        "export_counts": back.export_counts,
        "rate_counts": list(back.rate_counts),
        "credit_micro": back.credit_micro,
        "overdraft_counts": back.overdraft_counts,
        "overdraft_micro": back.overdraft_micro,
        "debt_micro": back.debt_micro,
        "charges_micro": back.charges_micro,
        "purchase_count": back.purchase_count,
        "purchased_micro": back.purchased_micro,
        "claims": back.claims,
        "relay": _RELAY_WORDS.get(back.relay, "unknown"),
        "emergency_credit": back.emergency_credit,
        "faults": back.faults,
        "months": [{"year": m.year, "month": m.month, "import_counts": m.import_counts} for m in back.months],
    }


def write_back_rows(back: WriteBack) -> list[tuple[str, str]]:
    rows = [
        ("report", f"no. {back.number}, {time_text(back.utc_s)}"),
        ("credit", money_text(back.credit_micro)),
        ("consumed", energy_text(back.import_counts)),
        ("fed in", energy_text(back.export_counts)),
        ("purchases booked", f"{back.purchase_count}, together {money_text(back.purchased_micro)}"),
        ("supply", _RELAY_WORDS.get(back.relay, "unknown") + (f", claims {back.claims:02X}" if back.claims else "")),
        ("key version", str(back.key_version)),
    ]
    odd = [
        (
            "overdraft",
            back.overdraft_micro and f"{money_text(back.overdraft_micro)}, {energy_text(back.overdraft_counts)}",
        ),
        ("debt", back.debt_micro and money_text(back.debt_micro)),
        ("standing charges", back.charges_micro and money_text(back.charges_micro)),
        ("emergency credit", back.emergency_credit and "in use"),
        ("refused cards", back.refused_cards),
        ("failed logins", back.failed_logins),
        ("cover opened", back.cover_openings),
        ("magnet seen", back.magnet_events),
        ("other signs of tampering", back.other_signs),
        ("faults", back.faults and f"{back.faults:04X}"),
    ]
    rows += [(name, str(value)) for name, value in odd if value]
    rows += [(f"end of {m.year}-{m.month:02d}", energy_text(m.import_counts)) for m in back.months]
    return rows


def card_dict(found: UserCard) -> dict:
    return {
        "uid": found.card.uid.hex(),
        **identity_dict(found.identity),
        "key_versions": found.key_versions,
        "sale_key": found.record.key_number,
        "resign_with": found.waits_for or None,
        "replaced": found.replaced,
        **purchase_dict(found.purchase),
        "booked": found.write_back is not None and found.write_back.purchase_count >= found.purchase.count,
        "write_back": write_back_dict(found.write_back) if found.write_back else None,
        "settled": found.settled,
    }


def show_card(found: UserCard) -> None:
    for words in found.settled:
        console.print(words)
    if found.replaced:
        console.print("Another card has replaced this one: keep it here.")
    identity = found.identity
    rows = [
        ("meter", identity.meter_number),
        ("card", f"{found.card.uid.hex().upper()}, generation {identity.generation}"),
        ("last purchase", purchase_text(found.purchase, identity.currency)),
    ]
    if found.record.key_number:
        key = f"sale key {found.record.key_number}"
        if found.waits_for:
            key += f"; if the meter refuses it, sign it again with key {found.waits_for}: 'resign'"
        rows.append(("signed with", key))
    back = found.write_back
    if back is None:
        rows.append(("report", "none: this card has not been to its meter"))
    else:
        rows += write_back_rows(back)
    fields("Card", rows)


def head_dict(head: Head) -> dict:
    return {
        "kind": kind_word(head.kind),
        "serial": head.serial,
        "meter_number": head.meter_number or None,
        "first": head.first or None,
        "last": head.last or None,
        "listed": head.listed,
        "order_key": head.key_number,
        "document_bytes": head.contents_n - METER_NUMBER_MAX_N * head.listed,
    }


def meters_text(head: Head) -> str:
    """For which meters a card is."""
    if head.meter_number:
        return f"meter {head.meter_number}"
    where = f"meters {head.first} to {head.last}" if head.first else "any meter"
    return f"{head.listed} listed meters" if head.listed else where


def answer_dict(answer: Answer) -> dict:
    return {
        "meter_number": answer.meter_number,
        "serial": answer.serial,
        "utc_s": answer.utc_s,
        "kind": kind_word(answer.kind),
        "result": answer.result,
        "result_text": result_word(answer.result),
        "write_back": write_back_dict(answer.write_back) if answer.write_back else None,
    }


def show_answers(head: Head, answers: list[Answer]) -> None:
    table = Table("meter", "when", "asked for", "result", title=f"{len(answers)} answers", title_justify="left")
    for answer in answers:
        row = (answer.meter_number, time_text(answer.utc_s), kind_word(answer.kind), result_word(answer.result))
        table.add_row(*row)
    console.print(table)
    for answer in answers:
        if answer.write_back:
            fields(f"Meter {answer.meter_number}", write_back_rows(answer.write_back))


def entry_dict(entry: Entry) -> dict:
    return {
        "id": entry.id,
        "utc_s": entry.utc_s,
        "what": entry.what,
        "job": entry.job,
        "settles": entry.ref,
        "uid": entry.uid,
        "meter_number": entry.meter,
        "count": entry.count,
        **entry.data,
    }


def show_entries(entries: list[Entry], open_ids: set[int]) -> None:
    table = Table("no.", "when", "meter", "job", "", "what", title="Journal", title_justify="left")
    for entry in entries:
        if entry.ref is not None:
            detail = f"of no. {entry.ref}" + (f": {entry.data['why']}" if "why" in entry.data else "")
        elif "before" in entry.data:
            before = entry.data["before"]
            had = f"{money_text(before['amount_micro'])} {before['currency']}"
            detail = f"{purchase_text(entry.purchase, entry.data['currency'])} (before: {had})"
        elif "booked_micro" in entry.data:
            detail = f"the meter had booked {money_text(entry.data['booked_micro'])}"
        elif "sale_key" in entry.data and entry.job == RESIGN:
            detail = f"no. {entry.count}, with sale key {entry.data['sale_key']}"
        elif "amount_micro" in entry.data:
            detail = purchase_text(entry.purchase)
        elif entry.job == UTILITY and "kind" in entry.data:
            detail = f"{kind_word(entry.data['kind'])}, serial {entry.count}"
        elif "write_back" in entry.data:
            detail = f"the meter has booked purchase {entry.count}"
        else:
            detail = ""
        what = "OPEN" if entry.id in open_ids else entry.what
        table.add_row(str(entry.id), time_text(entry.utc_s), entry.meter or "any", entry.job, what, detail)
    console.print(table)
