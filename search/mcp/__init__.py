"""An MCP server: an assistant searches a person's notes, reads them and explores what is related."""
