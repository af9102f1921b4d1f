"""What can be done: declarations of tools, their execution, the ledger of their effects."""

from concertmaster.tools.declaration import Tool, ToolContext, declare

__all__ = ["Tool", "ToolContext", "declare"]
