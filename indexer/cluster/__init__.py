"""An index on a Milvus engine: what a build writes there, and what a search reads."""
