"""Workflows as tools for MCP clients."""
