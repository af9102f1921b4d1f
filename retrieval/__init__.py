"""What may be known: documents, passages, embeddings and an index filtered by access."""
