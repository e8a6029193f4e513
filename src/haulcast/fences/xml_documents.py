"""What the readers of XML documents (KML, GPX) have in common."""

from collections.abc import Collection
from typing import Any
from xml.etree.ElementTree import Element, ParseError  # the types only: defusedxml parses

from defusedxml import DefusedXmlException, ElementTree

from haulcast.errors import RequestError


def root_of(document: bytes, kind: str, roots: Collection[str]) -> Element:
    """The root element of a document; `kind` is KML or GPX, for errors. Blocks.

    Raises:
        RequestError: not XML, another root, or a document type or entities of its own, which are refused.
    """
    code = f"bad_{kind.lower()}"
    try:
        root: Element = ElementTree.fromstring(document, forbid_dtd=True)
    except DefusedXmlException as error:
        raise RequestError(
            code, f"the {kind} declares a document type or entities; allowed is plain {kind}"
        ) from error
    except (ParseError, LookupError, ValueError) as error:
        raise RequestError(code, f"not XML: {error}") from error
    if kind_of(root) not in roots:
        raise RequestError(code, f"not {kind}: the root element is {kind_of(root)[:80]!r}")
    return root


def kind_of(element: Element) -> str:
    """The element's name without its namespace."""
    return str(element.tag).rpartition("}")[2]


def number_or_text(text: str) -> Any:
    """The number, or the text as it is, for the check of all features to name."""
    try:
        return float(text)
    except ValueError:
        return text
