"""Tools that other servers have, as declared tools: those of MCP servers."""

from concertmaster.tools.connectors.mcp_server import McpServer

__all__ = ["McpServer"]
