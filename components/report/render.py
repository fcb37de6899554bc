"""Facts -> one HTML page that needs no network: style, script, data and the chart library stand in it."""

import base64
import functools
import hashlib
import importlib.resources

import jinja2

from components.report.checks import badges, grouped, listed, scalars, title_of
from components.report.facts import RunFacts
from components.report.payload import embedded, payload
from components.report.table import columns, roles, states
from components.report.wording import duration, label, number

FILE_NAME = "report.html"
_SHOWN_FINDINGS = 20  # the others are folded, by check and fault
_MAX_FINDINGS = 200  # a person reads no more; the verdict has all


def render(facts: RunFacts) -> str:
    """The whole page. Nothing in ``facts`` can end an element, or be run: the page's own scripts alone may be."""
    table = columns(facts)
    plotly, script = _plotly(), _part("report.js")
    findings = listed(facts.checks)
    return _template().render(
        facts=facts,
        badges=badges(facts),
        findings=findings[:_SHOWN_FINDINGS],
        folded=grouped(findings[_SHOWN_FINDINGS:_MAX_FINDINGS]),
        more_findings=max(0, len(findings) - _MAX_FINDINGS),
        columns=table,
        states=states(facts),
        roles=roles(facts.features),
        data=embedded(payload(facts, table)),
        style=_part("report.css"),
        script=script,
        plotly=plotly,
        allowed_scripts=f"'{_hash(script)}' '{_hash(plotly)}'",
        length=max((node.ended for node in facts.timeline), default=0.0),
        scalars=scalars,
        title_of=title_of,
        duration=duration,
        label=label,
        number=number,
    )


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    return environment.from_string(_part("report.html.jinja"))


@functools.cache
def _part(name: str) -> str:
    return importlib.resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


@functools.cache
def _plotly() -> str:
    """Plotly's own bundle, from its Python package."""
    return importlib.resources.files("plotly").joinpath("package_data/plotly.min.js").read_text(encoding="utf-8")


def _hash(script: str) -> str:
    """As a Content-Security-Policy names the one script that may run."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"
