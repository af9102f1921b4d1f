"""Reading files of many formats as text with places; one adapter a format, behind one callable."""

from concertmaster.retrieval.reading.reading import Part, Reading, Unreadable
from concertmaster.retrieval.reading.registry import register_reader

__all__ = ["Part", "Reading", "Unreadable", "register_reader"]
