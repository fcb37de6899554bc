"""Facts of a column -> its proposed role, the options and the reason: the rules, each with its bound."""

import dataclasses
from collections.abc import Iterable

from components.feature_plan import model_name
from pipeline.init.columns import ColumnFacts

RARE_SHARE = 0.01  # fewer rows than this say too little about the whole to be worth a column
FREE_TEXT_SHARE = 0.5  # more different texts than this share of the rows: hardly one is seen twice
FREE_TEXT_DISTINCT = 100  # below, even mostly different texts make a small vocabulary
RUNNING_SHARE = 0.95  # a row number that starts again for each of a few groups is still a row number
FEWEST_ROWS_FOR_IDS = 20  # in fewer rows, integers that never repeat happen by chance
INDICATOR_SHARE = 0.05  # from here on, that a value is missing is common enough to learn from
LONG_TAIL_SKEWNESS = 2.0  # that of an exponential distribution; beyond it a few rows dominate mean and sigma


@dataclasses.dataclass(frozen=True)
class Proposal:
    """One column's proposed role.

    Attributes:
      name: the column.
      role: a role tag of the schema.
      options: further tags, such as ``missing=indicator``.
      reason: why, in one sentence for the person who reviews the schema.
    """

    name: str
    role: str
    options: tuple[str, ...]
    reason: str


def propose(columns: Iterable[ColumnFacts], label: str) -> tuple[Proposal, ...]:
    """One proposal for every column, in order; the label is taken as given.

    Of columns whose names a model cannot tell apart (``a b`` and ``a_b``) the later ones are ignored.
    """
    columns = tuple(columns)
    owner = {model_name(label): label}
    proposals = []
    for facts in columns:
        if facts.name == label:
            proposals.append(Proposal(label, "label", (), "what the model learns to predict."))
            continue
        proposal = propose_role(facts)
        names = _model_names(proposal)
        taken = next((name for name in names if name in owner), None)
        if taken:
            reason = f"its name becomes {taken!r} in the model, as that of {owner[taken]!r} does; rename one to use it."
            proposal = Proposal(facts.name, "ignore", (), reason)
        else:
            owner.update(dict.fromkeys(names, facts.name))
        proposals.append(proposal)
    return tuple(proposals)


def _model_names(proposal: Proposal) -> tuple[str, ...]:
    if proposal.role == "ignore":
        return ()
    name = model_name(proposal.name)
    return (name, f"{name}_missing") if "missing=indicator" in proposal.options else (name,)


def propose_role(facts: ColumnFacts) -> Proposal:
    """The role of a column that is not the label."""
    reason = _reason_to_ignore(facts)
    if reason:
        return Proposal(facts.name, "ignore", (), reason)
    if facts.dtype == "bytes":
        return Proposal(facts.name, "category", (), f"text with {facts.distinct:,} different values.")
    return _numeric(facts)


def _reason_to_ignore(facts: ColumnFacts) -> str | None:
    share = facts.present / facts.rows if facts.rows else 0.0
    if not facts.distinct:
        return "empty: no row has a value." if not facts.present else "empty: every value is NaN."
    if share < RARE_SHARE:
        return f"present in {facts.present:,} of {facts.rows:,} rows only (under {RARE_SHARE:.0%})."
    if facts.distinct == 1:
        where = "in every row" if not facts.missing else "wherever it is present"
        return f"constant: the same value {where}."
    if facts.dtype == "bytes":
        return _reason_to_ignore_text(facts)
    if facts.max_length > 1 and (facts.missing or facts.min_length < facts.max_length):
        fewest = 0 if facts.missing else facts.min_length
        return f"{fewest:,} to {facts.max_length:,} values in a row; z_score takes the same number in every row."
    if facts.dtype == "int64" and facts.scalar and facts.present >= FEWEST_ROWS_FOR_IDS:
        if facts.steps_by_one >= RUNNING_SHARE:
            return "a running number: it goes up by one from row to row."
        if facts.distinct == facts.counted:
            return "unique per row, as an identifier is; tag it z_score if it measures something."
    return None


def _reason_to_ignore_text(facts: ColumnFacts) -> str | None:
    if not facts.scalar:
        return f"text with up to {facts.max_length:,} values in a row; a category holds one."
    if facts.distinct == facts.counted:
        return "unique per row: an identifier or free text."
    if facts.distinct > FREE_TEXT_DISTINCT and facts.distinct > FREE_TEXT_SHARE * facts.counted:
        return f"nearly unique per row ({facts.distinct:,} different texts in {facts.counted:,} rows)."
    if not facts.counts:
        return f"more than {facts.distinct - 1:,} different texts; tag it category with max_keys=<n> to use it."
    return None


def _numeric(facts: ColumnFacts) -> Proposal:
    kind = "integers" if facts.dtype == "int64" else "numbers"
    sentences = [f"{kind} from {facts.min:,.6g} to {facts.max:,.6g}"]
    options = []
    if facts.dtype == "int64" and 2 < facts.distinct <= 20 and facts.scalar:
        sentences.append("few of them, taken as an order; if they are codes without one, tag it category")
    if facts.min >= 0 and facts.skewness > LONG_TAIL_SKEWNESS and facts.distinct > 2:
        options.append("log1p")
        sentences.append("a long tail to the right, so the logarithm of 1 + x is normalized")
    if facts.missing and facts.missing >= INDICATOR_SHARE * facts.rows:
        options.append("missing=indicator")
        sentences.append("often missing, so the model is told when")
    if not facts.scalar:
        sentences.append(f"{facts.max_length:,} of them in a row, each with its own mean and sigma")
    return Proposal(facts.name, "z_score", tuple(options), "; ".join(sentences) + ".")
